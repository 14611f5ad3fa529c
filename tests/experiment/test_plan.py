"""The plan: what a benchmark consists of, what of it is done, and what must be made again."""

import json
import shutil
from pathlib import Path

import pytest

from md2n.data.store import checksum
from md2n.errors import ConfigError, DataError, RunError, UsageError
from md2n.evaluation.results import PROTOCOLS
from md2n.experiment import config as experiment_config
from md2n.experiment import job as module
from md2n.experiment import plan as planning
from md2n.experiment.job import EVALUATED, Job
from md2n.experiment.plan import (
    check_options,
    options,
    options_of,
    own_preset,
    plan,
    plan_table,
    record_options,
    repeats_of,
)
from tests.experiment.made import store

METHODS = ("zero_fill", "modality_dropout")


@pytest.fixture
def here(tmp_path: Path) -> tuple[str, Path]:
    return str(store(tmp_path)), tmp_path / "bench"


def ended(job: Job, *protocols: str, **record: object) -> None:
    """Leaves what a run leaves that is done."""
    job.run.mkdir(parents=True, exist_ok=True)
    facts = {"version": job.version, "protocols": [PROTOCOLS[p] for p in protocols], "wall_s": 9.0}
    (job.run / EVALUATED).write_text(json.dumps(facts | record))


def one(here: tuple[str, Path], *sets: str) -> Job:
    (job,) = plan([here[0]], ["zero_fill"], 1, here[1], "", sets)
    return job


def test_seeds_are_outermost(here) -> None:
    data, out = here
    jobs = plan([data, "digits"], METHODS, 2, out)
    assert [(Path(j.data).name, j.model, j.seed) for j in jobs[:4]] == [
        (d, m, 0) for d in ("store", "digits") for m in METHODS
    ]
    assert {j.seed for j in jobs[4:]} == {1}
    assert len({j.run for j in jobs}) == 8


def test_folds_are_a_dimension_like_seeds_and_the_default_of_small_sets(here, monkeypatch) -> None:
    data, out = here
    jobs = plan([data, "digits"], ["zero_fill"], None, out)
    assert [(Path(j.data).name, j.seed, j.fold) for j in jobs[:3]] == [
        ("store", 0, 0),
        ("digits", 0, 0),
        ("store", 0, 1),
    ]
    assert len(jobs) == len({j.run for j in jobs}) == 10
    assert jobs[2].run.name == "seed-0-fold-1-of-5"
    assert (jobs[2].config.data.fold, jobs[2].config.data.folds) == (1, 5)
    assert " ".join(jobs[2].commands(["fixed"])[0]).endswith("--set data.fold=1 --set data.folds=5 --quiet")
    assert repeats_of(data, 2, None) == [(0, None, None), (1, None, None)]
    assert repeats_of(data, 2, 2) == [(0, 0, 2), (0, 1, 2), (1, 0, 2), (1, 1, 2)]
    monkeypatch.setattr(planning, "SMALL", 18)  # no fewer are tested
    assert repeats_of(data, None, None) == [(0, None, None), (1, None, None)]


def test_the_commands_are_what_a_person_types(here) -> None:
    data, out = here
    (job,) = plan([data], ["md2n"], 1, out, "default", ["trainer.epochs=2"])
    train, fixed, random = job.commands(["fixed", "random"])
    assert " ".join(train) == (
        f"train default --data {data} --model md2n --seed 0 --out {job.run} --set trainer.epochs=2 --quiet"
    )
    assert " ".join(fixed) == f"evaluate {job.run} --protocol fixed --no-report --quiet"
    assert " ".join(random) == f"evaluate {job.run} --protocol random --no-report --quiet --no-recovery"
    assert "--no-recovery" not in job.commands(["random"])[1]


def test_a_method_starts_from_the_preset_of_its_name(here, tmp_path, monkeypatch) -> None:
    data, out = here
    shutil.copytree(experiment_config._folder(), folder := tmp_path / "presets")
    own = folder / "zero_fill.toml"
    own.write_text('extends = "default"\n[model]\nname = "zero_fill"\n[trainer]\nepochs = 7\n')
    (folder / "modality_dropout.toml").write_text("[trainer]\nepochs = 9\n")  # of another method: md2n
    monkeypatch.setattr(experiment_config, "_folder", lambda: folder)
    assert [own_preset(m) for m in (*METHODS, "md2n")] == ["zero_fill", "default", "default"]
    (default,) = plan([data], ["zero_fill"], 1, out, "default")
    assert (one(here).config.trainer.epochs, default.config.trainer.epochs) == (7, 40)
    before = one(here).version
    own.write_text(own.read_text().replace("7", "8"))  # a preset that is edited is another one
    assert one(here).version != before


def test_a_run_is_done_with_these_settings_this_code_and_these_protocols(here, monkeypatch) -> None:
    job = one(here)
    assert not job.done(["fixed"])
    ended(job, "fixed")
    assert job.done(["fixed"]) and job.done() and not job.done(["fixed", "random"])
    assert not one(here, "trainer.epochs=3").done(["fixed"])
    with monkeypatch.context() as patch:
        patch.setitem(PROTOCOLS, "fixed", "fixed@2")
        assert not job.done(["fixed"])
    for name in ("measuring_code", "training_code"):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, lambda model: "other")
            assert not one(here).done(["fixed"])
    for damaged in ("{", "[]", "{}"):
        (job.run / EVALUATED).write_text(damaged)
        assert not job.done(["fixed"])


def test_what_was_made_from_other_data_of_the_same_place_is_made_again(here, monkeypatch) -> None:
    ended(job := one(here), "fixed")
    monkeypatch.setattr(module, "is_begun", lambda run: True)
    monkeypatch.setattr(module, "differences", lambda before, now: [])
    monkeypatch.setattr(module, "read_config", lambda run: {})
    for digest, reasons in ((checksum(Path(here[0])), []), ("another", ["made from another version of the data"])):
        facts = {"code": job.version["training"], "data": {"checksum": digest}}
        (job.run / "run.json").write_text(json.dumps(facts))
        assert (job.outdated(), job.done(["fixed"])) == (reasons, not reasons)


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


def test_the_table_counts_runs_and_tells_time_by_those_that_are_done(here) -> None:
    def row(jobs: list[Job]) -> list[str]:
        table = plan_table(jobs, ["fixed"])
        return [cell.plain for cell in table.rows[0]]

    jobs = plan([here[0]], ["zero_fill"], 3, here[1])
    assert row(jobs) == [here[0], "zero_fill", "runs", "3", "0", "–", "–"]
    for job, wall in zip(jobs[:2], (30.0, 90.0)):
        ended(job, "fixed", wall_s=wall)
    assert row(jobs)[3:] == ["3", "2", "1.5", "1.5"]
    assert not jobs[2].run.exists()


def test_two_sets_of_options_do_not_meet_in_one_folder(tmp_path: Path) -> None:
    check_options(tmp_path, options(3))
    record_options(tmp_path, first := options(3, "md2n", ["trainer.epochs=1"]))
    check_options(tmp_path, first)
    for other in (options(0), options(3, "md2n"), options(3, "", ["trainer.epochs=1"])):
        with pytest.raises(UsageError, match=r"made with --tune 3 --preset md2n --set trainer.*\n.*another folder"):
            check_options(tmp_path, other)
    (tmp_path / "benchmark.json").write_text("{")
    with pytest.raises(RunError, match=r"benchmark\.json' cannot be read"):
        options_of(tmp_path)
