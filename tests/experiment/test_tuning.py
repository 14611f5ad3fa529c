"""The search: settings that exist, the same draws everywhere, equal budgets, a choice on validation, resumed."""

import builtins
import json
from pathlib import Path

import pytest

from md2n.errors import ConfigError, RunError, UsageError
from md2n.experiment import search
from md2n.experiment.benchmark import run_benchmark
from md2n.experiment.config import resolve
from md2n.experiment.job import Job
from md2n.experiment.plan import own_preset, plan
from md2n.experiment.search import DROPOUT, space, targets
from md2n.experiment.source import training_code
from md2n.experiment.terms import Terms, check_terms, record_terms, terms
from md2n.experiment.tuning import STORAGE, Search, space_table
from md2n.methods.catalogue import MODELS
from tests.experiment.made import store
from tests.experiment.test_benchmark import Acted, quiet

METHODS = ("zero_fill", "modality_dropout")


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    return plan([str(store(tmp_path))], METHODS, 2, tmp_path / "bench", "", ["trainer.epochs=2"])


def act(monkeypatch: pytest.MonkeyPatch, scores=lambda number: float(number), code=lambda trial: 0) -> Acted:
    """Stands in for the commands; a training leaves its validation score."""

    def answer(command) -> tuple[int, str]:
        run = Path(command[command.index("--out") + 1])
        ended = code(run)
        if ended == 0:
            run.mkdir(parents=True, exist_ok=True)
            facts = {"result": {"score": scores(int(run.name[-2:]))}, "code": training_code(run.parent.name)}
            (run / "run.json").write_text(json.dumps(facts))
        return ended, "error: as told\n"

    return Acted(monkeypatch, answer)


def searched(jobs: list[Job], tune: int) -> Search:
    """A search as a command makes it: opened, its trials made as far as they are open, their ends remembered."""
    found = Search(jobs, tune, jobs[0].out)
    trials = found.trials()
    run_benchmark(trials, (), 1, quiet)
    found.record(trials)
    return found


def chosen(found: Search) -> dict[str, int]:
    """Method -> the trial whose settings its runs have."""
    trials = {(t.model, t.sets): t.trial for t in Search(found.jobs, found.tune).trials()}
    return {job.model: trials[job.model, job.sets] for job in found.settled()[0]}


@pytest.mark.parametrize("model", MODELS.names())
def test_the_space_is_of_settings_and_values_that_the_method_takes(model: str, tmp_path: Path) -> None:
    (job,) = plan(["digits"], [model], 1, tmp_path)
    assert "trainer.learning_rate" in space(model, job.config)
    for trial in Search([job], 8).trials():
        assert trial.config.model.name == model
        assert trial.trial == 0 or 1e-4 <= trial.config.trainer.learning_rate <= 3e-3
    assert not list(tmp_path.iterdir())  # in memory


def test_every_space_is_of_a_method_that_exists() -> None:
    assert set(search.OWN) <= set(MODELS.names())


def test_every_method_gets_the_preset_and_as_many_trials_which_are_the_same_everywhere(jobs: list[Job]) -> None:
    trials = Search(jobs, 3).trials()
    assert [(t.model, t.trial) for t in trials[:4]] == [(m, k) for k in (0, 1) for m in METHODS]
    assert len({t.run for t in trials}) == 2 * 4
    assert trials[0].sets == ("trainer.epochs=2",)
    assert all(t.seed == 0 and t.sets[0] == "trainer.epochs=2" for t in trials)
    assert [c[0] for c in trials[0].commands(["fixed"])] == ["train"]
    assert Search(jobs, 3, jobs[0].out).trials() == trials == Search(jobs, 3, jobs[0].out).trials()
    assert [t for t in Search(jobs, 5).trials() if t.trial <= 3] == trials  # more begin with fewer
    assert len({t.sets for t in trials if t.model == "zero_fill"}) == 4


def test_dropout_that_is_off_stays_off_and_the_rest_has_one_value() -> None:
    config = resolve("default", model="md2n")
    assert targets(DROPOUT, config) == ["model.fusion.latent.dropout", "model.fusion.transformer.dropout"]
    assert targets(DROPOUT, config, ["model.fusion.latent.dropout=0.5"]) == ["model.fusion.transformer.dropout"]


def test_what_the_user_sets_is_not_searched() -> None:
    config = resolve("default", model="zero_fill")
    sets = ["trainer.learning_rate=0.1", "model.latent.dropout=0.5", "model.transformer.dropout=0.5"]
    assert set(space("zero_fill", config, sets)) == {"trainer.weight_decay"}
    assert DROPOUT in space("zero_fill", config, sets[:2])


def test_a_space_with_a_setting_that_does_not_exist_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(search, "OWN", {"zero_fill": {"model.gama": ("1",)}})
    with pytest.raises(ConfigError, match=r"search space of 'zero_fill' has 'model\.gama'"):
        space("zero_fill", resolve(own_preset("zero_fill"), model="zero_fill"))


