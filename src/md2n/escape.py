"""Text of other people where it could do something: on a terminal, on a page, in a spreadsheet.

On terminals and pages ``visible`` shows control characters as what they are.  In CSV files ``csv_cell`` keeps text that
a spreadsheet would take for a formula, or that holds control characters, behind an apostrophe; ``from_csv_cell`` gives
it back, and does nothing to other text.
"""

import re

# C0 and C1 controls, line and paragraph separators, and what turns the direction of writing.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
FORMULA = ("=", "+", "-", "@", "'")
ESCAPED = re.compile(r"\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4}))")


def visible(text: str, lines: bool = False) -> str:
    r"""The text with control characters written out.

    >>> visible("a\x1b[2J\tb")
    'a\\x1b[2J\\x09b'

    Args:
        text: any.
        lines: whether line breaks and tabs are meant, and stay.
    """
    return CONTROL.sub(lambda m: m[0] if lines and m[0] in "\n\t" else _code(m[0]), text)


def csv_cell(text: str) -> str:
    r"""The text as a cell that no spreadsheet runs and no terminal obeys.

    >>> csv_cell("clip-1"), csv_cell("=1+1"), csv_cell("a\nb")
    ('clip-1', "'=1+1", "'a\\x0ab")
    """
    if not (text.startswith(FORMULA) or CONTROL.search(text)):
        return text
    return "'" + CONTROL.sub(lambda m: _code(m[0]), text.replace("\\", "\\\\"))


def from_csv_cell(cell: str) -> str:
    r"""The text that ``csv_cell`` was given.

    >>> from_csv_cell("'=1+1"), from_csv_cell("clip-1")
    ('=1+1', 'clip-1')
    """
    if not cell.startswith("'"):
        return cell
    return ESCAPED.sub(lambda m: chr(int(m[1] or m[2], 16)) if m[1] or m[2] else "\\", cell[1:])


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
