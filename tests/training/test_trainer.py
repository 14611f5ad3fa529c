"""The loop: it learns, it chooses on validation, and a run stopped anywhere ends as one that was never stopped."""

import dataclasses
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.errors import DivergenceError, InterruptedRun, StorageError, UsageError
from md2n.methods.base import Losses
from md2n.training.checkpoint import CheckpointStore
from md2n.training.log import read_log
from md2n.training.loop import train
from md2n.training.observer import EpochReport, Silent, StepReport
from md2n.training.rundir import RunDir, is_finished, read_run
from md2n.training.weights import decode_tensors
from tests.training.dummies import (
    DATA,
    EAGER,
    QUICK,
    TRAIN,
    VALID,
    Linear,
    MemorySet,
    Staged,
    do_train,
    fresh,
    outcome,
    run_config,
)


class Watcher(Silent):
    """Keeps reports; asks for a stop after a step of its choice."""

    def __init__(self, stop_after: int = -1) -> None:
        self.steps: list[StepReport] = []
        self.epochs: list[EpochReport] = []
        self.notices: list[str] = []
        self.stop_after = stop_after

    def step(self, report: StepReport) -> None:
        self.steps.append(report)
        if report.step == self.stop_after:
            os.kill(os.getpid(), signal.SIGINT)

    def epoch(self, report: EpochReport) -> None:
        self.epochs.append(report)

    def notice(self, text: str) -> None:
        self.notices.append(text)


class Keeping(Silent):
    """Keeps a copy of a checkpoint that would be removed later."""

    def __init__(self, folder: Path, name: str, to: Path) -> None:
        self.found, self.copy = folder / name, to / name

    def epoch(self, report: EpochReport) -> None:
        if self.found.exists():
            shutil.copytree(self.found, self.copy, dirs_exist_ok=True)


@pytest.fixture(scope="module", params=[Linear, Staged])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[type[Linear], Path, int]:
    """A run that was never stopped: the method, its folder, its number of steps."""
    path = tmp_path_factory.mktemp("whole") / "run"
    result = do_train(path, kind=request.param)
    return request.param, path, result.steps


def test_training_lowers_the_loss_and_the_model_holds_the_chosen_weights(tmp_path: Path) -> None:
    model = fresh()
    config = dataclasses.replace(QUICK, epochs=20, keep_all=1.0)
    result = do_train(tmp_path / "run", config, model=model)
    epochs = [r for r in read_log(tmp_path / "run" / "log.jsonl") if r["kind"] == "epoch"]
    assert len(epochs) == result.epochs == 20
    assert epochs[-1]["parts"]["task"] < 0.5 * epochs[0]["parts"]["task"]
    saved = decode_tensors(result.weights.read_bytes(), result.weights)
    assert saved.keys() == model.state_dict().keys()
    assert all(torch.equal(saved[k], v) for k, v in model.state_dict().items())
    assert not model.training
    assert is_finished(tmp_path / "run")


def test_the_chosen_epoch_is_the_best_of_the_validated_ones(tmp_path: Path) -> None:
    script = iter([0.1, 0.5, 0.3, 0.5, 0.2, 0.4])

    def validate(model, dataset, seed, device):  # type: ignore[no-untyped-def]
        return next(script), 1.0

    with RunDir(tmp_path / "run", run_config()) as run:
        run.describe({}, DATA)
        result = train(fresh(), TRAIN, VALID, QUICK, 0, run, validate=validate)
    assert (result.epoch, result.score) == (2, 0.5)  # the first of equals
    best = run.checkpoints.load("phase00-step00000012")
    saved = decode_tensors(result.weights.read_bytes(), result.weights)
    assert torch.equal(saved["head.weight"], best.average["head.weight"])
    assert torch.equal(saved["norm.running_mean"], best.weights["norm.running_mean"])


def test_patience_ends_a_phase_and_validation_keeps_to_its_interval(tmp_path: Path) -> None:
    script = iter([(0.5, 1.0), (0.6, 3.0), (0.7, 2.0), (9.0, 9.0)])
    config = dataclasses.replace(QUICK, epochs=50, patience=2, validate_every=3, select_on="loss")

    def validate(model, dataset, seed, device):  # type: ignore[no-untyped-def]
        return next(script)

    with RunDir(tmp_path / "run", run_config(config)) as run:
        run.describe({}, DATA)
        result = train(fresh(), TRAIN, VALID, config, 0, run, validate=validate)
    assert (result.epochs, result.epoch, result.loss) == (9, 3, 1.0)


