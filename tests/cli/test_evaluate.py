"""`md2n evaluate` without a report: what a benchmark asks for, which has one of all runs."""

import shutil
from pathlib import Path

import numpy as np

from md2n.data.readers.arrays import from_arrays
from md2n.data.store import write_store
from tests.cli.commands import ask


def test_inside_says_where_no_number_can_be_hidden(capsys, tmp_path: Path):
    rng = np.random.default_rng(0)
    features = {"a": rng.normal(size=(60, 1)), "b": rng.normal(size=(60, 3))}
    splits = ["train", "valid", "test"] * 20
    write_store(tmp_path / "store", from_arrays(features, rng.normal(size=60), splits=splits))
    sets = (w for s in ("trainer.steps=2", "trainer.validations=1") for w in ("--set", s))
    run = tmp_path / "run"
    trained = ask(capsys, "train", "--data", tmp_path / "store", "--model", "majority", "--out", run, *sets)
    assert trained.code == 0, trained.err
    said = ask(capsys, "evaluate", run, "--protocol", "inside", "--no-report")
    assert "inside: a: one number a frame, of which none is hidden" in said.err


def test_without_a_report_the_tables_are_printed_all_the_same(capsys, dropout: Path):
    whole = ask(capsys, "evaluate", dropout)
    shutil.rmtree(dropout / "report")
    said = ask(capsys, "evaluate", dropout, "--no-report")
    assert (said.code, said.out) == (0, whole.out)
    assert "report" not in said.err and not (dropout / "report").exists()
