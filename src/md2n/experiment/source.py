"""Which code made a run's numbers: digests of the source that decides them, the same in a checkout and from a wheel.

Two of them, for a run is trained once and may be measured again: what is trained also depends on how checkpoints are
chosen, and what is measured on everything that was needed to train.  Of the methods' source only that counts which the
run's own method imports: work on one method leaves the runs of all others valid.  Comments, docstrings and what a card
tells its readers do not count; everything else does: nobody can tell cheaply whether an edit changes a number.
"""

import ast
import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from md2n.methods.catalogue import MODELS

PACKAGE = Path(__file__).parents[1]
# Below md2n/: folders with all that is in them, and files, which have a part in every run.
TRAINING = (
    "training", "data", "batch.py", "missing.py", "modality.py", "noise.py", "seeding.py", "evaluation/inference.py",
    "evaluation/evaluator.py", "evaluation/metrics.py", "evaluation/pairs.py", "evaluation/sentiment.py",
    "experiment/loading.py",
)  # fmt: skip
MEASURING = (*TRAINING, "evaluation", "experiment/measuring.py")
# Import writes a store, from there on the data's own checksum tells; and settings are compared by their values.
LEFT_OUT = re.compile(r"data/readers/|methods/.*config\.py$")
LAZY = re.compile(r"(md2n(?:\.\w+)+):\w+")  # an entry of a registry
UNCUT = bytes([1, *bytes(255)])  # what is not cut
CARD, PROSE = "Card", ("title", "paper", "differences")  # what a card says in words
DIGITS = 12
UNKNOWN = "unknown"  # of runs that were made before it was written down


@cache
def training_code(model: str) -> str:
    """Twelve hexadecimal digits that name the code a run of a method is trained by.

    Raises:
        UsageError: no method of that name.
    """
    return digest(PACKAGE, TRAINING, MODELS.module(model))


@cache
def measuring_code(model: str) -> str:
    """Twelve hexadecimal digits that name the code a run of a method is measured by.

    Raises:
        UsageError: no method of that name.
    """
    return digest(PACKAGE, MEASURING, MODELS.module(model))


@cache
def shared_code() -> str:
    """Twelve hexadecimal digits that name the code all methods are trained and measured by, whichever the method.

    Numbers of two methods can stand beside each other where it is the same: what differs then is the methods.
    """
    return digest(PACKAGE, MEASURING)


def gone_on(before: str, now: str) -> str:
    """The code of a run that was begun by one and gone on with by another; no digest, so it equals none.

    >>> gone_on("a1", "a1"), gone_on("a1", "b2"), gone_on("a1+b2", "b2")
    ('a1', 'a1+b2', 'a1+b2')
    """
    return before if before.split("+")[-1] == now else f"{before}+{now}"


def digest(package: Path, chosen: Sequence[str], module: str = "") -> str:
    """Of Python source of the package: names of files and what is ``meant`` by them.

    Args:
        package: its folder.
        chosen: folders and files below it.
        module: counts with all that it imports of the package, and what that imports; none if empty.
    """
    named = [package / name for name in chosen]
    files = {file for path in named for file in (path.rglob("*.py") if path.is_dir() else [path])}
    files |= imported(package, module) if module else set()
    hasher = hashlib.sha256()
    for place, file in sorted((file.relative_to(package).as_posix(), file) for file in files):
        if not LEFT_OUT.match(place):
            content = meant(file.read_bytes())
            hasher.update(f"{place} {len(content)}\n".encode() + content)
    return hasher.hexdigest()[:DIGITS]


@cache
def meant(source: bytes) -> bytes:
    """Python source without comments, docstrings, a card's words, blank lines, and ends of lines of any kind.

    A comment between the parts of one string stays.
    """
    text = source.replace(b"\r\n", b"\n")
    starts = [0, *(n.end() for n in re.finditer(b"\n", text))]

    def mark(marks: bytearray, node: ast.expr) -> None:
        assert node.end_lineno is not None and node.end_col_offset is not None
        first, last = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        marks[first:last] = b"\1" * (last - first)

    cut, strings = bytearray(len(text)), bytearray(len(text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))):
            mark(strings, node)
        for words in _words(node):
            mark(cut, words)
    for comment in re.finditer(b"#[^\n]*", text):
        # One that begins inside a string may hide one that follows it.
        begin = next((n for n in range(*comment.span()) if text[n : n + 1] == b"#" and not strings[n]), comment.end())
        cut[begin : comment.end()] = b"\1" * (comment.end() - begin)
    rest = bytes(itertools.compress(text, cut.translate(UNCUT)))
    return b"".join(line.rstrip() + b"\n" for line in rest.split(b"\n") if line.strip())


def _words(node: ast.AST) -> Iterator[ast.expr]:
    """A docstring of the node, or what it says as a card."""
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            yield first.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == CARD:
        yield from (k.value for k in node.keywords if k.arg in PROSE)


def imported(package: Path, module: str) -> set[Path]:
    """The files of a module of the package and of all that it imports of it, wherever in the source it does."""
    files: set[Path] = set()
    ahead = [module]
    while ahead:
        path = package.parent.joinpath(*ahead.pop().split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.is_file() and file not in files:
            files.add(file)
            ahead += _names(ast.parse(file.read_bytes()))
    return files


def _names(tree: ast.AST) -> Iterator[str]:
    """Modules of md2n that source names; also what may be a name inside one, which is no file then."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("md2n."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("md2n"):
            yield from (str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and (lazy := LAZY.fullmatch(node.value)):
            yield lazy[1]
