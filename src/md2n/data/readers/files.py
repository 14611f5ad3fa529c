"""Files before they are read: does a file exist, is it empty, what kind is it?"""

import difflib
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from md2n.errors import DataError
from md2n.reading import reading, regular, shown

Kind = Literal["pickle", "npz", "npy", "hdf5", "other"]

UNDERSTOOD = (
    "md2n reads: an MMSA pickle (.pkl), a data.npz, CMU SDK .csd files (a folder of them), "
    "a folder with samples.csv and .npy files, a folder with labels.csv and a sub-folder of files or a table "
    "(.csv with ids) per modality, one table (.parquet, .csv) with the columns of all modalities, "
    "and its own stores"
)

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip archive"),
    (b"PK\x05\x06", "empty zip archive"),
    (b"\x89HDF\r\n\x1a\n", "HDF5 file"),
    (b"\x93NUMPY", "NumPy array"),
    (b"\x1f\x8b", "gzip archive"),
    (b"BZh", "bzip2 archive"),
    (b"\xfd7zXZ", "xz archive"),
    (b"7z\xbc\xaf", "7z archive"),
    (b"MATLAB", "MATLAB file"),
    (b"PAR1", "Parquet file"),
    (b"RIFF", "RIFF (wav or avi) file"),
    (b"version https://git-lfs", "Git LFS pointer (the data themselves were not fetched)"),
    (b"<!DOCTYPE", "web page (a download that failed)"),
    (b"<html", "web page (a download that failed)"),
)


def require_file(path: Path) -> Path:
    """The path itself, if it is a file with at least one byte.

    Raises:
        DataError: it does not exist (the hint names the nearest neighbour), is a folder, a pipe, a socket or a device,
            is empty or cannot be read.
    """
    with reading(path, hint="check the path, and the permissions of the file"):
        if path.is_dir():
            raise DataError(f"'{shown(path)}' is a folder, not a file", UNDERSTOOD)
        if not path.exists():
            raise DataError(f"'{shown(path)}' does not exist", _neighbour(path))
        regular(path)
        with path.open("rb") as stream:
            first = stream.read(1)
    if not first:
        raise DataError(f"'{path}' is empty (0 bytes)", "copy or download the file again")
    return path


def _neighbour(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"the folder '{folder}' does not exist either; check the path"
    near = difflib.get_close_matches(path.name, [p.name for p in folder.iterdir()], n=1, cutoff=0.5)
    return f"did you mean '{folder / near[0]}'?" if near else "check the path"


def signature(path: Path) -> str:
    """What the first bytes say in words, or ``""`` where they say nothing."""
    with path.open("rb") as stream:
        head = stream.read(32)
    return next((words for magic, words in _SIGNATURES if head.startswith(magic)), "")


def kind_of(path: Path) -> Kind:
    """The kind of a file by its first bytes; the suffix decides only between zip archives and between pickles.

    A pickle of protocol 2 or later starts with byte 0x80; older ones have no signature, so that ``.pkl`` and
    ``.pickle`` are believed.
    """
    words = signature(path)
    if words == "HDF5 file":
        return "hdf5"
    if words == "NumPy array":
        return "npy"
    if words.endswith("zip archive"):
        return "npz" if path.suffix.lower() == ".npz" else "other"
    if words:
        return "other"
    with path.open("rb") as stream:
        head = stream.read(2)
    if len(head) == 2 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return "pickle"
    return "pickle" if path.suffix.lower() in (".pkl", ".pickle") else "other"


def what_is(path: Path) -> str:
    """A few words for messages: ``HDF5 file``, ``file with the suffix '.txt'``."""
    return signature(path) or (
        f"file with the suffix '{path.suffix}'" if path.suffix else "file without a known signature or suffix"
    )


def plain_name(name: str) -> str:
    """A name as modalities bear it: letters, digits, points, hyphens; anything else becomes an underscore."""
    return re.sub(r"[^\w.-]", "_", name)


def fingerprints(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Name, size in bytes and SHA-256 of every file: what the store's manifest keeps of its origin."""
    entries = []
    for path in paths:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        entries.append({"name": path.name, "bytes": path.stat().st_size, "sha256": digest})
    return entries
