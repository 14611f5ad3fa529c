"""Trackers as observers, and several observers as one."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from md2n.errors import UsageError
from md2n.training.observer import EpochReport, Silent, StepReport, Together
from md2n.training.tracking import make_tracker
from tests.training.dummies import do_train


def test_events_hold_what_was_reported(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra 'track'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    do_train(tmp_path / "run", observer=make_tracker("tensorboard", tmp_path / "run"))
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert len(events.Scalars("train/task")) == 36
    assert [e.step for e in events.Scalars("valid/score")] == [6, 12, 18, 24, 30, 36]
    assert {"optimiser/rate", "optimiser/gradient_norm", "valid/loss"} <= set(events.Tags()["scalars"])


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("tensorboard", "torch.utils.tensorboard", "track"),
        ("wandb", "wandb", "wandb"),
        ("mlflow", "mlflow", "mlflow"),
    ],
)
def test_without_its_package_the_extra_of_a_tracker_is_named(
    name: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=rf"{name} is not installed\n.*md2n\[{extra}\]"):
        make_tracker(name, tmp_path)


def test_an_unknown_tracker_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'mlflow'"):
        make_tracker("mlfow", tmp_path)


class Calls(ModuleType):
    """A package whose functions note what they are called with."""

    def __init__(self) -> None:
        super().__init__("calls")
        self.noted: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.info = SimpleNamespace(run_id="r1")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*args: Any, **named: Any) -> "Calls":
            self.noted.append((name, args, named))
            return self

        return call

    def named(self, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [(args, named) for called, args, named in self.noted if called == name]


def trained_twice(tracker: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> list[Calls]:
    """Calls of a training of four epochs, and of another that begins in the same folder."""
    both = []
    for name in ("first", "second"):
        fake = Calls()
        monkeypatch.setitem(sys.modules, tracker, fake)
        do_train(run.parent / name, observer=make_tracker(tracker, run))
        both.append(fake)
    return both


def folder(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text('{"seed": 3, "trainer": {"epochs": 6}}')
    return run


def test_wandb_is_told_settings_steps_and_validations_and_goes_on_with_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = trained_twice("wandb", folder(tmp_path), monkeypatch)
    ((_, begun),) = first.named("init")
    assert begun["config"] == {"seed": 3, "trainer.epochs": 6}
    assert begun["id"] == second.named("init")[0][1]["id"]
    assert begun["resume"] == "allow"
    steps = [(named["step"], args[0]) for args, named in first.named("log")]
    assert [step for step, values in steps if "train/task" in values] == list(range(1, 37))
    assert [step for step, values in steps if "valid/score" in values] == [6, 12, 18, 24, 30, 36]
    assert len(first.named("finish")) == 1


def test_mlflow_is_told_settings_steps_and_validations_and_goes_on_with_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = trained_twice("mlflow", folder(tmp_path), monkeypatch)
    assert first.named("log_params") == [(({"seed": 3, "trainer.epochs": 6},), {})]
    assert second.named("log_params") == []
    assert second.named("start_run") == [((), {"run_id": "r1"})]
    steps = [(named["step"], args[0]) for args, named in first.named("log_metrics")]
    assert [step for step, values in steps if "train/task" in values] == list(range(1, 37))
    assert [step for step, values in steps if "valid/loss" in values] == [6, 12, 18, 24, 30, 36]
    assert len(first.named("end_run")) == 1


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
