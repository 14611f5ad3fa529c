"""The search: settings that exist, the same draws everywhere, equal budgets, a choice on validation, resumed."""

import builtins
import json
from pathlib import Path

import pytest

from md2n.errors import ConfigError, UsageError
from md2n.experiment import tuning
from md2n.experiment.benchmark import run_benchmark
from md2n.experiment.config import resolve
from md2n.experiment.job import Job
from md2n.experiment.plan import own_preset, plan
from md2n.experiment.tuning import DROPOUT, settled, space, targets, trials_of
from md2n.methods.catalogue import MODELS
from tests.experiment.made import store
from tests.experiment.test_benchmark import Acted, quiet

METHODS = ("zero_fill", "modality_dropout")


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    return plan([str(store(tmp_path))], METHODS, 2, tmp_path / "bench", "", ["trainer.epochs=2"])


def act(monkeypatch: pytest.MonkeyPatch, scores=lambda number: float(number), code=lambda run: 0) -> Acted:
    """Stands in for the commands; a training leaves its validation score."""

    def answer(command) -> tuple[int, str]:
        run = Path(command[command.index("--out") + 1])
        if code(run) == 0:
            run.mkdir(parents=True, exist_ok=True)
            (run / "run.json").write_text(json.dumps({"result": {"score": scores(int(run.name[-2:]))}}))
        return code(run), "error: refused\n"

    return Acted(monkeypatch, answer)


def searched(jobs: list[Job], tune: int) -> list[Job]:
    """The runs as a command settles them."""
    run_benchmark(trials := trials_of(jobs, tune), (), 1, quiet)
    return settled(jobs, trials)


def chosen(jobs: list[Job], tune: int) -> dict[str, int]:
    """Method -> the trial whose settings its runs have."""
    numbers = {(t.model, t.sets): t.trial for t in trials_of(jobs, tune)}
    return {job.model: numbers[job.model, job.sets] for job in searched(jobs, tune)}


@pytest.mark.parametrize("model", MODELS.names())
def test_the_space_is_of_settings_and_values_that_the_method_takes(model: str, tmp_path: Path) -> None:
    (job,) = plan(["digits"], [model], 1, tmp_path)
    assert "trainer.learning_rate" in space(model, job.config)
    for trial in trials_of([job], 8):
        assert trial.config.model.name == model
        assert trial.trial == 0 or 1e-4 <= trial.config.trainer.learning_rate <= 3e-3


def test_every_space_is_of_a_method_that_exists() -> None:
    assert set(tuning.OWN) <= set(MODELS.names())


def test_every_method_gets_the_preset_and_as_many_trials_which_are_the_same_everywhere(jobs: list[Job]) -> None:
    trials = trials_of(jobs, 3)
    assert [(t.model, t.trial) for t in trials[:4]] == [(m, k) for k in (0, 1) for m in METHODS]
    assert len({t.run for t in trials}) == 2 * 4
    assert trials[0].sets == ("trainer.epochs=2",)
    assert all(t.seed == 0 and t.sets[0] == "trainer.epochs=2" for t in trials)
    assert [c[0] for c in trials[0].commands(["fixed"])] == ["train"]
    assert trials_of(jobs, 3) == trials
    assert [t for t in trials_of(jobs, 5) if t.trial <= 3] == trials  # more begin with fewer
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
    monkeypatch.setattr(tuning, "OWN", {"zero_fill": {"model.gama": ("1",)}})
    with pytest.raises(ConfigError, match=r"search space of 'zero_fill' has 'model\.gama'"):
        space("zero_fill", resolve(own_preset("zero_fill"), model="zero_fill"))


def test_the_best_validation_score_decides_for_all_seeds_and_is_remembered(jobs: list[Job], monkeypatch) -> None:
    acted = act(monkeypatch, lambda number: {0: 0.5, 1: 0.9, 2: 0.7, 3: 0.9}[number])
    assert settled(jobs, trials_of(jobs, 3)) == jobs  # nothing is known yet: the preset
    assert chosen(jobs, 3) == dict.fromkeys(METHODS, 1)  # of equal ones the first
    assert [(j.model, j.seed) for j in searched(jobs, 3)] == [(j.model, j.seed) for j in jobs]
    assert len(acted.runs()) == len(set(acted.runs())) == 2 * 4
    assert not list(jobs[0].out.glob("trials/*/*/*/results.jsonl"))  # the test split has no part in it


def test_a_trial_that_failed_is_not_chosen_and_is_tried_again(jobs: list[Job], monkeypatch) -> None:
    act(monkeypatch, code=lambda run: 6 if run.name == "trial-02" or run.parent.name == "zero_fill" else 0)
    assert chosen(jobs, 2) == {"zero_fill": 0, "modality_dropout": 1}
    acted = act(monkeypatch)  # what they were refused for has been mended
    assert chosen(jobs, 2) == {"zero_fill": 2, "modality_dropout": 2}
    assert len(acted.runs()) == 3 + 1


def test_a_preset_that_is_edited_is_searched_anew(jobs: list[Job], monkeypatch) -> None:
    act(monkeypatch)
    searched(jobs, 1)
    edited = plan([jobs[0].data], METHODS, 2, jobs[0].out, "", ["trainer.epochs=3"])
    assert not any(trial.done() for trial in trials_of(edited, 1))


def test_without_optuna_the_extra_is_advised(jobs: list[Job], monkeypatch) -> None:
    usual = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name == "optuna":
            raise ImportError(name)
        return usual(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"not installed\n.*pip install 'md2n\[tune\]'"):
        trials_of(jobs, 1)
