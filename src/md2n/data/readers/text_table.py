"""Tables of text as programs and spreadsheets write them: where the header is, which cells are numbers.

They are UTF-8 or UTF-16 (Excel's "Unicode text"), with commas, semicolons (spreadsheets of countries that write 0,5) or
tabs between cells.  Programs differ in what they write before the header (iMotions: facts about the study) and in
spaces around names (OpenFace).  An empty cell, ``nan`` and ``NA`` mean that nothing was measured.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from md2n.data.readers.files import require_file, what_is
from md2n.data.readers.labels import as_number
from md2n.data.samples import Array
from md2n.errors import DataError
from md2n.reading import named

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
HEADER_WITHIN = 60
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?nan|[+-]?inf", re.IGNORECASE)
MARKS = frozenset({"timestamp", "frame", "frametime", "mediatime", "approx_time", "facescore", "start_s", "word"})
TABLE_MARKS = MARKS | {"start", "tmin", "text", "label"}
"""Names of columns, in small letters, that make a ``.txt`` a table of frames or of words."""
TXT = ".txt"
NOTHING = frozenset({"", "na", "n/a", "none", "null", "-nan(ind)", "nan(ind)", "#n/a"})
SAVE = "save it as CSV, UTF-8"
AGAIN = "take the file away if nothing belongs into it, or export it again"


@dataclass(frozen=True)
class Table:
    """A table of text cells.

    Args:
        path: the file.
        header: names of the columns, stripped; empty where the first line holds numbers alone.
        rows: stripped cells, as many in each as the header (the first line) has.
        lines: line of the file on which each row ends.
        separator: of the cells.
    """

    path: Path
    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]
    separator: str = ","

    def find(self, *names: str) -> int | None:
        """Position of the first of these columns that is there, whatever its case."""
        lower = [h.lower() for h in self.header]
        return next((lower.index(n) for n in names if n in lower), None)

    def matching(self, pattern: re.Pattern[str]) -> list[int]:
        """Positions of the columns whose whole name matches, in the file's order."""
        return [i for i, name in enumerate(self.header) if pattern.fullmatch(name)]

    def column(self, *names: str) -> Array | None:
        """``[T]`` numbers of the first of these columns that is there."""
        place = self.find(*names)
        return None if place is None else self.numbers([place])[:, 0]

    def numbers(self, columns: Sequence[int]) -> Array:
        """``[T, len(columns)]`` float64, NaN where nothing was measured.

        Raises:
            DataError: a cell is no number; the message names line and column.
        """
        values = np.full((len(self.rows), len(columns)), np.nan)
        for t, row in enumerate(self.rows):
            cells = [row[i] for i in columns]
            try:
                line = "".join(cells)
                if "_" in line or not line.isascii():
                    raise ValueError("NumPy would take 1_0 for 10, and digits of any script")
                values[t] = np.array(cells, np.float64)
            except ValueError:  # a cell is empty or no number
                values[t] = [self._number(cell, t, i) for cell, i in zip(cells, columns)]
        return values

    def _number(self, cell: str, row: int, column: int) -> float:
        if cell.lower() in NOTHING:
            return np.nan
        number = as_number(cell)
        if number is None:
            name = self.header[column] if self.header else column + 1
            raise DataError(
                f"'{self.path}', line {self.lines[row]}, column '{name}' holds '{cell}', which is no number",
                f"write a number, or leave the cell empty where nothing was measured{comma_hint(cell)}",
            )
        return number

    def refuse(self, wrong: Array, defect: str, hint: str) -> None:
        """Refuses the table if a row is flagged in ``wrong`` ``[T]``.

        Raises:
            DataError: naming the line of the first.
        """
        if wrong.any():
            raise DataError(f"'{self.path}', line {self.lines[int(np.argmax(wrong))]} {defect}", hint)

    def no_header(self, names: str) -> DataError:
        """The error for a table without a header line, which should name the columns ``names``."""
        first = ",".join(self.rows[0][:4]) + (",..." if len(self.rows[0]) > 4 else "")
        return DataError(
            f"'{self.path}' has no header line: its first line is '{first}'", f"write a first line that names {names}"
        )


def comma_hint(cell: str) -> str:
    """The end of a hint where a number is written with a decimal comma."""
    return "; decimals need a point, not a comma" if re.fullmatch(r"-?\d+,\d+", cell) else ""


