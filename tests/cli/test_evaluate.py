"""`md2n evaluate` without a report: what a benchmark asks for, which has one of all runs."""

import shutil
from pathlib import Path

from tests.cli.commands import ask


def test_without_a_report_the_tables_are_printed_all_the_same(capsys, dropout: Path):
    whole = ask(capsys, "evaluate", dropout)
    shutil.rmtree(dropout / "report")
    said = ask(capsys, "evaluate", dropout, "--no-report")
    assert (said.code, said.out) == (0, whole.out)
    assert "report" not in said.err and not (dropout / "report").exists()