def test_phases_train_what_they_say_and_patterns_are_as_they_say(tmp_path: Path) -> None:
    seen: list[tuple[str, bool, bool]] = []

    class Watched(Staged):
        def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
            seen.append((self.phase, bool(batch.available.all()), self.norm.weight.requires_grad))
            return super().loss(batch, generator)

    model = fresh(Watched)
    do_train(tmp_path / "run", kind=Watched, model=model)
    assert [name for name, _, _ in seen] == ["warm"] * 12 + ["main"] * 24
    assert all(complete for name, complete, _ in seen if name == "warm")
    assert not any(complete for name, complete, _ in seen if name == "main")
    assert {(name, grad) for name, _, grad in seen} == {("warm", True), ("main", False)}
    assert model.norm.weight.requires_grad  # given back when training is over
    assert torch.allclose(model.centre, TRAIN.batch(range(44)).readable("a").new_zeros(5), atol=0.5)  # type: ignore[arg-type]
    kinds = [(r["kind"], r["phase"]) for r in read_log(tmp_path / "run" / "log.jsonl") if r["kind"] != "step"]
    assert kinds[:4] == [("phase", "centre"), ("phase", "warm"), ("epoch", "warm"), ("epoch", "warm")]


def test_the_chosen_weights_are_calibrated_once_and_saved_so(tmp_path: Path) -> None:
    warned: list[str] = []

    class Warned(Silent):
        def warn(self, text: str) -> None:
            warned.append(text)

    model = fresh(Staged)
    result = do_train(tmp_path / "run", kind=Staged, observer=Warned(), model=model)
    assert warned == ["calibrated"]
    model.eval()
    with torch.no_grad():
        offsets = [
            float((model.raw(b) - b.labels).mean()) for b in (x.batch(np.arange(len(x))) for x in (TRAIN, VALID))
        ]
    saved = decode_tensors(result.weights.read_bytes(), result.weights)
    assert saved["offset"].tolist() == pytest.approx(offsets, abs=1e-5)


def test_a_phase_begins_with_what_the_one_before_ended_with(tmp_path: Path) -> None:
    first: dict[str, dict[str, torch.Tensor]] = {}

    class Watched(Staged):
        def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
            if self.phase not in first:
                first[self.phase] = {k: v.detach().clone() for k, v in self.named_parameters()}
            return super().loss(batch, generator)

    with RunDir(tmp_path / "run", run_config()) as run:
        run.describe({}, DATA)
        last = "phase01-step00000012"
        train(fresh(Watched), TRAIN, VALID, EAGER, 0, run, Keeping(run.checkpoints.folder, last, tmp_path / "kept"))
    warm = CheckpointStore(tmp_path / "kept", print).load(last)
    assert float(first["warm"]["head.bias"]) == pytest.approx(float(TRAIN.labels.mean()))  # what the fit found
    averaged = {k: v for k, v in warm.average.items() if not k.startswith("teacher")}
    assert all(torch.equal(first["main"][k], v) for k, v in averaged.items())
    assert not torch.equal(warm.weights["head.weight"], warm.average["head.weight"])
    assert torch.equal(first["main"]["teacher.weight"], warm.average["head.weight"])  # copied on entering


@pytest.mark.parametrize("part", [0.0, 0.03, 0.17, 0.34, 0.5, 0.71, 0.99])
def test_a_run_stopped_by_a_signal_ends_with_the_same_bits(
    whole: tuple[type[Linear], Path, int], tmp_path: Path, part: float
) -> None:
    kind, reference, steps = whole
    path = tmp_path / "run"
    with pytest.raises(InterruptedRun, match=r"stopped by SIGINT after step .*\n.*the same command goes on"):
        do_train(path, QUICK, kind, Watcher(stop_after=1 + int(part * (steps - 2))))
    assert read_run(path)["status"] == "stopped"
    watcher = Watcher()
    do_train(path, QUICK, kind, watcher)
    assert any("going on after step" in text for text in watcher.notices)
    assert outcome(path) == outcome(reference)


def test_stopping_at_every_step_ends_with_the_same_bits(whole: tuple[type[Linear], Path, int], tmp_path: Path) -> None:
    kind, reference, steps = whole
    for step in range(1, steps + 1):
        try:
            do_train(tmp_path / "run", EAGER, kind, Watcher(stop_after=step))
        except InterruptedRun:
            continue
    do_train(tmp_path / "run", EAGER, kind)
    assert outcome(tmp_path / "run") == outcome(reference)


def test_a_run_that_lost_its_last_steps_repeats_them(whole: tuple[type[Linear], Path, int], tmp_path: Path) -> None:
    kind, reference, steps = whole

    class Crash(Silent):
        def step(self, report: StepReport) -> None:
            if report.step == steps - 3:
                raise MemoryError

    with pytest.raises(MemoryError):
        do_train(tmp_path / "run", QUICK, kind, Crash())
    do_train(tmp_path / "run", QUICK, kind)
    assert outcome(tmp_path / "run") == outcome(reference)


