"""Sections of a report, and the folder they are written to: tables in three forms, figures in two, one page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from md2n.brief import brief
from md2n.report import style
from md2n.report.files import remove_others, write_whole
from md2n.report.page import filled
from md2n.report.table import Table


@dataclass(frozen=True)
class Picture:
    """A figure on the page: its file name, what it shows in words, and the drawing."""

    name: str
    caption: str
    figure: style.Figure


@dataclass
class Section:
    """What a report says of one data set and split."""

    dataset: str
    split: str
    facts: list[str] = field(default_factory=list)
    verdict: str = ""
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    runs: Table | None = None
    commands: list[str] = field(default_factory=list)

    __repr__ = brief

    @property
    def name(self) -> str:
        """Anchor on the page and beginning of file names."""
        plain = self.dataset if self.split == "test" else f"{self.dataset}-{self.split}"
        return re.sub(r"[^A-Za-z0-9_-]+", "-", plain)

    def name_tables(self) -> None:
        """A table's name is its files' and its LaTeX label: made unique in the whole report."""
        self.tables = [replace(t, name=f"{self.name}-{t.name}") for t in self.tables]
        self.runs = None if self.runs is None else replace(self.runs, name=f"{self.name}-{self.runs.name}")

    @property
    def every_table(self) -> list[Table]:
        """Those of the numbers, and that of the runs."""
        return self.tables + ([] if self.runs is None else [self.runs])


def write_sections(
    folder: Path, title: str, sections: Sequence[Section], others: Sequence[Table], files: Mapping[str, str]
) -> Path:
    """Writes the tables and figures of sections, other files beside them, and the page; removes what was before.

    Args:
        folder: made if absent.
        title: of the page.
        sections: their tables have names that are unique.
        others: tables at the end of the page, on where the numbers come from.
        files: name -> text.

    Returns:
        Path of ``index.html``.

    Raises:
        StorageError: a file could not be written.
    """
    written = [write_whole(folder / name, text) for name, text in files.items()]
    drawings: dict[tuple[str, str], str] = {}
    for section in sections:
        for picture in section.pictures:
            name = f"{section.name}-{picture.name}"
            drawn, small = style.save(picture.figure, folder / "figures", name)
            written += [drawn, small]
            drawings[section.name, picture.name] = inline_svg(drawn.read_text(encoding="utf-8"), f"{name}-")
    for table in [*(t for section in sections for t in section.every_table), *others]:
        forms = {"md": table.markdown(), "csv": table.csv(), "tex": table.latex()}
        written += [write_whole(folder / "tables" / f"{table.name}.{end}", text) for end, text in forms.items()]
    page = write_whole(folder / "index.html", _page(title, sections, drawings, others, style.undrawable()))
    remove_others(folder, [*written, page])
    return page


def inline_svg(document: str, prefix: str) -> str:
    """An SVG document as an element of a page: no prologue, no metadata, its ids made its own by ``prefix``."""
    element = document[document.index("<svg") :]
    element = re.sub(r"\s*<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'(\bid=")', rf"\g<1>{prefix}", element)
    element = re.sub(r'(\bhref="#|url\(#)', rf"\g<1>{prefix}", element)
    return element.strip()


def _page(
    title: str,
    sections: Sequence[Section],
    drawings: dict[tuple[str, str], str],
    others: Sequence[Table],
    left_out: str,
) -> str:
    return filled("page.html", title=title, sections=sections, drawings=drawings, others=others, left_out=left_out)
