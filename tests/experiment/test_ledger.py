"""The benchmark's results file: every measuring once, nothing rewritten, what was made again takes over when read."""

import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from md2n.errors import DataError
from md2n.evaluation.results import ResultRow, append_results, provenance, read_results
from md2n.experiment.ledger import RESULTS, Ledger, read_ledger


def rows(value: float = 0.5, seed: int = 0, **other: str) -> list[ResultRow]:
    told = {"config_hash": "c" * 12, "data_checksum": "d" * 16, "created": "2025-01-01T00:00:00+00:00"} | other
    source = provenance(dataset="made", split="test", model="md2n", seed=seed, protocol="fixed@1", run=".", **told)
    return [
        ResultRow.of(source, condition=c, rate_requested=None, rate_realised=0.5, n=9, metric="accuracy", value=value)
        for c in ("a", "b")
    ]


def run(out: Path, seed: int, measured: list[ResultRow]) -> Path:
    folder = out / "runs" / "made" / "md2n" / f"seed-{seed}"
    append_results(folder / RESULTS, measured)
    return folder


def test_rows_say_which_run_they_are_of_and_come_once(tmp_path: Path):
    first, second = run(tmp_path, 0, rows()), run(tmp_path, 1, rows(0.7, seed=1))
    ledger = Ledger(tmp_path)
    assert [ledger.add(first), ledger.add(second), ledger.add(first)] == [2, 2, 0]
    assert Ledger(tmp_path).add(first) == 0  # another process, after an interruption
    found = read_results(tmp_path / RESULTS)
    assert {r.run for r in found} == {"runs/made/md2n/seed-0", "runs/made/md2n/seed-1"}
    assert [replace(r, run=".") for r in found] == rows() + rows(0.7, seed=1)


def test_what_is_measured_later_is_appended_and_nothing_rewritten(tmp_path: Path):
    folder = run(tmp_path, 0, rows())
    Ledger(tmp_path).add(folder)
    before = (tmp_path / RESULTS).read_bytes()
    append_results(folder / RESULTS, rows(0.9, created="2025-01-02T00:00:00+00:00"))
    assert Ledger(tmp_path).add(folder) == 2
    assert (tmp_path / RESULTS).read_bytes().startswith(before)


def test_a_measuring_of_which_a_part_was_lost_is_appended_again(tmp_path: Path):
    folder = run(tmp_path, 0, rows())
    append_results(tmp_path / RESULTS, [replace(rows()[0], run="runs/made/md2n/seed-0")])
    assert Ledger(tmp_path).add(folder) == 2


def test_a_run_made_again_with_other_settings_takes_over(tmp_path: Path):
    folder = run(tmp_path, 0, rows())
    other = run(tmp_path, 1, rows(seed=1))
    for place in (folder, other):
        Ledger(tmp_path).add(place)
    (folder / RESULTS).unlink()
    run(tmp_path, 0, rows(0.8, config_hash="e" * 12))
    Ledger(tmp_path).add(folder)
    told: list[str] = []
    kept = read_ledger(tmp_path, told.append)
    assert [(r.seed, r.config_hash[0], r.value) for r in kept] == [(1, "c", 0.5)] * 2 + [(0, "e", 0.8)] * 2
    assert told == ["2 rows of runs that were made again since are left out"]
    assert len(read_results(tmp_path / RESULTS)) == 6


def test_another_version_of_a_protocol_is_refused_until_it_is_measured_again(tmp_path: Path):
    folder = run(tmp_path, 0, rows())
    Ledger(tmp_path).add(folder)
    for file in (tmp_path / RESULTS, folder / RESULTS):
        file.write_text(file.read_text().replace("fixed@1", "fixed@0"))
    assert Ledger(tmp_path).add(folder) == 0
    said = (
        rf"'{tmp_path / RESULTS}', line 1: measured under 'fixed@0', but this md2n measures 'fixed@1'\n.*md2n benchmark"
    )
    with pytest.raises(DataError, match=said):
        read_ledger(tmp_path, warnings.warn)
    append_results(folder / RESULTS, rows(0.9))
    assert Ledger(tmp_path).add(folder) == 2
    assert [r.value for r in read_ledger(tmp_path, lambda text: None)] == [0.9, 0.9]


def test_what_is_no_result_row_is_refused(tmp_path: Path):
    (tmp_path / RESULTS).write_text("[1]\n")
    with pytest.raises(DataError, match="line 1 is not a result row"):
        Ledger(tmp_path)
    with pytest.raises(DataError, match="line 1 is not a result row"):
        read_ledger(tmp_path, warnings.warn)


def test_a_run_without_results_adds_nothing(tmp_path: Path):
    assert Ledger(tmp_path).add(tmp_path / "runs" / "made" / "md2n" / "seed-0") == 0
    assert not (tmp_path / RESULTS).exists()
