"""Which code made a run's numbers: digests of the source that decides them, the same in a checkout and from a wheel.

Two of them, for a run is trained once and may be measured again: what is trained also depends on how checkpoints are
chosen, and what is measured on everything that was needed to train.  Of the methods' source only that counts which the
run's own method imports: work on one method leaves the runs of all others valid.  How source is laid out, comments,
docstrings and what a card tells its readers do not count; everything else does: nobody can tell cheaply whether an edit
changes a number.
"""

import ast
import hashlib
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
LEFT_OUT = "data/readers/"  # import writes a store; from there on the data's own checksum is compared
LAZY = re.compile(r"(md2n(?:\.\w+)+):\w+")  # an entry of a registry
PROSE = ("title", "paper", "differences")  # what a card says in words
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

    Numbers of two methods compare where it is the same: what differs then is the methods.
    """
    return digest(PACKAGE, MEASURING)


def gone_on(before: str, now: str) -> str:
    """The code of a run that was begun by one and gone on with by another; no digest, so it equals none.

    >>> gone_on("a1", "a1"), gone_on("a1", "b2"), gone_on("a1+b2", "b2")
    ('a1', 'a1+b2', 'a1+b2')
    """
    return before if before.split("+")[-1] == now else f"{before}+{now}"


def digest(package: Path, chosen: Sequence[str], module: str = "") -> str:
    """Of Python source of the package: names of files and what they mean.

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
        if not place.startswith(LEFT_OUT):
            hasher.update(f"{place}\n{meaning(file.read_bytes())}\n".encode())
    return hasher.hexdigest()[:DIGITS]


@cache
def meaning(source: bytes) -> str:
    """Python source in one layout, without comments, docstrings and a card's words."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Card":
            node.keywords = [k for k in node.keywords if k.arg not in PROSE]
    return ast.unparse(tree)


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
