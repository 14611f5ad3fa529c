"""Text of other people: seen as it is, run by nobody, and given back."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from md2n.escape import csv_cell, from_csv_cell, visible


@given(st.text())
@example("'=1")
@example("=a\\x41\x1b")
@example("\\x41\n")
def test_a_cell_gives_back_every_text(text: str) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(["first", csv_cell(text)])
    out.seek(0)
    ((_, cell),) = csv.reader(out)
    assert from_csv_cell(cell) == text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "'x", "\t=1", "a\x1b[2J", "\r", "x\u202e"])
def test_what_a_spreadsheet_or_a_terminal_would_obey_is_behind_an_apostrophe(text: str) -> None:
    assert csv_cell(text).startswith("'")
    assert csv_cell(text).isprintable()


@pytest.mark.parametrize("text", ["", "clip-1", "a=b", "C:\\clips\\1", "Zoë", "می‌خواهم", "a'b"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert csv_cell(text) == visible(text) == text


def test_line_breaks_stay_where_they_are_meant() -> None:
    assert visible("a\nb\x07", lines=True) == "a\nb\\x07"
    assert visible("a\nb\x07") == "a\\x0ab\\x07"
