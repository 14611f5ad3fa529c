"""Which code made a run's numbers: digests of the source that decides them, the same in a checkout and from a wheel.

Two of them, for a run is trained once and may be measured again: what is trained also depends on how checkpoints are
chosen, and what is measured on everything that was needed to train.  Comments count: nobody can tell cheaply whether an
edit changes a number.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

# Below md2n/: folders with all that is in them, and files.
TRAINING = (
    "models", "fusion", "coders", "diffusion", "nn", "training", "data", "batch.py", "missing.py", "modality.py",
    "seeding.py", "evaluation/asking.py", "evaluation/evaluator.py", "evaluation/metrics.py", "experiment/loading.py",
)  # fmt: skip
MEASURING = (*TRAINING, "evaluation", "experiment/measuring.py")
# Import writes a store; from there on the data's own checksum tells.
LEFT_OUT = ("data/readers/",)
DIGITS = 12
UNKNOWN = "unknown"  # of runs that were made before it was written down


@cache
def training_code() -> str:
    """Twelve hexadecimal digits that name the code a run is trained by."""
    return digest(Path(__file__).parents[1], TRAINING)


@cache
def measuring_code() -> str:
    """Twelve hexadecimal digits that name the code a run is measured by."""
    return digest(Path(__file__).parents[1], MEASURING)


def gone_on(before: str, now: str) -> str:
    """The code of a run that was begun by one and gone on with by another; no digest, so it equals none.

    >>> gone_on("a1", "a1"), gone_on("a1", "b2"), gone_on("a1+b2", "b2")
    ('a1', 'a1+b2', 'a1+b2')
    """
    return before if before.split("+")[-1] == now else f"{before}+{now}"


def digest(root: Path, chosen: Sequence[str]) -> str:
    """Of Python source below a folder: names and contents, whatever the line ends.

    Args:
        root: the package's folder.
        chosen: folders and files below it.
    """
    named = [root / name for name in chosen]
    files = {file for path in named for file in (path.rglob("*.py") if path.is_dir() else [path])}
    told = hashlib.sha256()
    for place, file in sorted((file.relative_to(root).as_posix(), file) for file in files):
        if not place.startswith(LEFT_OUT):
            content = file.read_bytes().replace(b"\r\n", b"\n")
            told.update(f"{place} {len(content)}\n".encode() + content)
    return told.hexdigest()[:DIGITS]
