"""The plan: what a benchmark consists of, what of it is done, stale or to do, and what it will take."""

import json
import shutil
from pathlib import Path

import pytest

from md2n.data.store import checksum
from md2n.errors import ConfigError, DataError, UsageError
from md2n.evaluation.results import PROTOCOLS
from md2n.experiment import config as experiment_config
from md2n.experiment import job as module
from md2n.experiment import plan as planning
from md2n.experiment.job import EVALUATED, NEW, OTHER_DATA, REMEASURE, RETRAIN, Job
from md2n.experiment.plan import own_preset, plan, plan_table
from tests.experiment.made import store

METHODS = ("zero_fill", "modality_dropout")


@pytest.fixture
def here(tmp_path: Path) -> tuple[str, Path]:
    return str(store(tmp_path)), tmp_path / "bench"


def ended(job: Job, *protocols: str, **record: object) -> None:
    """Leaves what a run leaves that is done."""
    job.run.mkdir(parents=True, exist_ok=True)
    (job.run / "run.json").write_text(json.dumps({"code": job.code["training"]}))
    facts = {"settings": job.settings, "code": job.code, "protocols": [PROTOCOLS[p] for p in protocols], "wall_s": 9.0}
    (job.run / EVALUATED).write_text(json.dumps(facts | record))


def one(here: tuple[str, Path], *sets: str, **more: bool) -> Job:
    (job,) = plan([here[0]], ["zero_fill"], 1, here[1], "", sets, **more)
    return job


def test_seeds_are_outermost_and_methods_share_masks(here) -> None:
    data, out = here
    jobs = plan([data, "digits"], METHODS, 2, out)
    assert [(Path(j.data).name, j.model, j.seed) for j in jobs[:4]] == [
        (d, m, 0) for d in ("store", "digits") for m in METHODS
    ]
    assert {j.seed for j in jobs[4:]} == {1}
    assert (len({j.run for j in jobs}), len({j.masks for j in jobs})) == (8, 2)
    assert [j.seed for j in plan([data], ["zero_fill"], 2, out, first_seed=3)] == [3, 4]


def test_the_commands_are_what_a_person_types(here) -> None:
    data, out = here
    (job,) = plan([data], ["md2n"], 1, out, "default", ["trainer.epochs=2"])
    train, fixed, random = job.commands(["fixed", "random"])
    assert " ".join(train) == (
        f"train default --data {data} --model md2n --seed 0 --out {job.run} --set trainer.epochs=2 --quiet"
    )
    assert " ".join(fixed) == f"evaluate {job.run} --protocol fixed --masks {job.masks} --quiet"
    assert " ".join(random) == f"evaluate {job.run} --protocol random --masks {job.masks} --quiet --no-recovery"
    assert "--no-recovery" not in job.commands(["random"])[1]


def test_a_method_starts_from_the_preset_of_its_name(here, tmp_path, monkeypatch) -> None:
    data, out = here
    shutil.copytree(experiment_config._folder(), folder := tmp_path / "presets")
    own = folder / "zero_fill.toml"
    own.write_text('extends = "default"\n[model]\nname = "zero_fill"\n[trainer]\nepochs = 7\n')
    (folder / "modality_dropout.toml").write_text("[trainer]\nepochs = 9\n")  # of another method: md2n
    monkeypatch.setattr(experiment_config, "_folder", lambda: folder)
    assert [own_preset(m) for m in (*METHODS, "md2n")] == ["zero_fill", "default", "default"]
    assert one(here).config.trainer.epochs == 7
    (default,) = plan([data], ["zero_fill"], 1, out, "default")
    assert default.config.trainer.epochs == 40
    before = one(here).settings
    assert default.settings != before
    own.write_text(own.read_text().replace("7", "8"))  # a preset that is edited is another one
    assert one(here).settings != before


def test_a_run_is_done_with_these_settings_and_protocols(here) -> None:
    job = one(here)
    assert job.pending(["fixed"]) == NEW
    ended(job, "fixed")
    assert job.pending(["fixed"]) == job.pending() == ""
    assert job.pending(["fixed", "random"]) == NEW
    assert one(here, "trainer.epochs=3").pending(["fixed"]) == NEW
    for damaged in ("{", "[]", "{}"):
        (job.run / EVALUATED).write_text(damaged)
        assert job.pending(["fixed"]) == NEW


def test_a_run_of_other_code_is_stale_unless_stale_ones_count(here, monkeypatch) -> None:
    ended(one(here), "fixed")
    monkeypatch.setattr(module, "measuring_code", lambda model: "m2")
    assert one(here).pending(["fixed"]) == REMEASURE
    assert one(here).pending() == ""  # a trial is not measured
    monkeypatch.setattr(module, "training_code", lambda model: "t2")
    assert one(here).pending(["fixed"]) == RETRAIN
    assert one(here, keep_stale=True).pending(["fixed"]) == ""
    (one(here).run / "run.json").write_text("{}")  # does not say
    assert one(here).pending(["fixed"]) == RETRAIN


