"""What older code, older settings and an older protocol left: planned again, renamed aside, left out when read."""

import json
from pathlib import Path

import numpy as np
import pytest

from md2n.errors import DataError, InterruptedRun
from md2n.evaluation.protocols import random_conditions, save_masks
from md2n.evaluation.results import PROTOCOLS, read_results
from md2n.experiment import jobs as jobs_module
from md2n.experiment import measuring as measuring_module
from md2n.experiment import outcome as outcome_module
from md2n.experiment import pipeline
from md2n.experiment.benchmark import gather, run_benchmark
from md2n.experiment.jobs import NEW, REMEASURE, RETRAIN, Job, plan
from md2n.experiment.ledger import read_ledger
from md2n.experiment.outcome import read_outcomes
from md2n.experiment.pipeline import run_evaluation, run_training
from md2n.experiment.planning import plan_table, planned
from md2n.training.lock import FolderLock
from md2n.training.rundir import is_finished, read_run
from tests.experiment.made import SHORT, StopAfter, fitting, short, store
from tests.experiment.test_benchmark import Acted, quiet

MODEL = "zero_fill"
SETS = fitting(MODEL, SHORT)


@pytest.fixture
def here(tmp_path: Path) -> tuple[str, Path]:
    return str(store(tmp_path)), tmp_path / "bench"


def asked(here: tuple[str, Path], *sets: str, **more: bool) -> list[Job]:
    return plan([here[0]], [MODEL], 1, here[1], "", [*SETS, *sets], **more)


