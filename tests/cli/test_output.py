"""Tables on a terminal and in a pipe."""

import io
import sys

import pytest

from md2n.cli.output import print_table
from md2n.report.table import Cell, Table

TABLE = Table("t", "a [bold] title", ("what", "n [s]"), ((Cell("x [red]"), Cell(value=1.5, best=True)),))


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def test_in_a_pipe_a_table_is_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(TABLE)
    assert capsys.readouterr().out == TABLE.markdown() + "\n"


def test_on_a_terminal_brackets_are_shown_and_the_best_is_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    for name, value in (("TERM", "xterm"), ("COLUMNS", "80"), ("FORCE_COLOR", "1")):
        monkeypatch.setenv(name, value)
    print_table(TABLE)
    shown = terminal.getvalue()
    for text in ("a [bold] title", "n [s]", "x [red]"):
        assert text in shown
    assert "\x1b[1m  1.5" in shown
