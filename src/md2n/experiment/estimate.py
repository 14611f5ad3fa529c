"""How long a run takes, before it is begun.

The method is built and does, in memory, a few training steps of each of its phases, one validation batch, one batch of
predictions and one of recoveries; each is timed and multiplied by how often a whole run does it.  A run that stops
early takes less.
"""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from md2n.batch import Dataset, SequenceBatch
from md2n.data.ready import Datasets
from md2n.evaluation.evaluator import evaluate, evaluate_recovery, validation_score
from md2n.evaluation.protocols import RATES, Condition, fixed_conditions
from md2n.experiment.config import ExperimentConfig
from md2n.experiment.job import recovered_under
from md2n.experiment.measuring import RECOVERY_BATCH
from md2n.methods.base import MultimodalModel, Phase, Recovers
from md2n.methods.catalogue import build
from md2n.missing import incomplete_patterns
from md2n.seeding import generator
from md2n.training.feed import Feed, epochs_of
from md2n.training.optim import OptimizerState

STARTING_S = 7.5  # of two or three processes that import torch and read the data
TIMED_STEPS, TIMED_S = 3, 1.0  # steps of a phase that are timed, and seconds after which no more are begun
VALIDATION_BATCH = 256  # of validation_score


@dataclass(frozen=True)
class _First:
    """The first samples of a data set."""

    dataset: Dataset
    size: int

    def __len__(self) -> int:
        return min(self.size, len(self.dataset))

    def batch(self, positions: npt.NDArray[np.int64]) -> SequenceBatch:
        return self.dataset.batch(positions)


def estimate(config: ExperimentConfig, data: Datasets, protocols: Sequence[str]) -> float:
    """CPU seconds on one thread that training and measuring take on these data at most; nothing is written.

    Args:
        config: of the run.
        data: as loaded for it.
        protocols: it will be measured under; none: it is only trained.

    Raises:
        Md2nError: the method cannot serve these data.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            model = build(config.model.name, data.schema, config.model.settings, config.seed)
            return STARTING_S + _training(model, data, config) + _measuring(model, data, config, protocols)
    finally:
        torch.set_num_threads(threads)


def _training(model: MultimodalModel, data: Datasets, config: ExperimentConfig) -> float:
    feed = Feed(data.train, config.trainer, config.seed, torch.device("cpu"))
    phases = tuple(model.phases())
    seconds = 0.0
    for phase, epochs in zip(phases, epochs_of(phases, config.trainer.epochs)):
        if phase.fit is None:
            seconds += _step(model, phase, feed, config) * feed.batches * epochs
        else:
            seconds += _fit(model, phase, feed) * feed.batches
        if phase.selects:
            seconds += _validation(model, data) * max(1, math.ceil(epochs / config.trainer.validate_every))
    return seconds


def _step(model: MultimodalModel, phase: Phase, feed: Feed, config: ExperimentConfig) -> float:
    """One training step with everything that belongs to it; the first, which warms up, is not timed."""
    optimizer = OptimizerState(model, phase, TIMED_STEPS, config.trainer, torch.device("cpu"), None)
    model.train()
    positions = next(iter(feed.epoch(0, 0)))

    def step(number: int) -> None:
        batch = feed.batch(positions, phase, number)
        optimizer.backward(model.loss(batch, generator(config.seed, "loss", number)).total)
        optimizer.step(number)

    step(0)
    times: list[float] = []
    while len(times) < TIMED_STEPS and sum(times) < TIMED_S:
        times.append(_cpu_s(lambda: step(len(times) + 1)))
    optimizer.release()
    return sum(times) / len(times)


def _fit(model: MultimodalModel, phase: Phase, feed: Feed) -> float:
    """A closed-form fit, for each of a few batches."""
    fit = phase.fit
    if fit is None:
        raise TypeError(f"phase '{phase.name}' has steps, not a fit")
    few = list(itertools.islice(feed.complete(), TIMED_STEPS))
    model.enter(phase)
    model.eval()
    with torch.no_grad():
        return _cpu_s(lambda: fit(few)) / len(few)


def _validation(model: MultimodalModel, data: Datasets) -> float:
    """The whole validation split under every pattern, from one batch of it."""
    few = _First(data.valid, max(1, VALIDATION_BATCH // len(incomplete_patterns(data.schema.names))))
    return _cpu_s(lambda: validation_score(model, few)) * len(data.valid) / len(few)


def _measuring(model: MultimodalModel, data: Datasets, config: ExperimentConfig, protocols: Sequence[str]) -> float:
    """Predictions and recoveries of the test split under all conditions, from one batch that mixes them."""
    test = data.test
    if not protocols or not len(test):
        return 0.0
    conditions = fixed_conditions(test.present, data.schema.names)
    counts = {"fixed": len(conditions), "random": len(RATES)}

    def whole(size: int, protocols: Sequence[str], act: Callable[[_First, list[Condition]], object]) -> float:
        few = _First(test, size)
        # Each sample under another condition: recovering takes as much as is hidden on average.
        available = np.stack([c.available[n] for n, c in zip(range(len(few)), itertools.cycle(conditions))])
        mixed = [Condition("mixed", available, None, float(1 - available.mean()))]
        return _cpu_s(lambda: act(few, mixed)) * sum(counts[p] for p in protocols) * len(test) / len(few)

    chosen = config.evaluation

    def predict(few: _First, mixed: list[Condition]) -> object:
        return evaluate(model, few, mixed, batch_size=chosen.batch_size, draws=chosen.draws or None, seed=chosen.seed)

    def recover(few: _First, mixed: list[Condition]) -> object:
        draws, steps = chosen.recover_draws or None, chosen.recover_steps or None
        return evaluate_recovery(model, few, mixed, batch_size=size, draws=draws, steps=steps, seed=chosen.seed)

    seconds = whole(chosen.batch_size, protocols, predict)
    if isinstance(model, Recovers):
        size = min(RECOVERY_BATCH, chosen.batch_size)
        seconds += whole(size, [recovered_under(protocols)], recover)
    return seconds


def _cpu_s(act: Callable[[], object]) -> float:
    begun = time.process_time()
    act()
    return time.process_time() - begun
