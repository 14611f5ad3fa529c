"""One table, three writers: the same numbers, each escaped in its own way."""

import csv
import io
import re
from dataclasses import replace

import pytest

from md2n.report.table import Cell, Table, latex_escape, markdown_escape, rounded

NASTY = r"a|b_c & 50% *x* <b> $1 #2 {3} ~ ^ \n"
TABLE = Table(
    "nasty",
    "Title with 100% & more",
    ("method", NASTY, "seeds"),
    (
        (Cell("zero_fill"), Cell(value=78.05, deviation=0.25, best=True), Cell(value=5.0, digits=0)),
        (Cell("with, comma"), Cell(value=-1.26), Cell()),
    ),
    ("note & 5%",),
)


def test_markdown_has_one_cell_per_column_whatever_the_text() -> None:
    lines = TABLE.markdown().splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}
    assert rows[1] == "| --- | ---: | ---: |"
    assert rows[2] == "| zero_fill | **78.1 ± 0.3** | 5 |"
    assert rows[3] == "| with, comma | −1.3 | – |"
    assert lines[-1] == "- note & 5%"


def test_markdown_escapes_what_would_be_markup() -> None:
    assert markdown_escape("a|b *c* <b> `d` [e]") == r"a\|b \*c\* \<b\> \`d\` \[e\]"
    assert markdown_escape("zero_fill") == "zero_fill"
    assert markdown_escape("_x_ y_") == r"\_x\_ y\_"


def test_facts_are_for_programs_and_not_rounded() -> None:
    assert TABLE.facts() == {
        "name": "nasty",
        "title": TABLE.title,
        "rows": [
            {"method": "zero_fill", NASTY: {"mean": 78.05, "deviation": 0.25}, "seeds": 5.0},
            {"method": "with, comma", NASTY: -1.26, "seeds": None},
        ],
        "notes": ["note & 5%"],
    }


def test_csv_is_for_machines() -> None:
    rows = list(csv.reader(io.StringIO(TABLE.csv())))
    assert rows[0] == ["method", NASTY, f"{NASTY}: deviation", "seeds"]
    assert rows[1] == ["zero_fill", "78.05", "0.25", "5"]
    assert rows[2] == ["with, comma", "-1.26", "", ""]


def test_latex_escapes_every_sign_it_would_take_as_a_command() -> None:
    told = TABLE.latex()
    assert r"\caption{Title with 100\% \& more}" in told
    assert r"\textbf{78.1 $\pm$ 0.3}" in told
    assert r"zero\_fill" in told
    assert r"$-$1.3" in told
    assert r"\begin{tabular}{lrr}" in told
    body = [line for line in told.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {2}
    for sign in "&%#_":
        assert not re.search(rf"(?<!\\){sign}", latex_escape(NASTY))
    assert latex_escape("\\~^MD²N") == r"\textbackslash{}\textasciitilde{}\textasciicircum{}MD\textsuperscript{2}N"
    assert told.count("{") - told.count(r"\{") == told.count("}") - told.count(r"\}")


def test_latex_takes_no_sign_of_a_name_for_a_command() -> None:
    signs = {"$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
    signs |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "\\": r"\textbackslash{}"}
    for sign, escaped in signs.items():
        assert latex_escape(f"a{sign}b") == f"a{escaped}b"


@pytest.mark.parametrize(
    "value, digits, shown",
    [
        (78.05, 1, "78.1"),
        (-0.04, 1, "0.0"),
        (-2.5, 0, "−3"),
        (0.00001, 4, "< 0.0001"),
        (0.0, 4, "0.0000"),
        (float(10**6), 0, "1000000"),
    ],
)
def test_numbers_are_rounded_as_in_print(value: float, digits: int, shown: str) -> None:
    assert Cell(value=value, digits=digits).plain == shown


def test_rounding_keeps_halves_away_from_zero() -> None:
    assert [rounded(v, 1) for v in (0.25, 0.35, -0.25, 0.249)] == [0.3, 0.4, -0.3, 0.2]


def test_a_table_of_one_kind_of_columns_can_be_read_either_way() -> None:
    row = (Cell("m"), Cell(value=1.0, best=True), Cell(value=2.0), Cell(value=3.0))
    wide = Table("t", "title", ("method", "a", "b", "c"), (row,), ("note",), across="available")
    tall = wide.tall()
    assert tall.columns == ("available", "m")
    assert [[c.plain for c in r] for r in tall.rows] == [["a", "1.0"], ["b", "2.0"], ["c", "3.0"]]
    assert tall.rows[0][1].best and tall.notes == wide.notes and tall.tall() == tall
    assert replace(wide, across="").tall() == replace(wide, across="")
    full = replace(wide, rows=(row,) * 3)
    assert full.tall() == full
