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
from typing import IO, Any

from md2n.errors import StorageError

BESIDE = ".tmp"  # the suffix of what is being written; leftovers of a killed process are overwritten or removed


def write_bytes(path: Path, content: bytes) -> None:
    """The file with this content, or as it was before; through a link, the file that it leads to.

    Raises:
        StorageError: it cannot be written.
    """
    place = target(path)
    beside = place.with_name(place.name + BESIDE)
    with _refusals(path, beside), _held(beside):
        _write(beside, content)
        beside.replace(place)
        flush_directory(place.parent)


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """An open file to write piece by piece; it takes its place when the block ends, and not at all after an error.

    Raises:
        StorageError: it cannot be written.
    """
    place = target(path)
    beside = place.with_name(place.name + BESIDE)
    with _refusals(path, beside), _held(beside):
        try:
            with beside.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            beside.replace(place)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        flush_directory(place.parent)


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


def tidy(folder: Path) -> None:
    """Removes files that a killed process was writing in a folder; those that a living one writes stay.

    Folders are left alone, and so is what cannot be removed.
    """
    for leftover in folder.glob(f"*{BESIDE}") if folder.is_dir() else ():
        if leftover.is_file() and not leftover.is_symlink():
            with suppress(OSError), leftover.open("r+b") as file:
                if _lock(file, wait=False) and _is_at(leftover, file):
                    leftover.unlink()


def make_directory(path: Path) -> None:
    """The directory and its parents; through a link, the directory that it leads to.

    Raises:
        StorageError: it cannot be made, or there is a file in its place.
    """
    try:
        target(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(path, error) from error


def target(path: Path) -> Path:
    """Where a path leads, through links, whether something is there or not.

    Raises:
        StorageError: links that lead to one another.
    """
    try:
        return path.resolve()
    except (RuntimeError, OSError) as error:
        raise StorageError(f"cannot write {path}: its links lead nowhere", "give a path without that link") from error


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
def _held(beside: Path) -> Iterator[None]:
    """Within the block no other process writes or tidies the file: the lock is the operating system's."""
    while os.name != "nt":
        with beside.open("ab") as file:
            _lock(file, wait=True)
            if not _is_at(beside, file):  # it was renamed or removed while this process waited
                continue
            yield
            return
    yield  # pragma: no cover - what is open cannot be renamed there


def _lock(file: IO[bytes], wait: bool) -> bool:
    """Takes the lock of an open file; False where another process has it.  Without locks everyone has it."""
    if os.name == "nt":  # pragma: no cover - what is open there cannot be removed anyway
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:  # a file system without locks
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    return True


def _is_at(path: Path, file: IO[bytes]) -> bool:
    """True where the open file still has that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


@contextmanager
def _refusals(path: Path, beside: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # The reason for the refusal may refuse the tidying too; what stays is overwritten by the next attempt.
        with suppress(OSError):
            shutil.rmtree(beside) if beside.is_dir() else beside.unlink()
        raise refused(path, error) from error