def test_another_version_of_a_protocol_is_measured_again(here, monkeypatch) -> None:
    ended(job := one(here), protocols=["fixed", "random@1"])  # of before versions were written down
    assert job.pending(["fixed", "random"]) == ""
    monkeypatch.setitem(PROTOCOLS, "fixed", "fixed@2")
    assert job.pending(["fixed", "random"]) == REMEASURE
    assert job.pending(["random"]) == ""


def test_what_was_made_from_other_data_of_the_same_place_is_made_again(here) -> None:
    ended(job := one(here), "fixed")
    for digest, reason in ((checksum(Path(here[0])), ""), ("another", OTHER_DATA)):
        (job.run / "run.json").write_text(json.dumps({"code": job.code["training"], "data": {"checksum": digest}}))
        assert job.pending(["fixed"]) == reason


def test_what_cannot_be_meant_is_refused(here, tmp_path) -> None:
    data, out = here
    other, twin = str(store(tmp_path / "elsewhere")), str(shutil.copytree(data, tmp_path / "twin"))
    for kind, text, act in (
        (UsageError, r"no model is called 'md3n'\n.*did you mean 'md2n'", lambda: plan([data], ["md3n"], 1, out)),
        (DataError, r"'mosy' is neither a ready set nor a file", lambda: plan(["mosy"], METHODS, 1, out)),
        (UsageError, "two data sets are called 'store'", lambda: plan([data, other], METHODS, 1, out)),
        (UsageError, "two stores hold data that are called", lambda: plan([data, twin], METHODS, 1, out)),
        (UsageError, "two methods are called 'zero_fill'", lambda: plan([data], ["zero_fill"] * 2, 1, out)),
        (UsageError, "'dafault' is neither a preset nor a file", lambda: plan([data], METHODS, 1, out, "dafault")),
        (ConfigError, "unknown key 'trainer.epoch'", lambda: plan([data], METHODS, 1, out, sets=["trainer.epoch=1"])),
    ):
        with pytest.raises(kind, match=text):
            act()
    assert not out.exists()


def table_of(jobs: list[Job], *protocols: str) -> tuple[list[dict[str, str]], tuple[str, ...], list[str]]:
    """Rows by heads, notes, and what is said meanwhile."""
    said: list[str] = []
    table = plan_table(jobs, protocols, 2, said.append)
    return [dict(zip(table.columns, (c.plain for c in row))) for row in table.rows], table.notes, said


def test_runs_made_here_tell_the_time_better_than_a_few_batches(here, monkeypatch) -> None:
    monkeypatch.setattr(planning, "estimate", lambda *_: 60.0)
    jobs = plan([here[0]], ["zero_fill"], 3, here[1])
    (row, total), notes, said = table_of(jobs, "fixed")
    assert list(row.values()) == [here[0], "zero_fill", "default", "runs", "3", "0", "1.0", "3.0", "a few batches"]
    assert (total["data set"], total["runs"], total["done"], total["minutes left"]) == ("all", "3", "0", "3.0")
    assert notes[0].startswith("3 minutes of computing are 2 minutes with 2 workers")
    assert said == [f"timing zero_fill on {here[0]}"]
    for job, wall in zip(jobs[:2], (30.0, 90.0)):
        ended(job, "fixed", wall_s=wall)
    (row, _), _, said = table_of(jobs, "fixed")
    assert (row["done"], row["minutes a run"], row["minutes left"], row["time from"]) == (
        "2",
        "1.5",
        "1.5",
        "runs made here",
    )
    (row, _), _, more = table_of(jobs[:2], "fixed")
    assert (row["done"], row["minutes a run"], said, more) == ("2", "–", [], [])
    assert not jobs[2].run.exists()


@pytest.mark.parametrize("error", [UsageError("needs three modalities"), RuntimeError("needs three modalities\n...")])
def test_what_cannot_be_timed_is_unknown_and_stops_nothing(here, monkeypatch, error: Exception) -> None:
    def refuse(*_: object) -> float:
        raise error

    monkeypatch.setattr(planning, "estimate", refuse)
    (row, total), notes, _ = table_of([one(here)], "fixed")
    assert (row["time from"], total["minutes left"]) == ("unknown: needs three modalities", "0.0")
    assert notes[-1] == f"Not in the totals: zero_fill on {here[0]}."


def test_the_table_says_what_is_stale(here, monkeypatch) -> None:
    ended(one(here), "fixed")
    for name, reason in (("measuring_code", REMEASURE), ("training_code", RETRAIN)):
        monkeypatch.setattr(module, name, lambda model: "other")
        _, notes, _ = table_of([one(here)], "fixed")
        assert notes[1] == f"1 were {reason} (zero_fill on {here[0]}: 1); --keep-stale counts them as done."
