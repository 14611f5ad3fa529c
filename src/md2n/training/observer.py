"""What the training loop reports to a progress bar, TensorBoard or a test.  Observers change nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Report:
    """A moment of training.

    Args:
        phase: name of the phase.
        epoch: the current epoch, from 1, over all phases.
        step: steps done, over all phases.
        steps: steps there will be, if no later phase ends early.
        parts: loss term -> value, as weighted in the loss; after an epoch the mean over its samples.
    """

    phase: str
    epoch: int
    step: int
    steps: int
    parts: Mapping[str, float]


@dataclass(frozen=True)
class StepReport(Report):
    """An optimiser step, just done.

    Args:
        rate: learning rate.
        gradient_norm: before clipping.
    """

    rate: float
    gradient_norm: float


@dataclass(frozen=True)
class EpochReport(Report):
    """A pass over the training split, just done.

    Args:
        score: of validation, higher is better; None in an epoch without.
        loss: of validation; None in an epoch without.
        best: True where validation prefers this epoch to all before it in the phase.
    """

    score: float | None
    loss: float | None
    best: bool


@runtime_checkable
class Observer(Protocol):
    """Receives reports in the order of training."""

    def begin(self, step: int, steps: int) -> None:
        """Training starts or goes on after ``step`` of at most ``steps`` steps."""
        ...

    def step(self, report: StepReport) -> None:
        """A step is done."""
        ...

    def epoch(self, report: EpochReport) -> None:
        """An epoch is done, validated and saved."""
        ...

    def notice(self, text: str) -> None:
        """A sentence on the course of training: it goes on after a step, it was finished already."""
        ...

    def warn(self, text: str) -> None:
        """What a person should always read: lines lost from the log, a damaged checkpoint, errors in the data."""
        ...

    def end(self) -> None:
        """Training is over, finished or not."""
        ...


class Silent:
    """Ignores every report: a base of observers that need only some of them."""

    def begin(self, step: int, steps: int) -> None: ...

    def step(self, report: StepReport) -> None: ...

    def epoch(self, report: EpochReport) -> None: ...

    def notice(self, text: str) -> None: ...

    def warn(self, text: str) -> None:
        self.notice(text)

    def end(self) -> None: ...


class Together:
    """Passes every report on to several observers, in their order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self.observers = tuple(observers)

    def begin(self, step: int, steps: int) -> None:
        for observer in self.observers:
            observer.begin(step, steps)

    def step(self, report: StepReport) -> None:
        for observer in self.observers:
            observer.step(report)

    def epoch(self, report: EpochReport) -> None:
        for observer in self.observers:
            observer.epoch(report)

    def notice(self, text: str) -> None:
        for observer in self.observers:
            observer.notice(text)

    def warn(self, text: str) -> None:
        for observer in self.observers:
            observer.warn(text)

    def end(self) -> None:
        for observer in self.observers:
            observer.end()