@named(hint=SAVE)
def open_table(path: Path, marks: frozenset[str] = MARKS, *, repeats: bool = False, blank: bool = False) -> Table:
    """A table of cells separated by commas, semicolons or tabs.

    Args:
        path: of a text file.
        marks: names of columns, in small letters; the first row that holds one of them is the header, else the first.
        repeats: whether two columns may have one name.
        blank: whether a row of empty cells between others is a row.

    Raises:
        DataError: missing, empty, no text, without a row, two columns of one name, or rows of different lengths.
    """
    text = read_text(path)
    separator = separator_of(text.splitlines()[:HEADER_WITHIN], marks)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        cells = [
            (reader.line_num, row)
            for line in reader
            if any(row := [c.strip() for c in line]) or (blank and len(row) > 1)
        ]
    except csv.Error as error:
        raise DataError(f"'{path}', line {reader.line_num} is no row of a table: {error}", SAVE) from error
    inner = [i for i, (_, row) in enumerate(cells) if any(row)]
    cells = cells[inner[0] : inner[-1] + 1] if inner else []
    if not cells:
        raise DataError(f"'{path}' is empty", AGAIN)
    marked = (i for i, (_, row) in enumerate(cells[:HEADER_WITHIN]) if len(row) > 1 and marks & {*map(str.lower, row)})
    at = next(marked, 0)
    # Some programs end each line with separators.
    width = max(i for i, cell in enumerate(cells[at][1], start=1) if cell)
    header = tuple(cells[at][1][:width])
    if width > 1 and all(_NUMBER.fullmatch(c) for c in header):
        header = ()
    elif width == 1 and re.search(r"[|\s:]", header[0]):
        raise DataError(f"'{path}' has one column, '{header[0]}'", "separate the cells by commas, semicolons or tabs")
    twice = next((name for name, count in Counter(filter(None, header)).items() if count > 1), None)
    if twice is not None and not repeats:
        raise DataError(f"'{path}' has two columns called '{twice}'", "name each column once")
    body = cells[at + 1 :] if header else cells
    for line, row in body:
        if len(row) < width or any(row[width:]):
            raise DataError(
                f"'{path}', line {line} has {len(row)} cells, the {'header' if header else 'first line'} has {width}",
                f"fill cells, and quote those that hold a {SEPARATORS[separator]}; if the file is cut off, export it "
                "again",
            )
    if not body:
        raise DataError(f"'{path}' has a header but no row", AGAIN)
    return Table(path, header, [row[:width] for _, row in body], [line for line, _ in body], separator)


def is_table(path: Path) -> bool:
    """Whether a ``.txt`` is a table: one of its first lines names columns, or its first ones are rows of numbers."""
    with path.open("rb") as stream:
        content = stream.read(1 << 16)
    lines = [line for line in content.decode(_encoding(content), "ignore").splitlines()[:HEADER_WITHIN] if line.strip()]
    separator = separator_of(lines, TABLE_MARKS)
    rows = [[c.strip().lower() for c in line.split(separator)] for line in lines]
    if any(len(row) > 1 and TABLE_MARKS & {*row} for row in rows):
        return True
    return bool(rows) and all(len(row) > 2 and all(not c or _NUMBER.fullmatch(c) for c in row) for row in rows[:3])


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark.

    Raises:
        DataError: missing, empty, or in another encoding.
    """
    content = require_file(path).read_bytes()
    try:
        text = content.decode(_encoding(content))
    except UnicodeDecodeError as error:
        raise DataError(
            f"'{path}' is no text in UTF-8 or UTF-16 but a {what_is(path)}", "save it as text or CSV in UTF-8"
        ) from error
    if "\0" in text:
        raise DataError(
            f"'{path}' holds zero bytes: it is no text, or UTF-16 without its mark", "save it as text or CSV in UTF-8"
        )
    return text


def _encoding(content: bytes) -> str:
    return "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def separator_of(lines: Sequence[str], marks: frozenset[str] = frozenset()) -> str:
    """What separates the cells of a table, by its first lines.

    The first line with a cell in ``marks`` (names of columns, in small letters) decides, without such a line the
    widest.  Of separators that give as many cells, a comma goes before a semicolon, a semicolon before a tab.
    """
    widest = dict.fromkeys(SEPARATORS, 0)
    for line in lines:
        cells = {s: _cells(line, s) for s in SEPARATORS}
        marked = {s: len(row) for s, row in cells.items() if len(row) > 1 and not marks.isdisjoint(row)}
        if marked:
            return max(marked, key=lambda s: marked[s])
        widest = {s: max(widest[s], len(row)) for s, row in cells.items()}
    return max(widest, key=lambda s: widest[s])


def _cells(line: str, separator: str) -> list[str]:
    try:
        return [c.strip().lower() for row in csv.reader([line], delimiter=separator) for c in row]
    except csv.Error:
        return []


def with_slashes(cell: str, root: Path) -> str:
    """A path that Windows wrote, with slashes for backslashes, if a file has that name; else the cell itself."""
    plain = cell.replace("\\", "/")
    if plain == cell or "\0" in cell:
        return cell
    try:
        return plain if (root / plain).exists() and not (root / cell).exists() else cell
    except OSError:  # a cell that is longer than a name may be
        return cell
