"""The tables and figures of a report folder, as ``md2n report`` writes them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from md2n.brief import brief
from md2n.errors import UsageError
from md2n.reading import read_bytes, read_text

MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}
BESIDE = re.compile(r"(?<!\\)\|")  # between two cells


@dataclass(frozen=True)
class Report:
    """A report that was read.

    Args:
        tables: each with name, title, columns, rows and notes.
        figures: file name -> what it holds; an SVG where there is one, else a PNG.
    """

    tables: list[dict[str, Any]]
    figures: dict[str, bytes]

    __repr__ = brief


def read_report(folder: Path) -> Report:
    """The report in a folder.

    Raises:
        UsageError: there is none.
        DataError: a file of it cannot be read.
    """
    tables = sorted((folder / "tables").glob("*.md"))
    if not tables:
        raise UsageError(f"'{folder}' holds no report", f"make one: md2n report RUN --out {folder}")
    pictures = {p.stem: p for suffix in (".png", ".svg") for p in sorted((folder / "figures").glob(f"*{suffix}"))}
    figures = {p.name: read_bytes(p) for p in sorted(pictures.values())}
    return Report([_table(path.stem, read_text(path)) for path in tables], figures)


def _table(name: str, text: str) -> dict[str, Any]:
    """A Markdown table with its title above and its notes below."""
    lines = text.splitlines()
    rows = [_cells(line) for line in lines if line.startswith("|")]
    title = next((line.strip("* ") for line in lines if line.startswith("**")), name)
    notes = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    head, marks, body = rows[0] if rows else [], rows[1] if len(rows) > 1 else [], rows[2:]
    return {
        "name": name,
        "title": title,
        "columns": head,
        "numeric": [mark.endswith(":") for mark in marks],
        "rows": body,
        "notes": notes,
    }


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in BESIDE.split(line.strip().strip("|"))]