def test_the_best_validation_score_decides_for_all_seeds_and_is_remembered(jobs: list[Job], monkeypatch) -> None:
    act(monkeypatch, lambda number: {0: 0.5, 1: 0.9, 2: 0.7, 3: 0.9}[number])
    before = Search(jobs, 3, jobs[0].out)
    assert before.settled() == ([], jobs)  # nothing is known yet
    assert chosen(searched(jobs, 3)) == dict.fromkeys(METHODS, 1)  # of equal ones the first
    again = Search(jobs, 3, jobs[0].out)
    assert again.trials() == []
    runs, waiting = again.settled()
    assert ([(j.model, j.seed) for j in runs], waiting) == ([(j.model, j.seed) for j in jobs], [])
    assert not list(jobs[0].out.glob("trials/*/*/*/results.jsonl"))  # the test split has no part in it


def test_a_search_that_was_stopped_goes_on(jobs: list[Job], monkeypatch) -> None:
    acted = act(monkeypatch)
    first = Search(jobs, 2, jobs[0].out).trials()
    run_benchmark(first[:3], (), 1, quiet)  # killed before their ends were remembered
    assert chosen(searched(jobs, 2)) == dict.fromkeys(METHODS, 2)
    assert len(acted.runs()) == len(set(acted.runs())) == len(first)


def test_a_trial_that_failed_is_not_chosen_and_where_all_failed_the_preset_is(jobs: list[Job], monkeypatch) -> None:
    act(monkeypatch, code=lambda run: 6 if run.name == "trial-02" or run.parent.name == "zero_fill" else 0)
    found = searched(jobs, 2)
    assert chosen(found) == {"zero_fill": 0, "modality_dropout": 1}
    assert [t.state.name for t in found.studies[jobs[1].data, "modality_dropout"].trials] == ["COMPLETE"] * 2 + ["FAIL"]
    act(monkeypatch)  # what they were refused for has been mended
    assert {t.model for t in Search(jobs, 2, jobs[0].out).trials()} == {"zero_fill"}
    assert chosen(searched(jobs, 2)) == {"zero_fill": 2, "modality_dropout": 1}


@pytest.mark.parametrize("code", [-9, 7])  # killed; the disk is full
def test_a_trial_that_may_end_otherwise_is_made_again_and_the_runs_wait(jobs, monkeypatch, code: int) -> None:
    act(monkeypatch, code=lambda run: code if run.parent.name == "zero_fill" else 0)
    found = searched(jobs, 1)
    assert {j.model for j in found.settled()[0]} == {"modality_dropout"}
    assert {j.model for j in found.settled()[1]} == {"zero_fill"}
    act(monkeypatch)
    assert chosen(searched(jobs, 1)) == dict.fromkeys(METHODS, 1)


def test_a_preset_that_is_edited_is_searched_anew(jobs: list[Job], monkeypatch) -> None:
    act(monkeypatch)
    searched(jobs, 1)
    edited = plan([jobs[0].data], METHODS, 2, jobs[0].out, "", ["trainer.epochs=3"])
    assert len(Search(edited, 1, jobs[0].out).trials()) == 4


def test_a_damaged_storage_is_refused_and_costs_no_trial(jobs: list[Job], monkeypatch) -> None:
    acted = act(monkeypatch)
    searched(jobs, 1)
    (jobs[0].out / STORAGE).write_bytes(b"no database" * 100)
    with pytest.raises(RunError, match=r"tuning\.db' cannot be read.*\n.*remove it"):
        Search(jobs, 1, jobs[0].out)
    (jobs[0].out / STORAGE).unlink()
    assert chosen(searched(jobs, 1)) == dict.fromkeys(METHODS, 1)
    assert len(acted.runs()) == 4


def test_without_optuna_the_extra_is_advised(jobs: list[Job], monkeypatch) -> None:
    usual = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name == "optuna":
            raise ImportError(name)
        return usual(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"not installed\n.*pip install 'md2n\[tune\]'"):
        Search(jobs, 1)


def test_two_sets_of_terms_do_not_meet_in_one_folder(tmp_path: Path) -> None:
    assert terms(tmp_path) is None
    check_terms(tmp_path, Terms(3))
    first = Terms(3, "md2n", ("trainer.epochs=1",))
    record_terms(tmp_path, first)
    record_terms(tmp_path, Terms(0))  # what was first stays
    assert terms(tmp_path) == first
    for other in (Terms(0), Terms(3, "md2n"), Terms(3, "", first.sets)):
        with pytest.raises(UsageError, match=r"made with --tune 3 --preset md2n --set trainer.*\n.*another folder"):
            check_terms(tmp_path, other)
    (tmp_path / "benchmark.json").write_text('{"format": 1, "tune": 3}')  # of an md2n that recorded nothing else
    check_terms(tmp_path, first)


def test_terms_and_spaces_in_words(jobs: list[Job]) -> None:
    assert Terms(0, "md2n", ("a=1",)).words == "presets, no search; every method from preset 'md2n'; in every run a=1"
    table = space_table(jobs, 3)
    assert {row[0].text for row in table.rows} == set(METHODS)
    assert table.rows[0][2].text == "0.0001 to 0.003, evenly in the logarithm"
    assert "the preset and 3 random trials per method and data set" in table.title
