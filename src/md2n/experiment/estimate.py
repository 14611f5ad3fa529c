"""What a run will take, before it is begun: network calls and seconds.

The method is built and does, in memory, a few training steps of each of its phases, one validation batch, one batch of
predictions and one of recoveries; each is timed and multiplied by how often a whole run does it.  A run that stops
early takes less.  A *network call* is one pass through the part of the method that is called most often: where a
training step samples a diffusion of 100 steps, it makes 100 of them.
"""

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from md2n.batch import Dataset, SequenceBatch
from md2n.data.dataset import MultimodalDataset
from md2n.data.ready import Datasets
from md2n.evaluation.evaluator import evaluate, evaluate_recovery, validation_score
from md2n.evaluation.protocols import RATES, Condition, fixed_conditions
from md2n.experiment.config import ExperimentConfig
from md2n.experiment.jobs import recovered_under
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
class Effort:
    """What one run takes at most.

    Args:
        steps: training steps.
        calls: network calls, of training, choice and measuring.
        seconds: CPU time on one thread.
    """

    steps: int
    calls: int
    seconds: float


@dataclass(frozen=True)
class _Once:
    """What one doing of something took."""

    calls: int
    seconds: float

    def times(self, count: float) -> "_Once":
        return _Once(math.ceil(self.calls * count), self.seconds * count)


@dataclass(frozen=True)
class _First:
    """The first samples of a data set."""

    dataset: Dataset
    size: int

    def __len__(self) -> int:
        return min(self.size, len(self.dataset))

    def batch(self, positions: npt.NDArray[np.int64]) -> SequenceBatch:
        return self.dataset.batch(positions)


def estimate(config: ExperimentConfig, data: Datasets, protocols: Sequence[str]) -> Effort:
    """What training and measuring take on these data; nothing is written.

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
            return _estimate(config, data, protocols)
    finally:
        torch.set_num_threads(threads)


def _estimate(config: ExperimentConfig, data: Datasets, protocols: Sequence[str]) -> Effort:
    model = build(config.model.name, data.schema, config.model.settings, config.seed)
    feed = Feed(data.train, config.trainer, config.seed, torch.device("cpu"))
    phases = tuple(model.phases())
    steps, parts = 0, []
    for phase, epochs in zip(phases, epochs_of(phases, config.trainer.epochs)):
        once = _fit(model, phase, feed) if phase.fit is not None else _step(model, phase, feed, config)
        count = feed.batches * (1 if phase.fit is not None else epochs)
        parts.append(once.times(count))
        if phase.fit is None:
            steps += count
        if phase.selects:
            parts.append(_validation(model, data).times(max(1, math.ceil(epochs / config.trainer.validate_every))))
    conditions = fixed_conditions(data.test.present, data.schema.names) if len(data.test) else ()
    evaluations = {p: {"fixed": len(conditions), "random": len(RATES)}[p] for p in protocols}
    if evaluations and conditions:
        recovered = evaluations[recovered_under(protocols)]
        parts += _measuring(model, data.test, conditions, config, sum(evaluations.values()), recovered)
    return Effort(steps, sum(p.calls for p in parts), STARTING_S + sum(p.seconds for p in parts))


def _step(model: MultimodalModel, phase: Phase, feed: Feed, config: ExperimentConfig) -> _Once:
    """One training step with everything that belongs to it; the first, which warms up, is not timed."""
    optimizer = OptimizerState(model, phase, TIMED_STEPS, config.trainer, torch.device("cpu"), None)
    model.train()
    positions = next(iter(feed.epoch(0, 0)))

    def step(number: int) -> None:
        batch = feed.batch(positions, phase, number)
        optimizer.backward(model.loss(batch, generator(config.seed, "loss", number)).total)
        optimizer.step(number)

    with _counting(model) as counts:
        step(0)
    taken: list[float] = []
    while len(taken) < TIMED_STEPS and sum(taken) < TIMED_S:
        taken.append(_cpu(lambda: step(len(taken) + 1)))
    optimizer.release()
    return _Once(_busiest(counts), sum(taken) / len(taken))


def _fit(model: MultimodalModel, phase: Phase, feed: Feed) -> _Once:
    """A closed-form fit on a few batches, as much for each."""
    fit = phase.fit
    if fit is None:
        raise TypeError(f"phase '{phase.name}' has steps, not a fit")
    few = list(itertools.islice(feed.complete(), TIMED_STEPS))
    model.enter(phase)
    model.eval()
    with torch.no_grad(), _counting(model) as counts:
        seconds = _cpu(lambda: fit(few))
    return _Once(_busiest(counts), seconds).times(1 / len(few))


def _validation(model: MultimodalModel, data: Datasets) -> _Once:
    """The whole validation split under every pattern, from one batch of it."""
    few = _First(data.valid, max(1, VALIDATION_BATCH // len(incomplete_patterns(data.schema.names))))
    with _counting(model) as counts:
        seconds = _cpu(lambda: validation_score(model, few))
    return _Once(_busiest(counts), seconds).times(len(data.valid) / len(few))


def _measuring(
    model: MultimodalModel,
    test: MultimodalDataset,
    conditions: Sequence[Condition],
    config: ExperimentConfig,
    predicted: int,
    recovered: int,
) -> list[_Once]:
    """Predictions and recoveries of the test split under so many conditions, from one batch that mixes them."""
    chosen = config.evaluation

    def once(size: int, passes: int, act: Callable[[_First, list[Condition]], object]) -> _Once:
        few = _First(test, size)
        # Each sample under another one: recovering takes as much as is hidden on average.
        mixed = np.stack([c.available[n] for n, c in zip(range(len(few)), itertools.cycle(conditions))])
        shown = Condition("mixed", mixed, None, float(1 - mixed.mean()))
        with _counting(model) as counts:
            seconds = _cpu(lambda: act(few, [shown]))
        return _Once(_busiest(counts), seconds).times(passes * len(test) / len(few))

    costs = [
        once(
            chosen.batch_size,
            predicted,
            lambda few, shown: evaluate(
                model, few, shown, batch_size=chosen.batch_size, draws=chosen.draws or None, seed=chosen.seed
            ),
        )
    ]
    if isinstance(model, Recovers):
        size = min(RECOVERY_BATCH, chosen.batch_size)
        costs.append(
            once(
                size,
                recovered,
                lambda few, shown: evaluate_recovery(
                    model,
                    few,
                    shown,
                    batch_size=size,
                    draws=chosen.recover_draws or None,
                    steps=chosen.recover_steps or None,
                    seed=chosen.seed,
                ),
            )
        )
    return costs


@contextmanager
def _counting(model: nn.Module) -> Iterator[Counter[int]]:
    """How often each part of the model that has parameters is called."""
    parts = {id(part) for part in model.modules() if next(part.parameters(), None) is not None}
    counts: Counter[int] = Counter()

    def count(part: nn.Module, inputs: Any) -> None:
        if id(part) in parts:
            counts[id(part)] += 1

    hook = register_module_forward_pre_hook(count)
    try:
        yield counts
    finally:
        hook.remove()


def _busiest(counts: Counter[int]) -> int:
    return max(counts.values(), default=0)


def _cpu(act: Callable[[], object]) -> float:
    begun = time.process_time()
    act()
    return time.process_time() - begun