@pytest.mark.parametrize("kind", [Linear, Staged])
def test_a_budget_in_steps_is_kept_validated_evenly_and_resumed_to_the_bit(kind: type[Linear], tmp_path: Path) -> None:
    # Six batches are an epoch: neither a stretch nor the whole ends with one.
    config = dataclasses.replace(EAGER, steps=23, validations=5)
    result = do_train(tmp_path / "whole", config, kind)
    log = [r for r in read_log(tmp_path / "whole" / "log.jsonl") if r["kind"] == "epoch"]
    ends = {Linear: [4, 9, 13, 18, 23], Staged: [4, 8, 13, 18, 23]}[kind]
    assert (result.steps, [r["step"] for r in log]) == (23, ends)
    assert [r["step"] for r in log if "score" in r] == [s for s in ends if kind is Linear or s > 8]
    for step in range(1, 24):
        try:
            do_train(tmp_path / "run", config, kind, Watcher(stop_after=step))
        except InterruptedRun:
            continue
    do_train(tmp_path / "run", config, kind)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_as_many_steps_as_epochs_have_are_the_same_training(tmp_path: Path) -> None:
    do_train(tmp_path / "epochs", QUICK)
    do_train(tmp_path / "steps", dataclasses.replace(QUICK, steps=36, validations=6))
    assert outcome(tmp_path / "steps") == outcome(tmp_path / "epochs")


def test_the_callers_random_state_and_threads_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    do_train(tmp_path / "run", dataclasses.replace(QUICK, epochs=1, threads=2))
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    class Impatient(Silent):
        def step(self, report: StepReport) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        do_train(tmp_path / "run", observer=Impatient())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_names_its_term_and_keeps_the_checkpoint(tmp_path: Path, value: float) -> None:
    class Broken(Linear):
        calls = 0

        def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
            self.calls += 1
            losses = super().loss(batch, generator)
            extra = {"recovery": losses.total * value} if self.calls > 8 else {}
            return Losses({**losses.parts, **extra})

    with pytest.raises(DivergenceError, match=r"loss term 'recovery' is (nan|inf) after step 8, in epoch 2") as caught:
        do_train(tmp_path / "run", QUICK, Broken)
    assert "checkpoint phase00-step00000006 is whole" in caught.value.hint
    facts = read_run(tmp_path / "run")
    assert facts["status"] == "failed"
    assert "recovery" in facts["reason"]
    assert len([r for r in read_log(tmp_path / "run" / "log.jsonl") if r["kind"] == "step"]) == 8
    assert not (tmp_path / "run" / "model.safetensors").exists()
    do_train(tmp_path / "run", QUICK, Linear)  # the kept checkpoint serves
    assert is_finished(tmp_path / "run")


def test_a_gradient_that_is_no_number_stops_before_the_weights_are_touched(tmp_path: Path) -> None:
    class Steep(Linear):
        def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
            return Losses({"task": (self.raw(batch) * 0).abs().sqrt().sum()})  # d sqrt(x) / dx at 0

    model = fresh(Steep)
    before = {k: v.clone() for k, v in model.named_parameters()}
    with pytest.raises(DivergenceError, match="norm of the gradient is nan"):
        do_train(tmp_path / "run", kind=Steep, model=model)
    assert all(torch.equal(before[k], v) for k, v in model.named_parameters())


def test_a_full_disk_loses_nothing(
    whole: tuple[type[Linear], Path, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from md2n import durable

    kind, reference, _ = whole
    write, left = durable._write, [30]

    def fill_up(path: Path, content: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            path.write_bytes(content[: len(content) // 2])
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(durable, "_write", fill_up)
    with pytest.raises(StorageError, match=r"cannot write .*No space left on device\n.*make room"):
        do_train(tmp_path / "run", EAGER, kind)
    assert not list((tmp_path / "run").rglob("*.tmp"))
    monkeypatch.setattr(durable, "_write", write)
    do_train(tmp_path / "run", QUICK, kind)
    assert outcome(tmp_path / "run") == outcome(reference)


def test_an_absent_device_and_an_empty_split_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"device 'cuda' is not available.*\n.*--device cpu"):
        do_train(tmp_path / "a", dataclasses.replace(QUICK, device="cuda"))
    with pytest.raises(UsageError, match="precision 'bfloat16' is for CUDA"):
        do_train(tmp_path / "b", dataclasses.replace(QUICK, precision="bfloat16", device="cpu"))
    with RunDir(tmp_path / "c", run_config()) as run, pytest.raises(UsageError, match="validation split is empty"):
        train(fresh(), TRAIN, MemorySet(0, 0), QUICK, 0, run)


def test_planned_steps_shrink_when_a_phase_ends_early(tmp_path: Path) -> None:
    watcher = Watcher()
    do_train(tmp_path / "run", kind=Staged, observer=watcher)
    assert {r.steps for r in watcher.steps} == {36}
    assert [r.step for r in watcher.steps] == list(range(1, 37))
    assert [r.score is None for r in watcher.epochs] == [True] * 2 + [False] * 4
