"""TensorBoard as an observer, and several observers as one."""

import sys
from pathlib import Path

import pytest

from md2n.errors import UsageError
from md2n.training.observer import EpochReport, Silent, StepReport, Together
from md2n.training.tracking import TensorBoard
from tests.training.dummies import do_train


def test_events_hold_what_was_reported(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra 'track'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    do_train(tmp_path / "run", observer=TensorBoard(tmp_path / "events"))
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert len(events.Scalars("train/task")) == 36
    assert [e.step for e in events.Scalars("valid/score")] == [6, 12, 18, 24, 30, 36]
    assert {"optimiser/rate", "optimiser/gradient_norm", "valid/loss"} <= set(events.Tags()["scalars"])


def test_without_tensorboard_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"tensorboard is not installed\n.*md2n\[track\]"):
        TensorBoard(tmp_path)


def test_together_tells_each_in_order(tmp_path: Path) -> None:
    told: list[tuple[int, str]] = []

    class Noting(Silent):
        def __init__(self, number: int) -> None:
            self.number = number

        def begin(self, step: int, steps: int) -> None:
            told.append((self.number, "begin"))

        def step(self, report: StepReport) -> None:
            told.append((self.number, "step"))

        def epoch(self, report: EpochReport) -> None:
            told.append((self.number, "epoch"))

        def notice(self, text: str) -> None:
            told.append((self.number, text))

        def end(self) -> None:
            told.append((self.number, "end"))

    both = Together([Noting(1), Noting(2)])
    do_train(tmp_path / "run", observer=both)
    both.notice("hello")
    assert [what for number, what in told if number == 1] == [what for number, what in told if number == 2]
    assert told[:2] == [(1, "begin"), (2, "begin")]
    assert {what for _, what in told} == {"begin", "step", "epoch", "end", "hello"}
