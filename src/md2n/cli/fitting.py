"""Layout of a table on a terminal: its columns in one piece, or in several pieces below one another."""

from md2n.report.table import Table

FRAME = 3  # width of a column beside its text: a blank on each side and a line
EDGE = 1  # the line before the first column
NARROW = 12  # minimum width of a column of text; numbers are never broken


def pieces(table: Table, width: int) -> list[dict[int, int]]:
    """The columns of every piece and their widths.

    Every piece begins with the columns that name the rows.  Words longer than their column are broken.

    Args:
        table: a table with at least one column.
        width: width of the terminal in characters.

    Returns:
        One mapping per piece: column number -> width of its text in characters.
    """
    least = [_least(table, c) for c in range(len(table.columns))]
    heads = _naming_columns(table, least, width)
    groups, piece = [], list(heads)
    for column in range(len(heads), len(table.columns)):
        if len(piece) > len(heads) and _taken([least[c] for c in [*piece, column]]) > width:
            groups.append(piece)
            piece = list(heads)
        piece.append(column)
    return [_shared(table, columns, least, width) for columns in [*groups, piece]]


def _naming_columns(table: Table, least: list[int], width: int) -> list[int]:
    """The first column, and further columns of text before the first of numbers, unless they leave too little room."""
    count = next((c for c, numeric in enumerate(table.numeric) if numeric), 1) or 1
    return list(range(count if _taken(least[:count]) <= 2 * width / 3 else 1))


def _shared(table: Table, columns: list[int], least: list[int], width: int) -> dict[int, int]:
    """Widths of one piece: the least widths; then each free character goes to the narrowest column that needs more."""
    widths = {c: least[c] for c in columns}
    wanted = {c: max(map(_length, _texts(table, c))) for c in columns}
    excess = _taken(list(widths.values())) - width
    if excess > 0:  # a single column beside the names of the rows: the names are broken
        widths[columns[0]] = max(1, widths[columns[0]] - excess)
    for _ in range(-excess):
        short = [c for c in columns if widths[c] < wanted[c]]
        if not short:
            break
        widths[min(short, key=lambda c: widths[c])] += 1
    return widths


def _least(table: Table, column: int) -> int:
    head, *cells = _texts(table, column)
    if table.numeric[column]:
        return max([*map(_length, cells), min(NARROW, _longest_word([head]))])
    return max(1, min(NARROW if column else 2 * NARROW, _longest_word([head, *cells])))


def _texts(table: Table, column: int) -> list[str]:
    return [table.columns[column], *(row[column].plain for row in table.rows)]


def _longest_word(texts: list[str]) -> int:
    return max(_length(word) for text in texts for word in text.split() or [""])


def _taken(widths: list[int]) -> int:
    return EDGE + sum(w + FRAME for w in widths)


def _length(text: str) -> int:
    """Width of a text on a terminal, where some characters take two columns."""
    from rich.cells import cell_len

    return cell_len(text)
