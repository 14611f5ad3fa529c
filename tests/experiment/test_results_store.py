"""The results store: what is read from folders and archives, what counts, and refusals that say what to do."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from md2n.errors import DataError, RunError
from md2n.evaluation.results import ResultRow, append_results, provenance
from md2n.experiment.costs import record_cost
from md2n.experiment.measuring import RESULTS
from md2n.experiment.results_store import Results, collect, read_archive, run_rows, write_archive
from md2n.experiment.terms import Terms, record_terms
from md2n.report.runs import Failure, RunFacts


def quiet(text: str) -> None:
    pass


def rows(value: float = 0.5, seed: int = 0, dataset: str = "made", **other: object) -> list[ResultRow]:
    facts = {"config_hash": "c" * 12, "data_checksum": "d" * 16, "created": "2025-01-01T00:00:00+00:00"} | other
    source = provenance(dataset=dataset, split="test", model="md2n", seed=seed, protocol="fixed@1", run=".", **facts)
    return [
        ResultRow.of(source, condition=c, rate_requested=None, rate_realised=0.5, n=9, metric="accuracy", value=value)
        for c in ("a", "b")
    ]


def run(out: Path, seed: int, measured: list[ResultRow]) -> Path:
    folder = out / "runs" / "made" / "md2n" / f"seed-{seed}"
    append_results(folder / RESULTS, measured)
    return folder


def bench(out: Path) -> Path:
    """Two runs, one of them with a cost; one method that failed."""
    record_terms(out, Terms(4))
    for seed in (0, 1):
        record_cost(run(out, seed, rows(seed=seed)), {"parameters": 5 + seed})
    failed = out / "runs" / "made" / "zero_fill" / "seed-3.failed.json"
    failed.parent.mkdir(parents=True)
    failed.write_text(json.dumps({"reason": "error: the loss is nan", "next": "a smaller step", "said": "..."}))
    return out


def test_rows_runs_failures_and_the_budget_of_a_benchmark(tmp_path: Path) -> None:
    results = collect([bench(tmp_path / "bench")], quiet)
    assert [(r.run, r.seed) for r in results.rows[::2]] == [(f"runs/made/md2n/seed-{s}", s) for s in (0, 1)]
    assert [(Path(r.folder).name, r.cost) for r in results.runs] == [
        ("seed-0", {"parameters": 5}), ("seed-1", {"parameters": 6}),
    ]  # fmt: skip
    assert Path(results.runs[0].folder).is_dir()
    (failure,) = results.failures
    assert (failure.dataset, failure.model, failure.seed) == ("made", "zero_fill", 3)
    assert failure.reason == "the loss is nan; next: a smaller step"
    assert results.notes == [f"Search budget, the same for every method: {Terms(4).words}."]


def test_runs_are_in_the_order_of_seeds_and_folders_that_were_set_aside_do_not_count(tmp_path: Path) -> None:
    out = bench(tmp_path / "bench")
    run(out, 10, rows(seed=10))
    run(out, 2, rows(seed=2)).rename(out / "runs" / "made" / "md2n" / "seed-2.aside-1")
    assert [r.seed for r in collect([out], quiet).runs] == [0, 1, 10]


def test_single_runs_beside_a_benchmark_and_places_that_are_given_twice(tmp_path: Path) -> None:
    one, single = bench(tmp_path / "one"), run(tmp_path / "elsewhere", 7, rows(seed=7))
    results = collect([one, single, single / RESULTS, one, one / "runs" / "made" / "md2n" / "seed-0"], quiet)
    assert sorted(r.seed for r in results.runs) == [0, 1, 7]
    assert len(results.failures) == 1


def test_of_a_measurement_the_last_version_counts(tmp_path: Path) -> None:
    folder = run(tmp_path, 0, rows(0.5) + [replace(r, split="valid") for r in rows(0.4)])
    for other in ({"data_checksum": "e" * 16}, {"settings": {"code": {"measuring": "m2"}}}):
        append_results(folder / RESULTS, rows(0.9, **other))
        heard: list[str] = []
        assert {(r.split, r.value) for r in run_rows(folder / RESULTS, heard.append)} == {("test", 0.9), ("valid", 0.4)}
        assert "rows that were measured again since are left out" in heard[0]


def test_another_version_of_a_protocol_is_refused_until_it_is_measured_again(tmp_path: Path) -> None:
    out = bench(tmp_path / "bench")
    file = out / "runs" / "made" / "md2n" / "seed-0" / RESULTS
    file.write_text(file.read_text().replace("fixed@1", "fixed@7"))
    with pytest.raises(DataError, match=r"under 'fixed@7', but this md2n measures 'fixed@1'\n.*md2n benchmark"):
        collect([out], quiet)
    append_results(file, rows(0.9))
    assert {r.value for r in collect([out], quiet).rows if r.seed == 0} == {0.9}


def test_what_is_no_result_row_is_refused(tmp_path: Path) -> None:
    folder = run(tmp_path, 0, rows())
    (folder / RESULTS).write_text("[1]\n")
    with pytest.raises(DataError, match="line 1 is not a result row"):
        collect([folder], quiet)


def test_benchmarks_of_two_budgets_and_a_run_in_two_folders_are_refused(tmp_path: Path) -> None:
    one, two = bench(tmp_path / "one"), bench(tmp_path / "two")
    with pytest.raises(DataError, match="seed 0 of md2n on 'made' is in two folders"):
        collect([one, two], quiet)
    (two / "benchmark.json").write_text(json.dumps({"format": 1, "tune": 0}))
    with pytest.raises(DataError, match=r"rows on 'made' made in two ways .*one: --tune 4, .*two: --tune 0"):
        collect([one, two], quiet)


def test_terms_of_several_benchmarks_are_named_by_data_set(tmp_path: Path) -> None:
    record_terms(two := tmp_path / "two", Terms(0, sets=("trainer.epochs=1",)))
    append_results(two / "runs" / "other" / "md2n" / "seed-0" / RESULTS, rows(dataset="other"))
    assert collect([bench(tmp_path / "one"), two], quiet).notes == [
        f"Search budget on made, the same for every method: {Terms(4).words}.",
        "Search budget on other, the same for every method: presets, no search; in every run trainer.epochs=1.",
    ]


def test_masks_are_the_benchmarks_own_or_the_runs(tmp_path: Path) -> None:
    record_terms(out := tmp_path / "bench", Terms(0))
    folder = run(out, 0, [replace(r, protocol="random@1") for r in rows()])
    assert collect([out], quiet).runs[0].masks == ""
    for place in (folder / "masks-made-test.npz", out / "masks" / "made.npz"):
        place.parent.mkdir(exist_ok=True)
        place.touch()
        assert collect([out], quiet).runs[0].masks == str(place)


def test_folders_without_results_are_refused_with_the_next_step(tmp_path: Path) -> None:
    (empty := tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"is empty: it holds no results.*\n.*md2n benchmark"):
        collect([empty], quiet)
    record_terms(empty, Terms(0))
    with pytest.raises(RunError, match=r"no run of the benchmark .* has results\n.*goes on"):
        collect([empty], quiet)
    failed = empty / "runs" / "made" / "md2n" / "seed-0.failed.json"
    failed.parent.mkdir(parents=True)
    failed.write_text("{")
    append_results(empty / RESULTS, rows())  # an older md2n collected them there
    with pytest.raises(RunError, match=r"1 failed, the first: its record cannot be read\n.*md2n report .*results"):
        collect([empty], quiet)
    assert len(collect([empty / RESULTS], quiet).rows) == 2
    with pytest.raises(RunError, match="there is no run folder"):
        collect([tmp_path / "absent"], quiet)
    (empty / "benchmark.json").write_text("{}")
    run(empty, 0, rows())
    with pytest.raises(RunError, match=r"benchmark\.json' cannot be read"):
        collect([empty], quiet)


def test_a_folder_of_benchmarks_or_runs_names_what_to_give(tmp_path: Path) -> None:
    bench(tmp_path / "one")
    with pytest.raises(RunError, match=r"holds no results of its own\n.*/one"):
        collect([tmp_path], quiet)
    with pytest.raises(RunError, match=r"holds no results of its own\n.*seed-0 .*seed-1"):
        collect([tmp_path / "one" / "runs"], quiet)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").touch()
    with pytest.raises(RunError, match=r"holds no results\n.*a run or a benchmark"):
        collect([tmp_path / "notes"], quiet)


def test_an_archive_reads_back_equal_and_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    runs = [RunFacts("", "made", "md2n", "c" * 12, 0, "", cost={"parameters": 3}, scores={"mae": {7: 0.5}})]
    results = Results(rows(1 / 3, settings={"masks": "m"}), runs, [Failure("made", "icdn", 1, "refused", "")])
    for name in ("a.json.xz", "b.json.xz"):
        write_archive(tmp_path / name, results)
    assert (tmp_path / "a.json.xz").read_bytes() == (tmp_path / "b.json.xz").read_bytes()
    assert read_archive(tmp_path / "a.json.xz") == collect([tmp_path / "b.json.xz"], quiet) == results


def test_a_damaged_archive_and_one_of_another_format_are_refused(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "a.json.xz"
    monkeypatch.setattr("md2n.experiment.results_store.FORMAT", 2)
    write_archive(file, Results(rows()))
    monkeypatch.undo()
    with pytest.raises(DataError, match=r"is of format 2\n.*reads format 1"):
        read_archive(file)
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"a\.json\.xz' cannot be read"):
        read_archive(file)
