"""What older code, settings and protocols left: made or only measured again, renamed aside, left out when read."""

from pathlib import Path

import numpy as np
import pytest

from md2n.errors import DataError, InterruptedRun
from md2n.evaluation.protocols import random_conditions, save_masks
from md2n.evaluation.results import PROTOCOLS, read_results
from md2n.experiment import job as job_module
from md2n.experiment import measuring as measuring_module
from md2n.experiment import pipeline
from md2n.experiment.benchmark import run_benchmark
from md2n.experiment.job import REMEASURE, RETRAIN, Job
from md2n.experiment.pipeline import run_evaluation, run_training
from md2n.experiment.plan import plan
from md2n.experiment.results_store import collect
from md2n.experiment.source import shared_code
from md2n.training.lock import FolderLock
from md2n.training.rundir import is_finished, read_run
from tests.experiment.made import SHORT, StopAfter, fitting, short, store
from tests.experiment.test_benchmark import Acted, quiet

MODEL = "zero_fill"


@pytest.fixture
def here(tmp_path: Path) -> tuple[str, Path]:
    return str(store(tmp_path)), tmp_path / "bench"


def one(here: tuple[str, Path], *sets: str, **more: bool) -> Job:
    (job,) = plan([here[0]], [MODEL], 1, here[1], "", [*fitting(MODEL, SHORT), *sets], **more)
    return job


def made(monkeypatch: pytest.MonkeyPatch, job: Job, *protocols: str) -> list[str]:
    """Runs the two commands themselves, in this process; what is said meanwhile."""

    def act(command: list[str]) -> tuple[int, str]:
        if command[0] == "train":
            run_training(job.config, job.run)
        else:
            run_evaluation(job.run, [p for p in PROTOCOLS if p in command], masks=job.masks, recovery=False)
        return 0, ""

    said: list[str] = []
    Acted(monkeypatch, act)
    assert run_benchmark([job], protocols or ["fixed"], 1, said.append) == []
    return said


def other_code(monkeypatch: pytest.MonkeyPatch, training: str = "", measuring: str = "") -> None:
    for module in (job_module, pipeline, measuring_module):
        for name, code in (("training_code", training), ("measuring_code", measuring)):
            if code and hasattr(module, name):
                monkeypatch.setattr(module, name, lambda model, code=code: code)


def codes(out: Path) -> list[dict]:
    return [r.settings["code"] for r in collect([out], quiet).rows]


def test_after_a_change_of_code_a_run_is_made_again_and_the_old_one_stays_beside_it(here, monkeypatch) -> None:
    other_code(monkeypatch, "t1", "m1")
    made(monkeypatch, job := one(here))
    assert read_run(job.run)["code"] == "t1"
    assert all(c == {"training": "t1", "measuring": "m1", "shared": shared_code()} for c in codes(here[1]))
    old = (job.run / "model.safetensors").read_bytes()
    other_code(monkeypatch, "t2", "m2")
    assert one(here).pending(["fixed"]) == RETRAIN
    said = made(monkeypatch, one(here))
    assert said[:2] == ["1 runs, 0 done already, 1 to do", "1 of them again: made by other code"]
    assert f"{job.run} was renamed to seed-0.aside-1: made by other code" in said
    aside = job.run.with_name("seed-0.aside-1")
    assert is_finished(aside) and (aside / "model.safetensors").read_bytes() == old
    assert {c["training"] for c in codes(here[1])} == {"t2"}
    assert one(here).pending(["fixed"]) == ""


def test_older_code_may_count_and_it_is_said(here, monkeypatch) -> None:
    other_code(monkeypatch, "t1", "m1")
    made(monkeypatch, one(here))
    other_code(monkeypatch, "t2", "m2")
    stale = one(here, keep_stale=True)
    (said,) = made(monkeypatch, stale)[1:]
    assert said == "1 of those done were made by other code, which --keep-stale counts as done"
    made(monkeypatch, stale, "fixed", "random")  # what is not there yet is measured, of the run that is there
    assert not stale.run.with_name("seed-0.aside-1").exists()
    assert {r.protocol for r in collect([here[1]], quiet).rows} == {"fixed@1", "random@1"}
    assert {(c["training"], c["shared"]) for c in codes(here[1])} == {("t1", "")}


