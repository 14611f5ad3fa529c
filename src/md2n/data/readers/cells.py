"""Tables of text as programs and spreadsheets write them: UTF-8 or UTF-16, cells parted by commas, semicolons or tabs.

A spreadsheet of a country that writes 0,5 parts cells by semicolons; Excel's "Unicode text" is UTF-16 with tabs.
Windows writes paths with backslashes.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from md2n.data.readers.files import require_file, what_is
from md2n.errors import DataError

NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}
SEPARATORS = tuple(NAMES)
Rows = list[tuple[int, list[str]]]
"""Line of the file on which each row ends, and its stripped cells; rows without any text are left out."""


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with the mark that says so.

    Raises:
        DataError: missing, empty, or in another encoding.
    """
    require_file(path)
    content = path.read_bytes()
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


def first_lines(path: Path, count: int, size: int = 1 << 16) -> list[str]:
    """Up to ``count`` lines of the first ``size`` bytes; what is no text there is passed over."""
    with path.open("rb") as stream:
        content = stream.read(size)
    return content.decode(_encoding(content), "ignore").splitlines()[:count]


def _encoding(content: bytes) -> str:
    return "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def separator_of(lines: Sequence[str], marks: frozenset[str] = frozenset()) -> str:
    """What parts the cells of a table, by the line that is its header.

    The header is the first line of which a cell is one of ``marks``; without such a line the widest one counts.  A
    comma goes before a semicolon, a semicolon before a tab, where they part as many cells.

    Args:
        lines: the first ones of the table.
        marks: names of columns, in small letters.
    """
    widest = dict.fromkeys(SEPARATORS, 0)
    for line in lines:
        parted = {s: _cells(line, s) for s in SEPARATORS}
        marked = {s: len(cells) for s, cells in parted.items() if len(cells) > 1 and not marks.isdisjoint(cells)}
        if marked:
            return max(marked, key=lambda s: marked[s])
        widest = {s: max(widest[s], len(cells)) for s, cells in parted.items()}
    return max(widest, key=lambda s: widest[s])


def _cells(line: str, separator: str) -> list[str]:
    try:
        return [c.strip().lower() for row in csv.reader([line], delimiter=separator) for c in row]
    except csv.Error:
        return []


def rows_of(text: str, path: Path, separator: str) -> Rows:
    """The rows of a table.

    Raises:
        DataError: a row cannot be read as cells.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        return [(reader.line_num, cells) for row in reader if any(cells := [c.strip() for c in row])]
    except csv.Error as error:
        raise DataError(
            f"'{path}', line {reader.line_num} is no row of a table: {error}", "save it as CSV, UTF-8"
        ) from error


def without_end(row: Sequence[str]) -> list[str]:
    """The cells up to the last one that is not empty: some programs end each line with separators."""
    return list(row[: max((i for i, cell in enumerate(row, start=1) if cell), default=0)])


def with_slashes(cell: str, root: Path) -> str:
    """A path that Windows wrote, with slashes for backslashes, if a file has that name; else the cell itself."""
    plain = cell.replace("\\", "/")
    if plain == cell or "\0" in cell:
        return cell
    try:
        return plain if (root / plain).exists() and not (root / cell).exists() else cell
    except OSError:  # a cell that is longer than a name may be
        return cell
