"""Tables of frames, a row per frame: where the header is, which cells are numbers.

Programs differ in what they put before the header (iMotions: facts about the study), in the separator, and in spaces
around names (OpenFace).  An empty cell, ``nan`` and ``NA`` mean that nothing was measured.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from md2n.data.readers.csd import Track
from md2n.data.readers.files import require_file, what_is
from md2n.data.readers.timed import ClipFrames, track_of
from md2n.data.samples import Array
from md2n.errors import DataError

HEADER_WITHIN = 60
SEPARATORS = ",;\t"
MARKS = frozenset({"timestamp", "frame", "frametime", "mediatime", "approx_time", "facescore", "start_s", "word"})
NOTHING = frozenset({"", "na", "n/a", "none", "null", "-nan(ind)", "nan(ind)", "#n/a"})
SPAN = ("start_s", "end_s")
WORD = "word"
ABSENT = "take the file away if the clip lacks this modality, or export it again"


@dataclass(frozen=True)
class Table:
    """A table of text cells.

    Args:
        path: the file.
        header: names of the columns, stripped.
        rows: stripped cells, as many in each as the header has.
        lines: line of the file on which each row stands.
    """

    path: Path
    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]

    def find(self, *names: str) -> int | None:
        """Position of the first of these columns that is there, whatever its case."""
        lower = [h.lower() for h in self.header]
        return next((lower.index(n) for n in names if n in lower), None)

    def matching(self, pattern: re.Pattern[str]) -> list[int]:
        """Positions of the columns whose whole name matches, in the file's order."""
        return [i for i, name in enumerate(self.header) if pattern.fullmatch(name)]

    def numbers(self, columns: Sequence[int]) -> Array:
        """``[T, len(columns)]`` float64, NaN where nothing was measured.

        Raises:
            DataError: a cell is no number; the message names line and column.
        """
        chosen = [[row[i] for i in columns] for row in self.rows]
        try:
            return np.array(chosen, dtype=np.float64).reshape(len(chosen), len(columns))
        except ValueError:
            pass  # some cell is empty or no number: each is looked at
        values = np.full((len(chosen), len(columns)), np.nan)
        for t, row in enumerate(chosen):
            for i, cell in enumerate(row):
                if cell.lower() not in NOTHING:
                    values[t, i] = self._number(cell, t, columns[i])
        return values

    def _number(self, cell: str, row: int, column: int) -> float:
        try:
            return float(cell)
        except ValueError as error:
            comma = "; decimals need a point, not a comma" if re.fullmatch(r"-?\d+,\d+", cell) else ""
            raise DataError(
                f"'{self.path}', line {self.lines[row]}, column '{self.header[column]}' holds '{cell}', which is no "
                "number",
                f"leave the cell empty where nothing was measured{comma}",
            ) from error


def open_table(path: Path) -> Table:
    """A table separated by commas, semicolons or tabs.

    Raises:
        DataError: missing, empty, no text, without a row, two columns of one name, or rows of different lengths.
    """
    require_file(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"'{path}' is no table in UTF-8 but a {what_is(path)}", "export it as CSV, UTF-8") from error
    separator = _separator(text.splitlines()[:HEADER_WITHIN])
    reader = csv.reader(text.splitlines(), delimiter=separator)
    try:
        cells = [(reader.line_num, [c.strip() for c in row]) for row in reader if any(c.strip() for c in row)]
    except csv.Error as error:
        raise DataError(f"'{path}' is no table: {error}", "export it as CSV, UTF-8") from error
    if not cells:
        raise DataError(f"'{path}' is empty", ABSENT)
    marked = (i for i, (_, row) in enumerate(cells[:HEADER_WITHIN]) if len(row) > 1 and MARKS & {*map(str.lower, row)})
    at = next(marked, 0)
    header = cells[at][1]
    while header and not header[-1]:
        header = header[:-1]
    named = [h for h in header if h]
    twice = sorted({h for h in named if named.count(h) > 1})
    if twice:
        raise DataError(f"'{path}' has two columns called '{twice[0]}'", "name each column once")
    rows, lines = [], []
    for line, row in cells[at + 1 :]:
        if len(row) < len(header) or any(row[len(header) :]):
            raise DataError(
                f"'{path}', line {line} has {len(row)} cells, the header has {len(header)}",
                "the file may be cut off; export it again",
            )
        rows.append(row[: len(header)])
        lines.append(line)
    if not rows:
        raise DataError(f"'{path}' has a header but no frame", ABSENT)
    return Table(path, tuple(header), rows, lines)


def _separator(head: Sequence[str]) -> str:
    """What parts most cells of the header; numbers with a comma for a point are no cells, so other lines count last."""
    marked = [line for line in head if any(m in line.lower() for m in MARKS) and any(s in line for s in SEPARATORS)]
    return max(SEPARATORS, key=lambda s: max((line.count(s) for line in marked[:1] or head), default=0))


def spans(table: Table) -> Array:
    """Intervals ``[T, 2]`` of the columns ``start_s`` and ``end_s``.

    Raises:
        DataError: a column is missing, or a row has no usable interval.
    """
    places = [table.find(name) for name in SPAN]
    held = [p for p in places if p is not None]
    if len(held) < len(SPAN):
        raise DataError(
            f"'{table.path}' has no column '{SPAN[places.index(None)]}', only: {', '.join(table.header)}",
            "name the columns start_s and end_s, in seconds",
        )
    values = table.numbers(held)
    wrong = ~(np.isfinite(values).all(axis=1) & (values[:, 1] >= values[:, 0]))
    if wrong.any():
        line = table.lines[int(np.flatnonzero(wrong)[0])]
        raise DataError(f"'{table.path}', line {line} has no usable interval", "start_s and end_s in seconds, in order")
    return values


def read_spans(table: Table) -> ClipFrames:
    """Anybody's frames: ``start_s``, ``end_s`` (seconds), and numbers."""
    intervals = spans(table)
    others = [i for i, name in enumerate(table.header) if name and name.lower() not in SPAN]
    if not others:
        raise DataError(f"'{table.path}' holds times but no feature", "a column per feature beside start_s and end_s")
    features = table.numbers(others).astype(np.float32)
    return ClipFrames(
        track_of(features, intervals), tuple(table.header[i] for i in others), "CSV with start_s and end_s"
    )


def read_words(path: Path) -> Track:
    """Words in time: columns ``word``, ``start_s``, ``end_s``.

    Raises:
        DataError: no such columns, or a row without a usable interval.
    """
    table = open_table(path)
    place = table.find(WORD)
    if place is None:
        raise DataError(
            f"'{path}' has no column '{WORD}', only: {', '.join(table.header)}", "name the columns word, start_s, end_s"
        )
    return track_of(np.array([row[place] for row in table.rows], dtype=np.str_), spans(table))
