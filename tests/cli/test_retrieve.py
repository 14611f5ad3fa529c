"""``md2n retrieve``: rows, measures, comparison, and refusals."""

import csv
import io
from pathlib import Path

from tests.cli.commands import ask, refused

ACROSS = ("--query-hide", "edges", "--query-hide", "fourier", "--query-hide", "moments", "--index-hide", "rows")


def test_rows_and_measures(capsys, md2n_run: Path, sixty: Path, tmp_path: Path):
    sides = ("--query", sixty, "--index", sixty, "--split", "test", *ACROSS)
    said = ask(capsys, "retrieve", md2n_run, *sides, "--count", "3", "--compare")
    assert said.code == 0
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert len(rows) == 45
    assert [row["place"] for row in rows[:3]] == ["1", "2", "3"]
    assert float(rows[0]["distance"]) <= float(rows[1]["distance"]) <= float(rows[2]["distance"])
    for name in ("MD2N", "zero_fill", "ridge"):
        assert f"{name}: recall@1 " in said.err
    assert "shared modalities" not in said.err
    again = ask(capsys, "retrieve", md2n_run, *sides, "--count", "3", "--out", tmp_path / "nearest.csv")
    assert (again.code, again.out) == (0, "")
    assert (tmp_path / "nearest.csv").read_text() == said.out


def test_sides_without_a_common_modality_are_refused_where_nothing_is_recovered(capsys, dropout: Path, sixty: Path):
    sides = ("--query", sixty, "--index", sixty, *ACROSS)
    refused(capsys, 3, "no modality in common", "retrieve", dropout, *sides)
