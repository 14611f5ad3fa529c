"""What a benchmark will take: steps and network calls are counted, seconds measured, nothing is written."""

import json
from pathlib import Path

import pytest

from md2n.data.ready import load, load_datasets
from md2n.errors import UsageError
from md2n.evaluation.protocols import fixed_conditions
from md2n.experiment import estimate as module
from md2n.experiment import planning
from md2n.experiment.estimate import Effort, estimate
from md2n.experiment.jobs import EVALUATED, Job
from md2n.experiment.planning import Planned, plan_table, planned
from tests.experiment.made import short, store
from tests.experiment.test_benchmark import trained


def effort(tmp_path: Path, model: str, protocols: tuple[str, ...], *sets: str) -> Effort:
    config = short(store(tmp_path), model, sets)
    return estimate(config, load_datasets(load(config.data.name, config.data), config.data), protocols)


def test_steps_are_those_of_a_whole_training(tmp_path: Path):
    found = effort(tmp_path, "modality_dropout", ())
    assert found.steps == 2 * 3  # epochs, batches of 16 among 48 samples
    assert found.calls == 2 * 3 + 2  # and a validation after every epoch
    assert found.seconds > 0


def test_measuring_is_counted_for_every_condition(tmp_path: Path):
    trained = effort(tmp_path, "modality_dropout", ())
    assert effort(tmp_path / "b", "modality_dropout", ("fixed",)).calls == trained.calls + 3
    assert effort(tmp_path / "c", "modality_dropout", ("fixed", "random")).calls == trained.calls + 3 + 8


def test_a_chain_of_calls_counts_them_all(tmp_path: Path):
    few = effort(tmp_path, "md2n", ("fixed",), "model.recover_steps=2")
    many = effort(tmp_path / "b", "md2n", ("fixed",), "model.recover_steps=20")
    assert many.calls >= few.calls + 3 * 15


def test_recovering_is_counted_under_one_of_two_protocols(tmp_path: Path):
    fixed, random, both = (
        effort(tmp_path / "-".join(asked), "md2n", asked) for asked in (("fixed",), ("random",), ("fixed", "random"))
    )
    predicted = effort(tmp_path / "p", "modality_dropout", ("fixed", "random")).calls
    predicted -= effort(tmp_path / "q", "modality_dropout", ("fixed",)).calls
    assert predicted == 8
    assert fixed.calls < both.calls < fixed.calls + random.calls - effort(tmp_path / "r", "md2n", ()).calls


def test_what_is_timed_hides_as_much_as_the_conditions_do_on_average(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen = {}

    def watch(model, few, conditions, **told):
        seen[len(few)] = conditions[0].available
        return measured(model, few, conditions, **told)

    measured = module.evaluate
    monkeypatch.setattr(module, "evaluate", watch)
    config = short(store(tmp_path), "modality_dropout", ())
    data = load_datasets(load(config.data.name, config.data), config.data)
    estimate(config, data, ("fixed",))
    ((size, available),) = seen.items()
    conditions = fixed_conditions(data.test.present, data.schema.names)
    assert size >= len(conditions)
    for n in range(size):
        assert (available[n] == conditions[n % len(conditions)].available[n]).all()


def planned_of(**other: object) -> Planned:
    told = {"data": "d", "model": "m", "preset": "default", "kind": "runs", "runs": 5, "done": 2} | other
    return Planned(**{"effort": Effort(10, 100, 60.0), "seconds": 60.0, "source": "a few batches", **told})  # type: ignore[arg-type]


def test_the_table_has_totals_and_says_what_is_unknown():
    unknown = planned_of(model="u", effort=None, seconds=None, source="unknown: needs three modalities", done=0)
    table = plan_table([planned_of(), planned_of(model="n", done=5), unknown], 2)
    last = {head: cell.plain for head, cell in zip(table.columns, table.rows[-1])}
    assert (last["runs"], last["done"], last["network calls left"], last["minutes left"]) == ("15", "7", "300", "3.0")
    assert "3 minutes of computing are 2 minutes with 2 workers" in table.notes[0]
    assert table.notes[-1] == "Not in the totals: u on d."
    assert table.rows[2][-1].plain == "unknown: needs three modalities"


def test_runs_made_here_tell_the_time_better_than_a_few_batches(tmp_path: Path):
    data, out = str(store(tmp_path)), tmp_path / "bench"
    jobs = [Job(data, "zero_fill", seed, out) for seed in (0, 1, 2)]
    for job, wall in zip(jobs[:2], (30.0, 90.0)):
        trained(job.run)
        facts = {**job.settings, "protocols": ["fixed"], "wall_s": wall}
        (job.run / EVALUATED).write_text(json.dumps(facts))
    (found,) = planned(jobs, ["fixed"], lambda text: None)
    assert (found.runs, found.done, found.seconds, found.source) == (3, 2, 90.0, "runs made here")
    assert found.effort is not None
    told: list[str] = []
    (found,) = planned(jobs[:2], ["fixed"], told.append)
    assert (found.left, found.effort, told) == (0, None, [])


@pytest.mark.parametrize("error", [UsageError("needs three modalities"), RuntimeError("singular\nand so on")])
def test_what_cannot_be_timed_is_unknown_and_stops_nothing(tmp_path: Path, monkeypatch, error: Exception):
    def refuse(*given: object) -> Effort:
        raise error

    monkeypatch.setattr(planning, "estimate", refuse)
    data, out = str(store(tmp_path)), tmp_path / "bench"
    (found,) = planned([Job(data, "zero_fill", 0, out)], ["fixed"], lambda text: None)
    assert found.effort is None
    assert found.source in ("unknown: needs three modalities", "unknown: singular")
    assert not out.exists()