def test_where_only_measuring_changed_only_measuring_is_done(here, monkeypatch) -> None:
    other_code(monkeypatch, "t1", "m1")
    made(monkeypatch, job := one(here))
    before = (job.run / "log.jsonl").stat().st_mtime_ns
    other_code(monkeypatch, "t1", "m2")
    said = made(monkeypatch, one(here))
    assert f"1 of them again: {REMEASURE}" in said and not any("renamed" in text for text in said)
    assert (job.run / "log.jsonl").stat().st_mtime_ns == before
    assert {c["measuring"] for c in codes(here[1])} == {"m2"}


def test_another_version_of_a_protocol_is_measured_and_nothing_trained(here, monkeypatch) -> None:
    made(monkeypatch, job := one(here), "fixed", "random")
    before = (job.run / "log.jsonl").stat().st_mtime_ns
    monkeypatch.setitem(PROTOCOLS, "fixed", "fixed@2")
    made(monkeypatch, job, "fixed", "random")
    assert (job.run / "log.jsonl").stat().st_mtime_ns == before
    assert {r.protocol for r in collect([here[1]], quiet).rows} == {"fixed@2", "random@1"}


def test_an_edited_setting_is_made_again_and_nothing_is_written_over(here, monkeypatch) -> None:
    made(monkeypatch, job := one(here))
    said = made(monkeypatch, edited := one(here, "trainer.learning_rate=0.01"))
    assert any("renamed to seed-0.aside-1: trainer.learning_rate is" in text for text in said)
    assert {r.config_hash for r in collect([here[1]], quiet).rows} == {read_run(edited.run)["config_hash"]}
    made(monkeypatch, job)  # and back
    assert job.run.with_name("seed-0.aside-2").is_dir()


def test_another_way_of_measuring_is_taken_over_by_a_run_that_is_done(here, monkeypatch) -> None:
    made(monkeypatch, one(here))
    said = made(monkeypatch, other := one(here, "evaluation.batch_size=7"))
    assert not any("renamed" in text for text in said)
    assert {r.settings["batch_size"] for r in read_results(other.run / "results.jsonl")} == {128, 7}


def test_a_run_that_is_gone_on_with_by_other_code_is_of_neither(here, tmp_path, monkeypatch) -> None:
    other_code(monkeypatch, "t1")
    with pytest.raises(InterruptedRun):
        run_training(short(Path(here[0])), tmp_path / "run", StopAfter(2))
    other_code(monkeypatch, "t2")
    run_training(short(Path(here[0])), tmp_path / "run")
    assert read_run(tmp_path / "run")["code"] == "t1+t2"


def test_a_damaged_folder_is_left_to_training(here, monkeypatch) -> None:
    made(monkeypatch, job := one(here))
    (job.run / "config.json").write_text("{")
    assert job.set_aside() == ""
    assert job.run.is_dir()


def test_masks_of_other_data_are_refused_before_anything_is_trained(here, monkeypatch) -> None:
    job, names = one(here), ("video", "pulse")
    drawn = random_conditions(np.ones((18, 2), bool), names, 0)
    save_masks(job.masks, drawn, names=names, data_checksum="0" * 16, split="test")
    with pytest.raises(DataError, match=r"masks 'store\.npz' are for data_checksum '0000"):
        run_benchmark([job], ["fixed", "random"], 1, quiet)
    assert not job.run.exists()
    made(monkeypatch, job)  # the fixed protocol has no use for them


def test_a_folder_in_which_somebody_trains_is_waited_for(here, monkeypatch) -> None:
    job = one(here)
    job.run.mkdir(parents=True)
    said: list[str] = []
    with FolderLock(job.run / ".lock") as lock:

        def hear(text: str) -> None:
            said.append(text)
            if "waits" in text:
                assert acted.asked == []
                lock.__exit__(None, None, None)

        acted = Acted(monkeypatch)
        assert run_benchmark([job], ["fixed"], 1, hear) == []
    assert len([text for text in said if "waits: process" in text]) == 1
