"""The results store: what is read from folders and archives, what counts, and refusals that say what to do."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from md2n.errors import DataError, RunError
from md2n.evaluation.results import ResultRow, append_results, provenance
from md2n.experiment.costs import record_cost
from md2n.experiment.measuring import RESULTS
from md2n.experiment.plan import record_options
from md2n.experiment.results_store import Results, collect, read_archive, run_rows, write_archive
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
    (folder / "run.json").touch()
    return folder


def bench(out: Path) -> Path:
    """Two runs, one of them with a cost; one method that failed."""
    record_options(out, "--tune 4")
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
    assert results.notes == ["made: every method with --tune 4 (random trials beside its preset)."]


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
        collect([tmp_path], quiet)
    record_options(two, "--tune 0")
    with pytest.raises(DataError, match=r"rows on 'made' made with --tune 4 and --tune 0 do not compare"):
        collect([one, two], quiet)


def test_a_folder_of_benchmarks_or_runs_is_all_that_is_below_it(tmp_path: Path) -> None:
    bench(tmp_path / "one")
    for place in (tmp_path, tmp_path / "one" / "runs"):
        results = collect([place], quiet)
        assert ([r.seed for r in results.runs], len(results.failures)) == ([0, 1], 1)
        assert all((place / r.run / RESULTS).exists() for r in results.rows)
        assert results.notes == collect([tmp_path / "one"], quiet).notes


def test_masks_are_those_of_the_run(tmp_path: Path) -> None:
    folder = run(tmp_path, 0, [replace(r, protocol="random@1") for r in rows()])
    assert collect([tmp_path], quiet).runs[0].masks == ""
    (place := folder / "masks-made-test.npz").touch()
    assert collect([tmp_path], quiet).runs[0].masks == str(place)


def test_folders_without_results_are_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no results\n.*md2n benchmark"):
        collect([tmp_path], quiet)
    failed = tmp_path / "runs" / "made" / "md2n" / "seed-0.failed.json"
    failed.parent.mkdir(parents=True)
    failed.write_text("{")
    append_results(tmp_path / RESULTS, rows())  # an older md2n collected them there
    with pytest.raises(RunError, match="holds no results; 1 runs failed"):
        collect([tmp_path], quiet)
    assert len(collect([tmp_path / RESULTS], quiet).rows) == 2
    (tmp_path / RESULTS).unlink()
    (tmp_path / "run.json").touch()
    with pytest.raises(RunError, match="md2n evaluate"):
        collect([tmp_path], quiet)
    with pytest.raises(RunError, match="there is no run folder"):
        collect([tmp_path / "absent"], quiet)
    run(tmp_path, 1, rows())
    assert collect([tmp_path], quiet).failures[0].reason == "its record cannot be read"


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
