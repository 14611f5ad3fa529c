"""The search: the same draws everywhere, settings that exist, equal budgets, a choice on validation that stands."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from md2n.errors import ConfigError, UsageError
from md2n.experiment import benchmark, search
from md2n.experiment.benchmark import run_benchmark
from md2n.experiment.config import resolve
from md2n.experiment.jobs import EVALUATED, Job, own_preset, plan
from md2n.experiment.search import DROPOUT, Among, Between, draws, space
from md2n.experiment.source import training_code
from md2n.experiment.tuning import (
    Choice,
    Terms,
    check_terms,
    choice,
    chosen_jobs,
    keep_terms,
    open_trials,
    settle,
    space_table,
    terms,
    trials,
)
from md2n.methods.catalogue import MODELS
from tests.experiment.made import store

METHODS = ("zero_fill", "modality_dropout")


def quiet(text: str) -> None:
    pass


@pytest.mark.parametrize("model", MODELS.names())
def test_the_stated_space_is_of_settings_that_the_method_has(model: str):
    preset = own_preset(model)
    config = resolve(preset, model=model)
    stated = space(model, config)
    assert "trainer.learning_rate" in stated
    for sets in draws(model, "digits", config, 8):
        found = resolve(preset, sets, model=model)
        assert 1e-4 <= found.trainer.learning_rate <= 3e-3
        assert found.model.name == model


def test_every_space_is_of_a_method_that_exists_or_will_be_refused():
    assert set(search.OWN) <= set(MODELS.names())


def test_trials_are_the_same_everywhere_and_more_begin_with_fewer():
    config = resolve("default", model="md2n")
    assert draws("md2n", "mfeat", config, 2) == draws("md2n", "mfeat", config, 5)[:2]
    assert draws("md2n", "mfeat", config, 5) != draws("md2n", "digits", config, 5)
    assert draws("md2n", "mfeat", config, 1)[0][0] == "trainer.learning_rate=0.000936"
    assert len({tuple(s) for s in draws("md2n", "mfeat", config, 5)}) == 5


def test_dropout_that_is_off_stays_off_and_the_rest_moves_together():
    (sets,) = draws("md2n", "mfeat", resolve("default", model="md2n"), 1)
    moved = {s.partition("=")[0]: s.partition("=")[2] for s in sets if "dropout" in s}
    assert set(moved) == {"model.fusion.latent.dropout", "model.fusion.transformer.dropout"}
    assert len(set(moved.values())) == 1


def test_what_the_person_sets_is_not_searched():
    config = resolve("default", model="zero_fill")
    fixed = ["trainer.learning_rate=0.1", "model.latent.dropout=0.5", "model.transformer.dropout=0.5"]
    assert set(space("zero_fill", config, fixed)) == {"trainer.weight_decay"}
    assert not any("learning_rate" in s for s in draws("zero_fill", "mfeat", config, 1, fixed)[0])
    assert DROPOUT in space("zero_fill", config, fixed[:2])


def test_a_space_with_a_setting_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setattr(search, "OWN", {"zero_fill": {"model.gama": Among(("1",))}})
    with pytest.raises(ConfigError, match=r"search space of 'zero_fill' has 'model\.gama'"):
        space("zero_fill", resolve("default", model="zero_fill"))


def test_ranges_say_what_they_are():
    assert Between(3e-4, 3e-3).words == "0.0003 to 0.003, evenly in the logarithm"
    assert Among(("1", "2")).words == "1, 2"


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    return plan([str(store(tmp_path))], METHODS, 2, tmp_path / "bench", "", ["trainer.epochs=2"])


def act(monkeypatch: pytest.MonkeyPatch, scores, code=lambda command: 0) -> list[list[str]]:
    """Stands in for the commands; a training leaves its validation score."""
    asked: list[list[str]] = []

    def call(crew: object, command: list[str]) -> tuple[int, str]:
        asked.append(command)
        if command[0] == "train" and code(command) == 0:
            run = Path(command[command.index("--out") + 1])
            run.mkdir(parents=True, exist_ok=True)
            told = {"result": {"score": scores(run.name)}, "code": training_code(run.parent.name)}
            (run / "run.json").write_text(json.dumps(told))
        return code(command), "error: as told\n"

    monkeypatch.setattr(benchmark._Crew, "call", call)
    return asked


def number(name: str) -> float:
    return float(name.rpartition("-")[2])


def test_every_method_gets_the_preset_and_as_many_trials(jobs: list[Job]):
    made = trials(jobs, 3)
    assert [(t.model, t.trial) for t in made[:4]] == [(m, k) for k in (0, 1) for m in METHODS]
    assert len(made) == 2 * 4
    assert all(t.seed == 0 and t.sets[0] == "trainer.epochs=2" for t in made)
    assert made[0].sets == ("trainer.epochs=2",)
    assert len({t.run for t in made}) == 8
    assert [c[0] for c in made[0].commands(["fixed"])] == ["train"]
    assert trials(jobs, 0) == []


def test_the_best_trial_decides_for_all_seeds_and_is_the_run_of_seed_0(jobs: list[Job], monkeypatch):
    act(monkeypatch, lambda name: {0.0: 0.5, 1.0: 0.9, 2.0: 0.7}[number(name)])
    made = trials(jobs, 2)
    assert chosen_jobs(jobs, 2) == jobs  # nothing is known yet
    run_benchmark(made, (), 1, quiet)
    settled, waiting = settle(jobs, 2)
    assert waiting == []
    assert [j.sets for j in settled] == [
        next(t for t in made if t.trial == 1 and t.model == j.model).sets for j in jobs
    ]
    assert (settled[0].run / "run.json").read_text() == (made[2].run / "run.json").read_text()
    assert not (settled[0].run / EVALUATED).exists()
    assert not settled[-1].run.exists()  # of seed 1 nothing is known
    asked = act(monkeypatch, number)
    assert open_trials(jobs, 2) == []
    run_benchmark(settled, ["fixed"], 1, quiet)
    assert sorted({c[0] for c in asked}) == ["evaluate", "train"]
    assert all(j.done(["fixed"]) for j in chosen_jobs(jobs, 2))
    record = json.loads((jobs[0].out / "tuning" / "store" / "zero_fill.json").read_text())
    assert (record["trial"], record["scores"], len(record["tried"])) == (1, [0.5, 0.9, 0.7], 3)


def test_a_choice_stands_whatever_becomes_of_its_trials(jobs: list[Job], monkeypatch):
    act(monkeypatch, number)
    run_benchmark(trials(jobs, 2), (), 1, quiet)
    before, _ = settle(jobs, 2)
    shutil.rmtree(jobs[0].out / "trials")
    assert settle(jobs, 2) == (before, [])
    assert open_trials(jobs, 2) == []


def test_a_trial_that_diverged_is_not_chosen(jobs: list[Job], monkeypatch):
    act(monkeypatch, number, lambda command: 6 if "trial-02" in command[command.index("--out") + 1] else 0)
    assert len(run_benchmark(trials(jobs, 2), (), 1, quiet)) == 2
    found = choice(jobs[0], 2)
    assert found is not None
    assert (found.trial, found.scores) == (1, (0.0, 1.0, None))
    assert settle(jobs, 2)[1] == []


def test_where_all_diverge_the_preset_is_left_and_its_runs_say_so(jobs: list[Job], monkeypatch):
    act(monkeypatch, number, lambda command: 6)
    run_benchmark(trials(jobs, 2), (), 1, quiet)
    assert settle(jobs, 2) == (jobs, [])


@pytest.mark.parametrize("code", [-9, 5, 7])  # killed; its folder holds another run; the disk is full
def test_a_trial_that_may_end_otherwise_is_made_again_and_the_runs_wait(jobs: list[Job], monkeypatch, code: int):
    act(monkeypatch, number, lambda command: code if "zero_fill" in command else 0)
    run_benchmark(trials(jobs, 1), (), 1, quiet)
    settled, waiting = settle(jobs, 1)
    assert {j.model for j in settled} == {"modality_dropout"}
    assert {j.model for j in waiting} == {"zero_fill"}
    assert {t.model for t in open_trials(jobs, 1)} == {"zero_fill"}


def test_an_unexplained_end_counts_once_it_came_twice(jobs: list[Job], monkeypatch):
    act(monkeypatch, number, lambda command: 1 if "trial-01" in command[command.index("--out") + 1] else 0)
    run_benchmark(trials(jobs, 1), (), 1, quiet)
    assert len(settle(jobs, 1)[1]) == len(jobs)  # memory may have run out: once more
    run_benchmark(open_trials(jobs, 1), (), 1, quiet)
    assert settle(jobs, 1)[1] == []
    assert choice(jobs[0], 1) == Choice(0, ("trainer.epochs=2",), (0.0, None))


def test_what_was_refused_by_other_code_or_with_other_settings_is_tried_again(jobs: list[Job], monkeypatch):
    act(monkeypatch, number, lambda command: 6 if "trial-01" in command[command.index("--out") + 1] else 0)
    run_benchmark(trials(jobs, 1), (), 1, quiet)
    assert choice(jobs[0], 1) is not None
    with monkeypatch.context() as patch:
        patch.setattr("md2n.experiment.jobs.training_code", lambda model: "other")
        assert choice(jobs[0], 1) is None
        assert choice(replace(jobs[0], keep_stale=True), 1) is not None
    assert choice(jobs[0].with_sets(["trainer.epochs=3"]), 1) is None


def test_a_search_that_came_to_nothing_is_made_again(jobs: list[Job], monkeypatch):
    act(monkeypatch, number, lambda command: 3)  # the data cannot be read
    run_benchmark(trials(jobs, 1), (), 1, quiet)
    assert settle(jobs, 1) == (jobs, [])
    assert not (jobs[0].out / "tuning").exists()
    assert len(open_trials(jobs, 1)) == 4
    act(monkeypatch, number)  # they were mended
    run_benchmark(open_trials(jobs, 1), (), 1, quiet)
    assert {choice(j, 1).trial for j in jobs} == {1}


def test_two_budgets_do_not_meet_in_one_folder(tmp_path: Path):
    assert terms(tmp_path) is None
    check_terms(tmp_path, Terms(3))
    keep_terms(tmp_path, Terms(3))
    check_terms(tmp_path, Terms(3))
    with pytest.raises(UsageError, match=r"made with --tune 3, not with --tune 0.*\n.*another folder to --out"):
        check_terms(tmp_path, Terms(0))
    assert Terms(0).words == "presets, no search"
    assert Terms(3).words.startswith("the preset and 3 random trials per method and data set")


def test_runs_with_other_settings_do_not_meet_in_one_folder(tmp_path: Path):
    short = Terms(0, "md2n", ("trainer.epochs=1",))
    keep_terms(tmp_path, short)
    keep_terms(tmp_path, Terms(0))  # what was first stands
    assert terms(tmp_path) == short
    assert short.words == "presets, no search; every method from preset 'md2n'; in every run trainer.epochs=1"
    for other in (Terms(0, "md2n"), Terms(0, "", short.sets), Terms(0, "md2n", ("trainer.epochs=3",))):
        with pytest.raises(UsageError, match="made with --tune 0 --preset md2n --set trainer"):
            check_terms(tmp_path, other)
    (tmp_path / "benchmark.json").write_text('{"format": 1, "tune": 0}')  # of an md2n that kept nothing else
    check_terms(tmp_path, short)


def test_the_space_is_printed_with_the_plan(jobs: list[Job]):
    table = space_table(jobs, 3)
    assert {row[0].text for row in table.rows} == set(METHODS)
    assert "3 random trials" in table.title
