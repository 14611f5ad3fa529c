"""What is trained on when: epochs for every phase, batches for every epoch, a missing pattern for every sample."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from md2n.batch import Dataset, SequenceBatch
from md2n.data.conversation import conversation_order, cuts
from md2n.data.dataset import epoch_order
from md2n.data.propensity import weighted_order
from md2n.errors import UsageError
from md2n.evaluation.inference import conversations_for
from md2n.methods.base import MultimodalModel, Phase
from md2n.missing import draw_available
from md2n.seeding import generator, numpy_generator
from md2n.training.config import TrainerConfig


class Feed:
    """Batches as functions of the seed and of counters in the checkpoint; it has no state of its own.

    Args:
        dataset: the training split, N samples.
        config: batch size, and the probability that a sample stays complete.
        seed: of the run.
        device: where batches go.
        conversation: ``[N]`` codes of conversations, where the method reads them: a batch holds whole ones, so its
            size is near to what is asked for, and only one as long as an even batch is cut.

    Where the data set has ``weights``, an epoch draws each sample as often as its weight says instead of once: so
    every term of every method's loss is weighted on average.  Closed-form fits see each sample once.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: TrainerConfig,
        seed: int,
        device: torch.device,
        conversation: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.dataset, self.config, self.seed, self.device = dataset, config, seed, device
        self.conversation = conversation
        self.weights: npt.NDArray[np.float64] | None = getattr(dataset, "weights", None)
        self.batches = -(-len(dataset) // config.batch_size)

    def epoch(self, epoch: int, position: int) -> Iterator[npt.NDArray[np.int64]]:
        """Positions in the data set, batch by batch, of an epoch of which ``position`` batches are done."""
        if self.weights is not None:
            order = weighted_order(self.weights, numpy_generator(self.seed, "order", epoch))
            batches = split_batches(order, self.config.batch_size)
        elif self.conversation is None:
            batches = split_batches(epoch_order(len(self.dataset), self.seed, epoch), self.config.batch_size)
        else:
            order = conversation_order(self.conversation, self.seed, epoch)
            batches = np.split(order, cuts(self.conversation[order], self.batches))
        yield from batches[position:]

    def stretch(self, step: int, count: int) -> Iterator[npt.NDArray[np.int64]]:
        """Positions of the next ``count`` batches after ``step`` of them, through as many epochs as it takes."""
        epoch, position = divmod(step, self.batches)
        passes = (self.epoch(n, position if n == epoch else 0) for n in itertools.count(epoch))
        return itertools.islice(itertools.chain.from_iterable(passes), count)

    def batch(self, positions: npt.NDArray[np.int64], phase: Phase, step: int) -> SequenceBatch:
        """The samples as the phase wants them at a step: patterns drawn, or everything present."""
        batch = self.dataset.batch(positions)
        if phase.patterns == "drawn":
            coins = generator(self.seed, "patterns", step)
            batch = batch.hide(draw_available(batch.present, coins, self.config.keep_all))
        return batch.to(self.device)

    def complete(self) -> Iterator[SequenceBatch]:
        """Every sample once, in the order of the data, with everything present available: for a closed-form fit."""
        for positions in split_batches(np.arange(len(self.dataset), dtype=np.int64), self.config.batch_size):
            yield self.dataset.batch(positions).complete().to(self.device)


def check_weights(model: MultimodalModel, dataset: Dataset) -> None:
    """Refuses weights of samples where the method could not follow them.

    Raises:
        UsageError: it has no steps that draw samples, or it reads whole conversations.
    """
    if getattr(dataset, "weights", None) is None:
        return
    if all(phase.fit is not None for phase in model.phases()):
        reason = "this method is fitted in closed form"
    elif conversations_for(model, dataset) is not None:
        reason = "this method reads whole conversations"
    else:
        return
    raise UsageError(
        f"data.cases = 'weighted' draws samples for the steps of training, but {reason}",
        "choose data.cases = 'all' or 'complete', or another method",
    )


def epochs_of(phases: Sequence[Phase], epochs: int) -> tuple[int, ...]:
    """Epochs of every phase: proportional to its share, at least one; zero for a closed-form fit.

    Args:
        phases: of a method, in order.
        epochs: to divide; fewer than there are phases gives each one.

    Returns:
        Counts that sum to ``epochs`` where that is possible (largest remainders are rounded up).

    Raises:
        UsageError: no phase, a share that is not positive, or a last phase that does not select.

    >>> epochs_of([Phase("a", share=1), Phase("b", share=3)], 10)
    (3, 7)
    """
    if not phases or not phases[-1].selects:
        raise UsageError("the last phase of a method must select its checkpoint", "set selects=True on it")
    stepped = [p for p in phases if p.fit is None]
    for phase in stepped:
        if phase.share <= 0:
            raise UsageError(f"phase '{phase.name}' has share {phase.share}", "shares are positive")
    whole = sum(p.share for p in stepped)
    exact = [0.0 if p.fit else epochs * p.share / whole for p in phases]
    counts = [0 if p.fit else max(1, int(x)) for p, x in zip(phases, exact)]
    # Remainders go round by size; ties to the earlier phase.
    for index in sorted(range(len(phases)), key=lambda i: (counts[i] - exact[i], i)):
        if sum(counts) < epochs and phases[index].fit is None:
            counts[index] += 1
    return tuple(counts)


def stretches_of(
    phases: Sequence[Phase], config: TrainerConfig, batches: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Stretches of every phase, after which training is logged, saved and perhaps validated, and its optimiser steps.

    A stretch is an epoch; where ``config.steps`` counts, it is what lies between two validations.  Stretch k of K in a
    phase of S steps ends after ``S (k + 1) // K`` of them.

    Args:
        phases: of a method, in order.
        config: epochs, or steps and validations.
        batches: of an epoch.

    Raises:
        UsageError: as ``epochs_of``.
    """
    if not config.steps:
        epochs = epochs_of(phases, config.epochs)
        return epochs, tuple(batches * count for count in epochs)
    steps = epochs_of(phases, config.steps)
    return tuple(map(min, epochs_of(phases, config.validations), steps)), steps


def split_batches(order: npt.NDArray[np.int64], batch_size: int) -> list[npt.NDArray[np.int64]]:
    """The rows of an epoch in as few batches as ``batch_size`` allows, of sizes that differ by at most one.

    A last batch of a single sample would have no batch statistics.
    """
    return np.array_split(order, -(-len(order) // batch_size))
