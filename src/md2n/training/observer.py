"""What the training loop tells whoever watches: a progress bar, TensorBoard, a test.  Watching changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class StepReport:
    """One optimiser step, just done.

    Args:
        phase: name of the phase.
        epoch: the epoch it belongs to, from 1, over all phases.
        step: steps done, over all phases.
        steps: steps there will be, if no later phase ends early.
        parts: loss term -> value, as weighted in the loss.
        rate: learning rate.
        gradient_norm: before clipping.
    """

    phase: str
    epoch: int
    step: int
    steps: int
    parts: Mapping[str, float]
    rate: float
    gradient_norm: float


@dataclass(frozen=True)
class EpochReport:
    """One pass over the training split, just done.

    Args:
        phase: name of the phase.
        epoch: from 1, over all phases.
        step: steps done, over all phases.
        steps: steps there will be, if no later phase ends early.
        parts: loss term -> mean over the epoch's samples.
        score: of validation, higher is better; None in an epoch without.
        loss: of validation; None in an epoch without.
        best: True where validation prefers this epoch to all before it in the phase.
    """

    phase: str
    epoch: int
    step: int
    steps: int
    parts: Mapping[str, float]
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
        """Where training stands: it goes on after a step, it was finished already."""
        ...

    def warn(self, text: str) -> None:
        """What a person should know in any case: lines lost from the log, a damaged checkpoint, errors in the data."""
        ...

    def end(self) -> None:
        """Training is over, finished or not."""
        ...


class Silent:
    """Tells nobody."""

    def begin(self, step: int, steps: int) -> None:
        """Nothing."""

    def step(self, report: StepReport) -> None:
        """Nothing."""

    def epoch(self, report: EpochReport) -> None:
        """Nothing."""

    def notice(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """As ``notice``."""
        self.notice(text)

    def end(self) -> None:
        """Nothing."""


class Together:
    """Tells several observers, in their order.

    Args:
        observers: told everything.
    """

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
