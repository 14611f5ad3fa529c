"""Files that somebody else wrote: whatever their reading raises becomes one error that names the file and the cause.

Which exception a damaged or hostile file ends in depends on where it is damaged, so no reader lists them.  A reader
refuses by name what it knows; ``reading`` turns everything else.  The exception stays as the cause: ``md2n --debug``
shows it.
"""

import errno
import functools
import json
import math
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from md2n.errors import DataError, Md2nError

P = ParamSpec("P")
R = TypeVar("R")
AGAIN = "copy or download the file again; MD2N_DEBUG=1 shows where it went wrong"
MOST_BYTES = 1 << 28  # of a file that is read at once and made into Python's objects, which take many times as much
LONGEST = 200  # characters of a cause, or of a path, in a message

_SPECIAL = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@contextmanager
def reading(
    path: str | os.PathLike[str],
    refusal: Callable[[str, str], Md2nError] = DataError,
    hint: str = AGAIN,
    state: str = "cannot be read",
) -> Iterator[None]:
    """Whatever is raised inside becomes ``refusal``, naming ``path``; errors of md2n's own pass as they are.

    Args:
        path: of what is read.
        refusal: makes the error from message and hint: one of ``md2n.errors``, or a function.
        hint: the next step.
        state: what is said of the file before the cause.

    Raises:
        Md2nError: as ``refusal`` makes it, with the exception as its cause.

    >>> with reading("x.json"):
    ...     int("?")
    Traceback (most recent call last):
    ...
    md2n.errors.DataError: 'x.json' cannot be read: ValueError: invalid literal for int() with base 10: '?'
      next: copy or download the file again; MD2N_DEBUG=1 shows where it went wrong
    """
    try:
        yield
    except Md2nError:
        raise
    except Exception as error:
        raise refusal(f"'{shown(path)}' {state}: {cause(error)}", hint) from error


def named(hint: str = AGAIN) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Puts a whole function inside ``reading`` of the path that is its first argument.

    A ``DataError`` of md2n's own that names neither that path nor a file below it gets it in front.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def guarded(*arguments: P.args, **options: P.kwargs) -> R:
            path = arguments[0] if arguments else next(iter(options.values()))
            with reading(str(path), hint=hint):
                try:
                    return function(*arguments, **options)
                except DataError as error:
                    if str(path) in error.message or shown(str(path)) in error.message:
                        raise
                    raise type(error)(f"'{shown(str(path))}': {error.message}", error.hint) from error

        return guarded

    return decorate


def exists(path: Path, refusal: Callable[[str, str], Md2nError] = DataError) -> bool:
    """True where something is at a path.

    Raises:
        Md2nError: as ``refusal`` makes it: the path cannot be looked at (too long, forbidden).
    """
    with reading(path, refusal, "check the path"):
        return path.exists()


def cause(error: BaseException) -> str:
    """What an exception says, in part of a sentence: one line, of bounded length."""
    if isinstance(error, MemoryError):
        return "it would take more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, KeyError):
        return _short(f"it lacks {error}")
    lines = str(error).strip().splitlines()
    return _short(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__)


def shown(path: str | os.PathLike[str]) -> str:
    """A path for a message: its unprintable characters escaped, its middle left out where it is very long."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in str(path))
    return text if len(text) <= 2 * LONGEST else f"{text[:LONGEST]}...{text[-LONGEST:]}"


def regular(path: Path) -> os.stat_result:
    """The facts of a file.

    Raises:
        OSError: nothing is there; or a folder, a pipe, a socket or a device, whose reading may never end.
    """
    facts = path.stat()
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path))
    for is_kind, words in _SPECIAL:
        if is_kind(facts.st_mode):
            raise OSError(errno.EINVAL, f"it is {words}, not a file", str(path))
    return facts


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a file.

    Args:
        path: of the file.
        most: bytes that such a file may have.

    Raises:
        OSError: no regular file is there, it may not be read, or it is larger than ``most``.
    """
    size = regular(path).st_size
    if size > most:
        raise OSError(errno.EFBIG, f"it has {size} bytes, and such a file has at most {most}", str(path))
    return path.read_bytes()


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The content of a UTF-8 file; a byte order mark is left out.

    Raises:
        OSError: as ``read_bytes``.
        UnicodeDecodeError: it is no UTF-8.
    """
    return read_bytes(path, most).decode("utf-8-sig")


def read_json(path: Path, most: int = MOST_BYTES) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: as ``read_bytes``.
        ValueError: it is no JSON, no UTF-8, or nested too deeply.
    """
    return parse_json(read_bytes(path, most))


def parse_json(text: str | bytes) -> Any:
    """What JSON says.

    Raises:
        ValueError: it is no JSON, no UTF-8, nested too deeply, or holds a number beyond float64: no file of md2n does,
            and it could not be written again.
    """
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_finite)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:LONGEST]} is no finite number")
    return number


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
