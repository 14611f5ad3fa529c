"""What stands in a benchmark's folder: rows with their runs, what failed, and refusals that say what to do."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from md2n.errors import DataError, RunError
from md2n.evaluation.results import append_results
from md2n.experiment.costs import record_cost
from md2n.experiment.outcome import read_outcomes
from md2n.experiment.source import training_code
from md2n.experiment.tuning import Terms, keep_terms
from tests.experiment.test_ledger import rows, run


def quiet(text: str) -> None:
    pass


def bench(out: Path) -> Path:
    """Two runs, one of them with a cost; one method that failed."""
    keep_terms(out, Terms(4))
    for seed in (0, 1):
        folder = run(out, seed, rows(seed=seed))
        append_results(out / "results.jsonl", [replace(r, run=f"runs/made/md2n/seed-{seed}") for r in rows(seed=seed)])
    record_cost(folder, {"parameters": 5})
    failed = out / "runs" / "made" / "zero_fill" / "seed-3.failed.json"
    failed.parent.mkdir(parents=True)
    failed.write_text(json.dumps({"reason": "error: the loss is nan", "next": "a smaller step", "said": "..."}))
    return out


def test_rows_runs_failures_and_the_budget_are_found(tmp_path: Path):
    found = read_outcomes([bench(tmp_path / "bench")], quiet)
    assert len(found.rows) == 4
    assert [(Path(r.folder).name, r.seed, r.cost) for r in found.runs] == [
        ("seed-0", 0, {}),
        ("seed-1", 1, {"parameters": 5}),
    ]
    assert Path(found.runs[0].folder).is_dir()
    (failure,) = found.failures
    assert (failure.dataset, failure.model, failure.seed, failure.reason) == (
        *("made", "zero_fill", 3),
        "the loss is nan; next: a smaller step",
    )
    assert "4 random trials" in found.notes[0]


def test_single_runs_stand_beside_a_benchmark(tmp_path: Path):
    single = run(tmp_path / "elsewhere", 7, rows(seed=7))
    found = read_outcomes([bench(tmp_path / "bench"), single, single / "results.jsonl"], quiet)
    assert {r.seed for r in found.rows} == {0, 1, 7}
    assert found.runs[-1].folder == str(single)


def test_benchmarks_of_two_budgets_and_a_run_in_two_folders_are_refused(tmp_path: Path):
    one, two = bench(tmp_path / "one"), bench(tmp_path / "two")
    with pytest.raises(DataError, match="seed 0 of md2n on 'made' stands in two folders"):
        read_outcomes([one, two], quiet)
    twice = read_outcomes([one, one, one / "runs" / "made" / "md2n" / "seed-0"], quiet)  # is no contradiction
    assert (len(twice.runs), len(twice.failures)) == (2, 1)  # and no more seeds
    (two / "benchmark.json").write_text(json.dumps({"format": 1, "tune": 0}))
    with pytest.raises(DataError, match=r"rows on 'made' made in two ways .*one: --tune 4, .*two: --tune 0"):
        read_outcomes([one, two], quiet)


def test_terms_of_several_benchmarks_are_told_apart_by_data_set(tmp_path: Path):
    one, two = bench(tmp_path / "one"), tmp_path / "two"
    keep_terms(two, Terms(0, sets=("trainer.epochs=1",)))
    append_results(two / "results.jsonl", [replace(r, run="x", dataset="other") for r in rows()])
    assert [n for n in read_outcomes([one, two], quiet).notes if n.startswith("Search")] == [
        f"Search budget on made, the same for every method: {Terms(4).words}.",
        "Search budget on other, the same for every method: presets, no search; in every run trainer.epochs=1.",
    ]
    (one / "benchmark.json").write_text('{"format": 1, "tune": 0}')  # of an md2n that did not keep settings
    keep_terms(tmp_path / "three", Terms(0))
    append_results(tmp_path / "three" / "results.jsonl", [replace(r, run="x", seed=9) for r in rows()])
    (note,) = (n for n in read_outcomes([one, tmp_path / "three"], quiet).notes if n.startswith("Search"))
    assert note == "Search budget, the same for every method: presets, no search."


def test_seeds_of_two_folders_by_two_states_of_the_code_are_noted(tmp_path: Path):
    for name, seed, code in (("a", 0, "0" * 12), ("b", 1, training_code("md2n"))):
        keep_terms(tmp_path / name, Terms(0))
        told = {"code": {"training": code, "measuring": "m"}}
        made = [replace(r, run=f"runs/made/md2n/seed-{seed}", settings=told) for r in rows(seed=seed)]
        append_results(tmp_path / name / "results.jsonl", made)
    assert not any("other code" in n for n in read_outcomes([tmp_path / "a"], quiet).notes)  # all of one older state
    assert any("other code" in n for n in read_outcomes([tmp_path / "a", tmp_path / "b"], quiet).notes)


def test_masks_are_the_benchmarks_own_or_the_runs(tmp_path: Path):
    out = tmp_path / "bench"
    keep_terms(out, Terms(0))
    place = "runs/made/md2n/seed-0"
    append_results(out / "results.jsonl", [replace(r, run=place, protocol="random@1") for r in rows()])
    assert read_outcomes([out], quiet).runs[0].masks == ""
    own = out / place / "masks-made-test.npz"
    own.parent.mkdir(parents=True)
    own.touch()
    assert read_outcomes([out], quiet).runs[0].masks == str(own)
    (out / "masks").mkdir()
    (out / "masks" / "made.npz").touch()
    assert read_outcomes([out], quiet).runs[0].masks == str(out / "masks" / "made.npz")


def test_folders_without_results_are_refused_with_the_next_step(tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RunError, match=r"is empty: it holds no results.*\n.*md2n benchmark"):
        read_outcomes([empty], quiet)
    keep_terms(empty, Terms(0))
    with pytest.raises(RunError, match=r"no run of the benchmark .* has results\n.*goes on"):
        read_outcomes([empty], quiet)
    failed = empty / "runs" / "made" / "md2n" / "seed-0.failed.json"
    failed.parent.mkdir(parents=True)
    failed.write_text("{")
    with pytest.raises(RunError, match="1 failed, the first: its record cannot be read"):
        read_outcomes([empty], quiet)
    with pytest.raises(RunError, match="there is no run folder"):
        read_outcomes([tmp_path / "absent"], quiet)


def test_a_folder_of_benchmarks_or_runs_names_what_to_give(tmp_path: Path):
    bench(tmp_path / "one")
    bench(tmp_path / "two")
    with pytest.raises(RunError, match=r"holds no results of its own\n.*/one .*/two"):
        read_outcomes([tmp_path], quiet)
    with pytest.raises(RunError, match=r"holds no results of its own\n.*seed-0 .*seed-1"):
        read_outcomes([tmp_path / "one" / "runs"], quiet)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").touch()
    with pytest.raises(RunError, match=r"holds no results\n.*a run or a benchmark"):
        read_outcomes([tmp_path / "notes"], quiet)


def test_another_version_of_a_protocol_is_refused(tmp_path: Path):
    out = bench(tmp_path / "bench")
    file = out / "results.jsonl"
    file.write_text(file.read_text().replace("fixed@1", "fixed@7", 2))
    with pytest.raises(DataError, match="measured under 'fixed@7', but this md2n measures 'fixed@1'"):
        read_outcomes([out], quiet)


def test_damaged_facts_of_a_benchmark_are_refused(tmp_path: Path):
    out = bench(tmp_path / "bench")
    (out / "benchmark.json").write_text("{}")
    with pytest.raises(RunError, match=r"benchmark\.json' cannot be read"):
        read_outcomes([out], quiet)
