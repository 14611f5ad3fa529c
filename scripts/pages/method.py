"""docs/method.md: the paper's method, each equation beside the code that does it.

The text is in ``method.txt``.  A line ``{{ md2n.module.Class.method }}`` is replaced by that function without its
signature and docstring.  ``{{ name | first | last }}`` is replaced by a part of it: from the line that begins with
``first`` to the line that begins with ``last``.
"""

import ast
import re
import textwrap
from functools import cache
from pathlib import Path

from scripts.pages import NOTICE, PROJECT, SOURCE

TEXT = Path(__file__).with_name("method.txt")
CODE = re.compile(r"^\{\{ (\S+)(?: \| (.+?) \| (.+?))? \}\}$", re.MULTILINE)


def page() -> str:
    """The whole page."""
    title, _, text = TEXT.read_text(encoding="utf-8").partition("\n")
    return f"{title}\n{NOTICE}{CODE.sub(lambda m: snippet(m[1], m[2], m[3]), text)}"


def snippet(name: str, first: str | None = None, last: str | None = None) -> str:
    """A link to the lines, and the lines.

    Raises:
        ValueError: no such code, or no such line in it.
    """
    path, node = _find(name)
    lines = path.read_text(encoding="utf-8").splitlines()
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    start, end = body[0].lineno, node.end_lineno or body[-1].lineno
    if first is not None and last is not None:
        start = _line(lines, start, end, first, name)
        end = _line(lines, start, end, last, name)
    code = textwrap.dedent("\n".join(lines[start - 1 : end]))
    inside, short = path.relative_to(PROJECT).as_posix(), path.relative_to(SOURCE).as_posix()
    place = f"line {start}" if start == end else f"lines {start} to {end}"
    where = f"[`{short}`, {place}](../{inside}#L{start}-L{end})"
    return f"{where}:\n\n```python\n{code}\n```"


def _line(lines: list[str], start: int, end: int, text: str, name: str) -> int:
    for number in range(start, end + 1):
        if lines[number - 1].strip().startswith(text):
            return number
    raise ValueError(f"{name} has no line that begins with '{text}'")


def _find(name: str) -> tuple[Path, ast.FunctionDef | ast.ClassDef]:
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        path = SOURCE.parent.joinpath(*parts[:count]).with_suffix(".py")
        if path.is_file():
            node: ast.AST | None = _tree(path)
            for part in parts[count:]:
                node = next((n for n in getattr(node, "body", ()) if getattr(n, "name", None) == part), None)
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                return path, node
    raise ValueError(f"no code is called {name}")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
