"""Writing that survives a power cut: beside, flushed to the disk, renamed.  A reader sees the old or the new, whole.

What the operating system refuses (disk full, no permission) becomes a ``StorageError``, and nothing half written stays.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from md2n.errors import StorageError

BESIDE = ".tmp"  # the suffix of what is being written; leftovers of a killed process are overwritten or removed


def write_bytes(path: Path, content: bytes) -> None:
    """The file with this content, or as it was before.

    Raises:
        StorageError: it cannot be written.
    """
    beside = path.with_name(path.name + BESIDE)
    with _refusals(path, beside):
        _write(beside, content)
        beside.replace(path)
        flush_directory(path.parent)


def write_json(path: Path, value: Any) -> None:
    """``write_bytes`` of readable JSON."""
    write_bytes(path, encode_json(value))


def encode_json(value: Any) -> bytes:
    """Indented JSON with a final line break; strict, so NaN and infinities are refused."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def write_directory(path: Path, files: Mapping[str, bytes]) -> None:
    """A new directory with these files in this order, or nothing at all.

    Raises:
        StorageError: it cannot be written.
    """
    beside = path.with_name(path.name + BESIDE)
    with _refusals(path, beside):
        if beside.exists():
            shutil.rmtree(beside)
        beside.mkdir(parents=True)
        for name, content in files.items():
            _write(beside / name, content)
        flush_directory(beside)
        if path.exists():
            shutil.rmtree(path)
        beside.rename(path)
        flush_directory(path.parent)


def make_directory(path: Path) -> None:
    """The directory and its parents.

    Raises:
        StorageError: it cannot be made, or a file stands in its place.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(path, error) from error


def refused(path: Path, error: OSError) -> StorageError:
    """The error to raise when the operating system does not let ``path`` be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    hint = "make room on the disk" if full else "choose a folder that can be written"
    return StorageError(
        f"cannot write {path}: {error.strerror or error}", f"{hint}; what was there before is untouched"
    )


def flush_directory(path: Path) -> None:
    """Makes the names in a directory durable, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _refusals(path: Path, beside: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # The reason for the refusal may refuse the tidying too; what stays is overwritten by the next attempt.
        with suppress(OSError):
            shutil.rmtree(beside) if beside.is_dir() else beside.unlink()
        raise refused(path, error) from error
