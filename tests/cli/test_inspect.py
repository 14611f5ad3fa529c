"""``md2n inspect`` and ``md2n predict --distrust``."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from md2n.data.store import open_store, write_store
from tests.cli.commands import ask, refused


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_scores_and_ranks_of_what_is_there(capsys, md2n_run: Path, sixty: Path):
    said = ask(capsys, "inspect", md2n_run, "--data", sixty, "--split", "test", "--hide", "rows")
    assert said.code == 0
    rows = rows_of(said.out)
    assert len(rows) == 15
    assert {row["score_rows"] + row["p_rows"] for row in rows} == {""}
    assert all(float(row["score_edges"]) > 0 and 0 < float(row["p_edges"]) <= 1 for row in rows)
    assert "edges: of 15 samples" in said.err
    assert "the least p there is: 0.0625" in said.err


def test_a_foreign_modality_is_distrusted(capsys, md2n_run: Path, sixty: Path, tmp_path: Path):
    samples = open_store(sixty).select(np.arange(10))
    rows = samples.modalities["rows"]
    wrong = replace(rows, values=np.asarray(rows.values[::-1]) * 3 + 20)
    store = write_store(tmp_path / "wrong", replace(samples, modalities={**samples.modalities, "rows": wrong}))
    said = ask(capsys, "predict", md2n_run, "--data", store, "--distrust", "0.1")
    answers = rows_of(said.out)
    assert [row["distrusted"] for row in answers].count("rows") >= 8
    assert all(row["available"] == "edges+fourier+moments" for row in answers if row["distrusted"] == "rows")
    assert "samples have a modality that was distrusted" in said.err


def test_what_cannot_be_distrusted_is_refused(capsys, dropout: Path, md2n_run: Path, sixty: Path):
    refused(capsys, 2, "does not recover modalities", "inspect", dropout, "--data", sixty)
    refused(capsys, 2, "does not recover modalities", "predict", dropout, "--data", sixty, "--distrust", "0.1")
    refused(capsys, 2, "no probability", "predict", md2n_run, "--data", sixty, "--distrust", "2")
