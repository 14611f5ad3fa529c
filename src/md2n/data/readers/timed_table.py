"""Tables of frames, a row per frame: where the header is, which cells are numbers.

Programs differ in what they put before the header (iMotions: facts about the study), in the separator, and in spaces
around names (OpenFace).  An empty cell, ``nan`` and ``NA`` mean that nothing was measured.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from md2n.data.readers.cells import Rows, first_lines, read_text, rows_of, separator_of, without_end
from md2n.data.readers.frames import as_features
from md2n.data.readers.timed import ClipFrames, track_of
from md2n.data.samples import Array
from md2n.errors import DataError
from md2n.reading import named

HEADER_WITHIN = 60
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?nan|[+-]?inf", re.IGNORECASE)
MARKS = frozenset({"timestamp", "frame", "frametime", "mediatime", "approx_time", "facescore", "start_s", "word"})
TABLE_MARKS = MARKS | {"start", "tmin", "text", "label"}
"""Names of columns, in small letters, that make a ``.txt`` a table of frames or of words."""
TXT = ".txt"
NOTHING = frozenset({"", "na", "n/a", "none", "null", "-nan(ind)", "nan(ind)", "#n/a"})
SPAN = ("start_s", "end_s")
EXPORT = "export it as CSV, UTF-8"
ABSENT = "take the file away if the clip lacks this modality, or export it again"


@dataclass(frozen=True)
class Table:
    """A table of text cells.

    Args:
        path: the file.
        header: names of the columns, stripped; empty where the first line holds numbers alone.
        rows: stripped cells, as many in each as the header (the first line) has.
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
            name = self.header[column] if self.header else column + 1
            raise DataError(
                f"'{self.path}', line {self.lines[row]}, column '{name}' holds '{cell}', which is no number",
                f"leave the cell empty where nothing was measured{comma}",
            ) from error


def is_table(path: Path) -> bool:
    """Whether a ``.txt`` is a table: one of its first lines names columns, or its first ones are rows of numbers."""
    lines = [line for line in first_lines(path, HEADER_WITHIN) if line.strip()]
    separator = separator_of(lines, TABLE_MARKS)
    rows = [[c.strip().lower() for c in line.split(separator)] for line in lines]
    if any(len(row) > 1 and TABLE_MARKS & {*row} for row in rows):
        return True
    return bool(rows) and all(len(row) > 2 and all(not c or _NUMBER.fullmatch(c) for c in row) for row in rows[:3])


@named(hint=EXPORT)
def open_table(path: Path, marks: frozenset[str] = MARKS) -> Table:
    """A table separated by commas, semicolons or tabs.

    Args:
        path: of a text file.
        marks: names of columns, in small letters; the first row that holds one of them is the header, else the first.

    Raises:
        DataError: missing, empty, no text, without a row, two columns of one name, or rows of different lengths.
    """
    text = read_text(path)
    cells = rows_of(text, path, separator_of(text.splitlines()[:HEADER_WITHIN], marks))
    if not cells:
        raise DataError(f"'{path}' is empty", ABSENT)
    marked = (i for i, (_, row) in enumerate(cells[:HEADER_WITHIN]) if len(row) > 1 and marks & {*map(str.lower, row)})
    at = next(marked, 0)
    header = without_end(cells[at][1])
    if len(header) > 1 and all(_NUMBER.fullmatch(c) for c in header):
        return _rows(path, (), cells, len(header))
    counted = Counter(h for h in header if h)
    twice = next((h for h, count in counted.items() if count > 1), None)
    if twice is not None:
        raise DataError(f"'{path}' has two columns called '{twice}'", "name each column once")
    return _rows(path, tuple(header), cells[at + 1 :], len(header))


def _rows(path: Path, header: tuple[str, ...], cells: Rows, width: int) -> Table:
    rows, lines = [], []
    for line, row in cells:
        if len(row) < width or any(row[width:]):
            raise DataError(
                f"'{path}', line {line} has {len(row)} cells, the {'header' if header else 'first line'} has {width}",
                "the file may be cut off; export it again",
            )
        rows.append(row[:width])
        lines.append(line)
    if not rows:
        raise DataError(f"'{path}' has a header but no frame", ABSENT)
    return Table(path, header, rows, lines)


def no_header(table: Table, names: str) -> DataError:
    """What is said of a table without a header line; ``names`` are the columns that its first line should name."""
    first = ",".join(table.rows[0][:4]) + (",..." if len(table.rows[0]) > 4 else "")
    return DataError(
        f"'{table.path}' has no header line: its first line is '{first}'", f"write a first line that names {names}"
    )


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
    features = as_features(table.numbers(others), f"'{table.path}'")
    return ClipFrames(
        track_of(features, intervals), tuple(table.header[i] for i in others), "CSV with start_s and end_s"
    )