class Made(Acted):
    """The two commands themselves, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, jobs: list[Job]) -> None:
        def act(command: list[str]) -> tuple[int, str]:
            job = next(j for j in jobs if str(j.run) in command)
            if command[0] == "train":
                run_training(job.config, job.run)
            else:
                names = [p for p in PROTOCOLS if p in command]
                run_evaluation(job.run, names, masks=job.masks, recovery=False)
            return 0, ""

        super().__init__(monkeypatch, act)


def bench(monkeypatch: pytest.MonkeyPatch, jobs: list[Job], *protocols: str) -> list[str]:
    """What is said while it runs."""
    told: list[str] = []
    Made(monkeypatch, jobs)
    assert run_benchmark(jobs, protocols or ["fixed"], 1, told.append) == []
    return told


def other_code(monkeypatch: pytest.MonkeyPatch, training: str = "", measuring: str = "") -> None:
    for module in (jobs_module, pipeline, measuring_module, outcome_module):
        for name, code in (("training_code", training), ("measuring_code", measuring)):
            if code and hasattr(module, name):
                monkeypatch.setattr(module, name, lambda model, code=code: code)


def test_a_run_tells_its_code_in_its_folder_and_in_its_rows(here, monkeypatch):
    other_code(monkeypatch, "t1", "m1")
    (job,) = asked(here)
    bench(monkeypatch, [job])
    assert read_run(job.run)["code"] == "t1"
    for row in read_results(here[1] / "results.jsonl"):
        assert row.settings["code"] == {"training": "t1", "measuring": "m1"}
    assert job.settings["code"] == {"training": "t1", "measuring": "m1"}


def test_after_a_change_of_code_a_run_is_made_again_and_the_old_one_kept(here, monkeypatch):
    other_code(monkeypatch, "t1", "m1")
    (job,) = asked(here)
    bench(monkeypatch, [job])
    old = (job.run / "model.safetensors").read_bytes()
    other_code(monkeypatch, "t2", "m2")
    (job,) = asked(here)
    assert job.lacks(["fixed"]) == RETRAIN
    told = bench(monkeypatch, [job])
    assert told[:2] == ["1 runs, 0 done already, 1 to do", "1 of them again: made by other code"]
    assert f"{job.run} was renamed to seed-0.aside-1: made by other code" in told
    assert read_run(job.run)["code"] == "t2"
    aside = job.run.with_name("seed-0.aside-1")
    assert is_finished(aside)
    assert (aside / "model.safetensors").read_bytes() == old
    assert (aside / "evaluated.json").exists()
    kept = read_ledger(here[1], quiet)
    assert {r.settings["code"]["training"] for r in kept} == {"t2"}
    assert len(read_results(here[1] / "results.jsonl")) == 2 * len(kept)  # only ever appended to
    assert gather([job]) != []
    assert asked(here)[0].done(["fixed"])


def test_runs_that_do_not_say_by_which_code_are_stale(here, monkeypatch):
    (job,) = asked(here)
    bench(monkeypatch, [job])
    facts = read_run(job.run)
    del facts["code"]
    (job.run / "run.json").write_text(json.dumps(facts))
    assert job.lacks(["fixed"]) == RETRAIN
    assert asked(here, keep_stale=True)[0].done(["fixed"])


def test_older_code_may_be_kept_and_it_is_said(here, monkeypatch):
    other_code(monkeypatch, "t1", "m1")
    bench(monkeypatch, asked(here))
    other_code(monkeypatch, "t2", "m2")
    kept = asked(here, keep_stale=True)
    acted = Made(monkeypatch, kept)
    told: list[str] = []
    run_benchmark(kept, ["fixed"], 1, told.append)
    assert acted.asked == []
    assert told[:2] == [
        "1 runs, 1 done already, 0 to do",
        "1 of those done were made by other code, which --keep-stale lets stand",
    ]
    run_benchmark(kept, ["fixed", "random"], 1, quiet)  # what is not there yet is measured, of the run that is kept
    assert not kept[0].run.with_name("seed-0.aside-1").exists()
    rows = read_ledger(here[1], quiet)
    assert {(r.protocol, r.settings["code"]["training"]) for r in rows} == {("fixed@1", "t1"), ("random@1", "t1")}


def test_a_report_says_where_runs_of_two_codes_stand_side_by_side(here, monkeypatch):
    other_code(monkeypatch, "t1")
    bench(monkeypatch, asked(here))
    assert read_outcomes([here[1]], quiet).notes == []
    other_code(monkeypatch, "t2")
    two = plan([here[0]], [MODEL], 2, here[1], "", SETS, keep_stale=True)
    bench(monkeypatch, two)
    (note,) = read_outcomes([here[1]], quiet).notes
    assert "or by yet other code: zero_fill (t1, t2)" in note


def test_a_report_says_which_methods_are_of_older_code(here, monkeypatch):
    other_code(monkeypatch, "t1")
    bench(monkeypatch, asked(here))
    other_code(monkeypatch, "t2")
    assert read_outcomes([here[1]], quiet).notes == []  # all of one older state
    bench(monkeypatch, plan([here[0]], ["modality_dropout"], 1, here[1], "", fitting("modality_dropout", SHORT)))
    (note,) = read_outcomes([here[1]], quiet).notes
    assert "or by yet other code: zero_fill (t1);" in note


def test_where_only_measuring_changed_only_measuring_is_done(here, monkeypatch):
    other_code(monkeypatch, "t1", "m1")
    (job,) = asked(here)
    bench(monkeypatch, [job])
    before = (job.run / "log.jsonl").stat().st_mtime_ns
    other_code(monkeypatch, "t1", "m2")
    (job,) = asked(here)
    assert job.lacks(["fixed"]) == REMEASURE
    told = bench(monkeypatch, [job])
    assert f"1 of them again: {REMEASURE}" in told
    assert (job.run / "log.jsonl").stat().st_mtime_ns == before
    assert not any("renamed" in text for text in told)
    assert {r.settings["code"]["measuring"] for r in read_ledger(here[1], quiet)} == {"m2"}
    assert job.done(["fixed"])


def test_the_plan_says_what_is_stale(here, monkeypatch):
    other_code(monkeypatch, "t1", "m1")
    bench(monkeypatch, asked(here))
    other_code(monkeypatch, "t2", "m2")
    (note,) = [n for n in plan_table(planned(asked(here), ["fixed"], quiet), 1).notes if "keep-stale" in n]
    assert note.startswith(f"Stale, 1 of the runs to do: made by other code ({MODEL} on {here[0]}: 1).")
    (note,) = [
        n for n in plan_table(planned(asked(here, keep_stale=True), ["fixed"], quiet), 1).notes if "keep-stale" in n
    ]
    assert note == "1 of the runs that are done were made by other code; --keep-stale lets them stand."


def test_an_edited_setting_is_made_again_and_old_rows_are_left_out(here, monkeypatch):
    (job,) = asked(here)
    bench(monkeypatch, [job])
    (edited,) = asked(here, "trainer.learning_rate=0.01")
    assert edited.lacks(["fixed"]) == NEW
    told = bench(monkeypatch, [edited])
    assert any("renamed to seed-0.aside-1: trainer.learning_rate is" in text for text in told)
    rows = read_ledger(here[1], quiet)
    assert {r.config_hash for r in rows} == {read_run(edited.run)["config_hash"]}
    bench(monkeypatch, [job])  # and back: the first folder is not written over
    assert job.run.with_name("seed-0.aside-2").is_dir()


def test_old_rows_are_left_out_where_the_new_run_fails(here, monkeypatch):
    (job,) = asked(here)
    bench(monkeypatch, [job])
    assert len(read_ledger(here[1], quiet)) > 0
    (edited,) = asked(here, "trainer.learning_rate=0.01")
    Acted(monkeypatch, lambda command: (6, "error: the loss is nan\nnext: a smaller step\n"))
    assert run_benchmark([edited], ["fixed"], 1, quiet) == [edited]
    assert read_ledger(here[1], quiet) == []


def test_another_way_of_measuring_is_taken_over_by_a_run_that_is_done(here, monkeypatch):
    (job,) = asked(here)
    bench(monkeypatch, [job])
    (other,) = asked(here, "evaluation.batch_size=7")
    told = bench(monkeypatch, [other])
    assert not any("renamed" in text for text in told)
    assert {r.settings["batch_size"] for r in read_results(other.run / "results.jsonl")} == {128, 7}


def test_another_version_of_a_protocol_is_measured_and_nothing_trained(here, monkeypatch):
    (job,) = asked(here)
    bench(monkeypatch, [job], "fixed", "random")
    before = (job.run / "log.jsonl").stat().st_mtime_ns
    monkeypatch.setitem(PROTOCOLS, "fixed", "fixed@2")
    with pytest.raises(DataError, match=r"results\.jsonl', line 1: measured under 'fixed@1'.*\n.*md2n benchmark"):
        read_ledger(here[1], quiet)
    assert job.lacks(["fixed", "random"]) == REMEASURE
    assert job.done(["random"])
    bench(monkeypatch, [job], "fixed", "random")
    assert (job.run / "log.jsonl").stat().st_mtime_ns == before
    assert {r.protocol for r in read_ledger(here[1], quiet)} == {"fixed@2", "random@1"}
    assert {r.protocol for r in read_outcomes([job.run], quiet).rows} == {"fixed@2", "random@1"}
    assert job.done(["fixed", "random"])


def test_a_marker_without_versions_is_of_the_first(here, monkeypatch):
    (job,) = asked(here)
    bench(monkeypatch, [job])
    marker = job.run / "evaluated.json"
    marker.write_text(marker.read_text().replace("fixed@1", "fixed"))
    assert job.done(["fixed"])
    monkeypatch.setitem(PROTOCOLS, "fixed", "fixed@2")
    assert job.lacks(["fixed"]) == REMEASURE


def test_a_run_that_is_gone_on_with_by_other_code_is_of_neither(here, tmp_path, monkeypatch):
    other_code(monkeypatch, "t1")
    with pytest.raises(InterruptedRun):
        run_training(short(Path(here[0])), tmp_path / "run", StopAfter(2))
    other_code(monkeypatch, "t2")
    run_training(short(Path(here[0])), tmp_path / "run")
    assert read_run(tmp_path / "run")["code"] == "t1+t2"


def test_a_damaged_folder_is_left_to_training(here, monkeypatch):
    (job,) = asked(here)
    bench(monkeypatch, [job])
    (job.run / "config.json").write_text("{")
    assert job.make_way() == ""
    assert job.run.is_dir()


def test_masks_of_other_data_are_refused_before_anything_is_trained(here, monkeypatch):
    (job,) = asked(here)
    names = ("video", "pulse")
    drawn = random_conditions(np.ones((18, 2), bool), names, 0)
    save_masks(job.masks, drawn, names=names, data_checksum="0" * 16, split="test")
    acted = Made(monkeypatch, [job])
    with pytest.raises(DataError, match=r"masks 'store\.npz' are for data_checksum '0000"):
        run_benchmark([job], ["fixed", "random"], 1, quiet)
    assert acted.asked == []
    assert run_benchmark([job], ["fixed"], 1, quiet) == []  # which has no use for them


def test_a_folder_in_which_somebody_trains_is_waited_for(here, monkeypatch):
    (job,) = asked(here)
    job.run.mkdir(parents=True)
    told: list[str] = []
    with FolderLock(job.run / ".lock") as lock:

        def hear(text: str) -> None:
            told.append(text)
            if "waits" in text:
                assert acted.asked == []
                lock.__exit__(None, None, None)

        acted = Made(monkeypatch, [job])
        assert run_benchmark([job], ["fixed"], 1, hear) == []
    assert len([text for text in told if "waits: process" in text]) == 1
    assert job.done(["fixed"])
