"""One table, four ways to write it: Markdown, CSV, LaTeX, and cells for the HTML page.

A table holds numbers, not text: every writer rounds, escapes and marks the best in its own way, so they cannot differ
in what they say.
"""

import csv
import io
import math
import re
from dataclasses import dataclass, replace
from typing import Any

from md2n.brief import brief
from md2n.escape import csv_cell, visible

# What LaTeX would take as a command, and the few signs that its plain font does not have.
LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "²": r"\textsuperscript{2}",
    "±": r"$\pm$",
    "−": r"$-$",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "–": "--",
    "\n": " ",
}


@dataclass(frozen=True)
class Cell:
    """One cell: words, a number, or nothing.

    Args:
        text: shown where ``value`` is None.
        value: shown with ``digits`` decimals.
        deviation: sample standard deviation, shown after ±; None where there is none (one seed).
        digits: decimals.
        best: printed bold.
        mark: printed after a number: what it is not to be taken for.
    """

    text: str = ""
    value: float | None = None
    deviation: float | None = None
    digits: int = 1
    best: bool = False
    mark: str = ""

    @property
    def plain(self) -> str:
        """The cell as bare text; a dash where it is empty."""
        if self.value is None:
            return self.text or "–"
        shown = _shown(self.value, self.digits)
        shown += "" if self.deviation is None else f" ± {_shown(self.deviation, self.digits)}"
        return f"{shown} {self.mark}" if self.mark else shown


@dataclass(frozen=True)
class Table:
    """Rows of cells under named columns.

    Args:
        name: of its files: lower-case words joined by ``-``.
        title: its caption.
        columns: heads; the first column names the rows.
        rows: each as long as ``columns``.
        notes: what has to be known to read it.
        across: what the columns after the first are, where they are all of one kind (``available``); such a table can
            be read either way.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    across: str = ""

    __repr__ = brief

    def tall(self) -> "Table":
        """The same cells with columns as rows, where that makes fewer columns and the table can be read either way."""
        if not self.across or len(self.rows) >= len(self.columns) - 1:
            return self
        heads = tuple(row[0].plain for row in self.rows)
        rows = tuple((Cell(head), *(row[i] for row in self.rows)) for i, head in enumerate(self.columns) if i)
        return replace(self, columns=(self.across, *heads), rows=rows)

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers (set flush right)."""
        return tuple(any(row[i].value is not None for row in self.rows) for i in range(len(self.columns)))

    def facts(self) -> dict[str, Any]:
        """The table for a program: a number as it was measured, with its deviation where it has one, else text."""

        def fact(cell: Cell) -> Any:
            if cell.value is None:
                return cell.text or None
            return cell.value if cell.deviation is None else {"mean": cell.value, "deviation": cell.deviation}

        rows = [{head: fact(cell) for head, cell in zip(self.columns, row)} for row in self.rows]
        return {"name": self.name, "title": self.title, "rows": rows, "notes": list(self.notes)}

    def markdown(self) -> str:
        """A GitHub table under its title in bold; notes as a list below."""
        rule = ["---:" if numeric else "---" for numeric in self.numeric]
        lines = [f"**{markdown_escape(self.title)}**", ""]
        lines.append(_line([markdown_escape(c) for c in self.columns]))
        lines.append(_line(rule))
        for row in self.rows:
            lines.append(_line([_bold(markdown_escape(c.plain), "**", "**", c.best) for c in row]))
        if self.notes:
            lines += ["", *(f"- {markdown_escape(note)}" for note in self.notes)]
        return "\n".join(lines) + "\n"

    def csv(self) -> str:
        """Numbers at full precision, deviations in columns of their own, nothing else: for machines."""
        deviating = [any(row[i].deviation is not None for row in self.rows) for i in range(len(self.columns))]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        heads: list[str] = []
        for column, twice in zip(self.columns, deviating):
            heads += [csv_cell(column), csv_cell(f"{column}: deviation")] if twice else [csv_cell(column)]
        writer.writerow(heads)
        for row in self.rows:
            cells: list[str | float] = []
            for cell, twice in zip(row, deviating):
                whole = cell.value is not None and cell.digits == 0
                cells.append(csv_cell(cell.text) if cell.value is None else round(cell.value) if whole else cell.value)
                if twice:
                    cells.append("" if cell.deviation is None else cell.deviation)
            writer.writerow(cells)
        return out.getvalue()

    def latex(self) -> str:
        """A ``table`` float for the ``booktabs`` package."""
        spec = "".join("r" if numeric else "l" for numeric in self.numeric)
        lines = [r"\begin{table}", r"  \centering", f"  \\caption{{{latex_escape(self.title)}}}"]
        lines += [f"  \\label{{tab:{self.name}}}", f"  \\begin{{tabular}}{{{spec}}}", r"    \toprule"]
        lines.append("    " + " & ".join(map(latex_escape, self.columns)) + r" \\")
        lines.append(r"    \midrule")
        for row in self.rows:
            cells = [_bold(latex_escape(c.plain), r"\textbf{", "}", c.best) for c in row]
            lines.append("    " + " & ".join(cells) + r" \\")
        lines += [r"    \bottomrule", r"  \end{tabular}"]
        lines += [f"  \\par\\smallskip\\footnotesize {latex_escape(note)}" for note in self.notes]
        return "\n".join([*lines, r"\end{table}"]) + "\n"


def markdown_escape(text: str) -> str:
    """Text as it stands, whatever Markdown or HTML would make of it; ``zero_fill`` keeps its plain underscore."""
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text)  # elsewhere it is itself
    text = re.sub(r"([\\`*<>\[\]|~])", r"\\\1", visible(text.replace("\n", " ")))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)


def latex_escape(text: str) -> str:
    """Text as it stands, whatever LaTeX would make of it."""
    return "".join(LATEX.get(c, c) for c in text)


def rounded(value: float, digits: int) -> float:
    """To ``digits`` decimals, halves away from zero as in print, though 78.05 is a little less in binary."""
    return round(value + math.copysign(1e-9, value), digits)


def _shown(value: float, digits: int) -> str:
    number = rounded(value, digits)
    if number == 0 and value > 0 and digits >= 4:  # a p-value is never 0
        return f"< {10.0**-digits:.{digits}f}"
    return f"{abs(number):.{digits}f}" if number == 0 else f"{number:.{digits}f}".replace("-", "−")


def _bold(text: str, opening: str, closing: str, bold: bool) -> str:
    return f"{opening}{text}{closing}" if bold else text


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
