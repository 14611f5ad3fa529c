"""Result rows: whole or not at all, with their provenance, of one protocol version."""

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import md2n
from md2n.errors import DataError, StorageError, UsageError
from md2n.evaluation.results import ResultRow, append_results, provenance, read_results

SOURCE = provenance(
    dataset="digits", split="test", data_checksum="d" * 64, model="md2n", config_hash="c" * 64, seed=3,
    protocol="fixed@1", run="runs/first", settings={"draws": 8},
)  # fmt: skip


def row(value: float = 0.5, **other: object) -> ResultRow:
    told = {"condition": "text+audio", "rate_requested": None, "rate_realised": 1 / 3, "n": 10, "metric": "accuracy"}
    return ResultRow.of(SOURCE, **(told | {"value": value} | other))


def never(message: str) -> None:
    raise AssertionError(message)


def test_rows_come_back_as_they_were_and_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.jsonl"
    append_results(path, [row(0.1), row(0.2, target="text")])
    append_results(path, [])
    append_results(path, [row(0.3)])
    assert read_results(path, never) == [row(0.1), row(0.2, target="text"), row(0.3)]
    assert path.read_text().count("\n") == 3


def test_provenance_is_complete() -> None:
    told = row()
    assert set(told.versions) >= {"torch", "numpy"}
    assert told.versions["numpy"][0].isdigit()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", told.created)
    assert abs(datetime.fromisoformat(told.created) - datetime.now(UTC)) < timedelta(hours=1)
    assert told.md2n_version
    assert told.seed == 3 and told.settings == {"draws": 8} and told.run == "runs/first"


def test_a_time_of_writing_that_is_known_is_recorded_as_it_is() -> None:
    arguments = {name: getattr(SOURCE, name) for name in ("dataset", "split", "data_checksum", "model", "config_hash")}
    known = "2025-01-01T00:00:00+00:00"
    source = provenance(**arguments, seed=3, protocol="fixed@1", run="runs/first", created=known)
    assert source.created == known


def test_the_commit_is_that_of_the_source_tree() -> None:
    here = Path(md2n.__file__)
    asked = ["git", "-C", str(here.parent)]
    try:
        tracked = subprocess.run([*asked, "ls-files", "--error-unmatch", here.name], capture_output=True)
        head = subprocess.run([*asked, "rev-parse", "HEAD"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    assert row().git_commit == (head.stdout.strip() if tracked.returncode == 0 else "")


def test_a_torn_last_line_is_reported_and_later_rows_are_safe(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append_results(path, [row(0.1), row(0.2)])
    path.write_bytes(path.read_bytes()[:-30])
    told: list[str] = []
    assert read_results(path, told.append) == [row(0.1)]
    assert "line 2 was cut" in told[0]
    append_results(path, [row(0.4)])
    assert read_results(path, told.append) == [row(0.1), row(0.4)]
    with pytest.warns(UserWarning, match="line 2 was cut"):
        read_results(path)


def test_another_version_of_a_protocol_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'fixed@2', but this md2n measures 'fixed@1'"):
        replace(row(), protocol="fixed@2")
    with pytest.raises(DataError, match="no protocol is called 'fixd@1'"):
        replace(row(), protocol="fixd@1")
    path = tmp_path / "results.jsonl"
    append_results(path, [row()])
    later = asdict(row()) | {"protocol": "fixed@2"}
    path.write_text(path.read_text() + json.dumps(later) + "\n")
    with pytest.raises(DataError, match=r"line 2: measured under 'fixed@2'"):
        read_results(path)


def test_lines_that_are_no_result_rows_are_refused_by_number(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    lacking = asdict(row())
    del lacking["n"]
    path.write_text(json.dumps(lacking) + "\n")
    with pytest.raises(DataError, match=r"line 1 is not a result row: n"):
        read_results(path)
    path.write_text(json.dumps(asdict(row()) | {"value": "high"}) + "\n")
    with pytest.raises(DataError, match="words where numbers belong"):
        read_results(path)
    for other in ({"n": 1.5}, {"seed": 0.5}, {"versions": {"torch": 2}}, {"versions": ["torch"]}, {"model": 3}):
        path.write_text(json.dumps(asdict(row()) | other) + "\n")
        with pytest.raises(DataError, match="line 1 holds fields of other kinds"):
            read_results(path)
    with pytest.raises(DataError, match="no results at"):
        read_results(tmp_path / "none.jsonl")


def test_a_number_is_a_number_and_a_path_is_relative() -> None:
    with pytest.raises(DataError, match="accuracy of 'md2n' under 'text\\+audio' is nan"):
        row(float("nan"))
    with pytest.raises(UsageError, match="absolute"):
        replace(SOURCE, run="/home/me/run")


def test_a_refused_write_says_so_and_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.jsonl"
    append_results(path, [row(0.1)])
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="No space left"):
        append_results(path, [row(0.2)])
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[: len(data) // 2]))
    with pytest.raises(StorageError, match=r"only \d+ of \d+ bytes"):
        append_results(path, [row(0.3)])
    monkeypatch.setattr(os, "write", real)
    assert read_results(path, [].append) == [row(0.1)]
    append_results(path, [row(0.4)])
    assert read_results(path, [].append) == [row(0.1), row(0.4)]


def test_measures_results_and_reports_do_not_import_torch() -> None:
    modules = ["evaluation.metrics", "evaluation.recovery", "evaluation.results", "evaluation.bias"]
    modules += ["report.tables", "report.figures", "report.render", "report.published", "report.compare"]
    code = "import sys\n" + "".join(f"import md2n.{m}\n" for m in modules)
    code += "print([m for m in ('torch', 'matplotlib', 'scipy', 'sklearn', 'jinja2') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
