"""Tables on a terminal and in a pipe."""

import io
import re
import sys
from pathlib import Path

import pytest

from md2n.cli.output import print_line, print_table
from md2n.cli.progress import watch
from md2n.report.table import Cell, Table
from md2n.training.observer import EpochReport
from tests.project.sources import python_files

TABLE = Table("t", "a [bold] title", ("what", "n [s]"), ((Cell("x [red]"), Cell(value=1.5, best=True)),))
SETS = ("text+audio+vision", "text+audio", "text+vision", "audio+vision", "text", "audio", "vision")
PATTERNS = Table(
    "patterns",
    "mosi: ACC2, by available modalities",
    ("method", "mean of incomplete", "worst", *SETS),
    tuple(
        (Cell(name), *(Cell(value=10.0 * i + k, deviation=0.1, digits=1) for k in range(9)))
        for i, name in enumerate(("a method of a long name", "regression_fill", "md2n"))
    ),
    ("Mean over seeds ± deviation between runs; bold is the best here, of those that have all seeds.",),
    across="available",
)
WORDS = Table(
    "findings",
    "Findings",
    ("severity", "rule", "what", "next"),
    ((Cell("error"), Cell("DATA-NOT-FINITE"), Cell("a sentence of many words " * 6), Cell("averylongword" * 8)),),
)


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def coloured(monkeypatch: pytest.MonkeyPatch, table: Table, width: int) -> str:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    for name, value in (("TERM", "xterm"), ("COLUMNS", str(width)), ("FORCE_COLOR", "1")):
        monkeypatch.setenv(name, value)
    print_table(table)
    return terminal.getvalue()


def drawn(monkeypatch: pytest.MonkeyPatch, table: Table, width: int) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", coloured(monkeypatch, table, width))


def cells_of(shown: str) -> set[str]:
    """What is in the columns of every piece, without blanks, cells below one another joined."""
    found = set()
    for piece in shown.split("┏")[1:]:
        lines = [line.split("│")[1:-1] for line in piece.splitlines() if line.startswith("│")]
        found |= {"".join("".join(part.split()) for part in column) for column in zip(*lines, strict=True)}
    return found


def test_in_a_pipe_a_table_is_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(TABLE)
    assert capsys.readouterr().out == TABLE.markdown() + "\n"


@pytest.mark.parametrize("width", [40, 80])
def test_in_a_pipe_nothing_depends_on_the_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_table(PATTERNS)
    print_line("a sentence " * 20)
    lines = capsys.readouterr().out.splitlines()
    assert lines[4].startswith("| mean of incomplete |") and lines[5].startswith("| worst |")
    assert lines[-2] == "a sentence " * 20


def test_on_a_terminal_brackets_are_shown_and_the_best_is_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = coloured(monkeypatch, TABLE, 80)
    for text in ("a [bold] title", "n [s]", "x [red]"):
        assert text in shown
    assert "\x1b[1m  1.5" in shown


@pytest.mark.parametrize("width", [30, 40, 80, 200])
@pytest.mark.parametrize("table", [PATTERNS, WORDS, TABLE], ids=lambda t: t.name)
def test_no_line_is_longer_than_the_terminal_and_nothing_is_cut(
    monkeypatch: pytest.MonkeyPatch, table: Table, width: int
) -> None:
    shown = drawn(monkeypatch, table, width)
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    for cell in (c for row in table.rows for c in row if c.value is not None):
        assert cell.plain in shown  # a number is never broken
    if len(table.rows) == 1:  # words may go on in another line
        assert {"".join(cell.plain.split()) for cell in table.rows[0]} <= cells_of(shown)


def test_patterns_are_rows_and_the_mean_and_the_worst_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = drawn(monkeypatch, PATTERNS, 80).splitlines()
    rows = [line.split("│")[1].strip() for line in shown if line.startswith("│")]
    assert rows == ["mean of incomplete", "worst", *SETS]


def test_every_piece_of_a_broken_table_names_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = drawn(monkeypatch, PATTERNS, 40)
    assert shown.count("text+audio+vision") == 3
    assert shown.count("┏") == 3


def test_no_color_turns_colours_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown() -> set[int]:
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        with watch(Path("run")) as observer:
            observer.begin(0, 2)
            observer.epoch(
                EpochReport(
                    phase="train", epoch=1, step=1, steps=2, parts={"task": 1.0}, score=0.5, loss=0.5, best=True
                )
            )
        codes = ";".join(re.findall(r"\x1b\[([0-9;]+)m", terminal.getvalue() + coloured(monkeypatch, TABLE, 80)))
        return {int(code) for code in codes.split(";")}

    colours = {*range(30, 50), *range(90, 108)}
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert shown() & colours
    monkeypatch.setenv("NO_COLOR", "1")
    assert not shown() & colours


def test_whether_there_are_colours_is_left_to_the_environment() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in python_files("src"))
    assert set(re.findall(r"\bConsole\(.*?\)", text)) == {"Console()", "Console(stderr=True)"}
    assert not re.search(r"\b(secho|typer\.style)\b", text)
