"""``md2n explain``: columns that add up, empty cells, and a figure."""

import csv
import io
from pathlib import Path

import pytest

from tests.cli.commands import ask, refused


def test_the_columns_of_a_row_add_up_and_a_missing_modality_has_an_empty_cell(capsys, dropout: Path, sixty: Path):
    said = ask(capsys, "explain", dropout, "--data", sixty, "--split", "test", "--hide", "rows")
    assert said.code == 0
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert len(rows) == 15
    for row in rows:
        assert row["adds_rows"] == ""
        parts = [float(row[name]) for name in ("baseline", "adds_edges", "adds_fourier", "adds_moments")]
        assert sum(parts) == pytest.approx(float(row["value"]), abs=1e-5)
    assert "edges: adds " in said.err
    assert "rows: adds " not in said.err
    predicted = ask(capsys, "predict", dropout, "--data", sixty, "--split", "test", "--hide", "rows").out
    assert [r["prediction"] for r in rows] == [r["prediction"] for r in csv.DictReader(io.StringIO(predicted))]


def test_a_figure_and_a_file(capsys, dropout: Path, sixty: Path, tmp_path: Path):
    pytest.importorskip("matplotlib", reason="extra 'plot'")
    out, plot = tmp_path / "c.csv", tmp_path / "c.svg"
    said = ask(capsys, "explain", dropout, "--data", sixty, "--split", "valid", "--out", out, "--plot", plot)
    assert (said.code, said.out) == (0, "")
    assert out.read_text().startswith("id,prediction,value,baseline,adds_rows,")
    assert plot.read_text().startswith("<?xml")


def test_a_figure_of_another_kind_is_refused_before_the_work(capsys, dropout: Path, sixty: Path):
    refused(capsys, 2, "a figure cannot be written to 'c.pdf'", "explain", dropout, "--data", sixty, "--plot", "c.pdf")
