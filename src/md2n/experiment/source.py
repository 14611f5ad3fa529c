"""Which code made a run's numbers: digests of the source that decides them, the same in a checkout and from a wheel.

Two of them, for a run is trained once and may be measured again.  Of the methods' folders only the run's own counts:
work on one method leaves the runs of all others valid.  How source is laid out, comments, docstrings and what a card
tells its readers do not count; everything else does: nobody can tell cheaply whether an edit changes a number.
"""

import ast
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from md2n.methods.added import files
from md2n.methods.catalogue import COMPOSED, MODELS

PACKAGE = Path(__file__).parents[1]
# Below md2n/: folders with all that is in them, and files, which have a part in every run.
TRAINING = (
    "training", "data", "nn", "coders", "fusion", "diffusion", "methods/parts", "methods/base.py", "batch.py",
    "missing.py", "modality.py", "noise.py", "seeding.py", "evaluation/inference.py", "evaluation/evaluator.py",
    "evaluation/metrics.py", "evaluation/pairs.py", "evaluation/sentiment.py", "evaluation/certainty.py",
    "evaluation/reliability.py", "experiment/loading.py",
)  # fmt: skip
MEASURING = (*TRAINING, "evaluation", "experiment/measuring.py")
LEFT_OUT = "data/readers/"  # import writes a store; from there on the data's own checksum is compared
PROSE = ("title", "paper", "differences")  # what a card says in words
DIGITS = 12
UNKNOWN = "unknown"  # of runs that were gone on with by other code, or made before it was written down


@cache
def training_code(model: str) -> str:
    """Twelve hexadecimal digits that name the code a run of a method is trained by.

    Raises:
        UsageError: no method of that name.
    """
    return digest(PACKAGE, (*TRAINING, own_folder(model)))


@cache
def measuring_code(model: str) -> str:
    """Twelve hexadecimal digits that name the code a run of a method is measured by.

    Raises:
        UsageError: no method of that name.
    """
    return digest(PACKAGE, (*MEASURING, own_folder(model)))


@cache
def shared_code() -> str:
    """Twelve hexadecimal digits that name the code all methods are trained and measured by, whichever the method.

    Numbers of two methods compare where it is the same: what differs then is the methods.
    """
    return digest(PACKAGE, MEASURING)


def own_folder(model: str) -> str:
    """Where a method's own source is, below md2n/; the file of a method from outside; all methods of a composed one.

    >>> own_folder("dccae")
    'methods/dcca'
    """
    if model in (outside := files()):
        return str(outside[model])
    if model in COMPOSED:
        return "methods"
    return "/".join(MODELS.module(model).split(".")[1:3])


def digest(package: Path, chosen: Sequence[str]) -> str:
    """Of the Python source in these folders and files of a package: names of files and what they mean."""
    paths = [package / name for name in chosen]
    sources = {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}
    hasher = hashlib.sha256()
    for place, file in sorted((placed(file, package), file) for file in sources):
        if not place.startswith(LEFT_OUT):
            hasher.update(f"{place}\n{meaning(file.read_bytes())}\n".encode())
    return hasher.hexdigest()[:DIGITS]


def placed(file: Path, package: Path) -> str:
    """Its name below the package; that of a file from outside by itself."""
    return file.relative_to(package).as_posix() if file.is_relative_to(package) else file.name


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
