"""Files of a report, each whole or not at all."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from md2n.durable import make_directory, write_bytes, write_json
from md2n.reading import read_json

WRITTEN = "files.json"  # names, relative to the report, of what it consists of


def write_whole(path: Path, data: bytes | str) -> Path:
    """Puts ``data`` at ``path``, folders and all; text is UTF-8.

    Returns:
        ``path``.

    Raises:
        StorageError: writing failed; what stood at ``path`` before is untouched.
    """
    make_directory(path.parent)
    write_bytes(path, data.encode() if isinstance(data, str) else data)
    return path


def remove_others(folder: Path, written: Iterable[Path]) -> None:
    """Removes what an earlier report wrote into ``folder`` and this one did not, and remembers what this one wrote.

    Raises:
        StorageError: it cannot be remembered.
    """
    names = sorted({path.relative_to(folder).as_posix() for path in written})
    try:
        before = list(map(str, read_json(folder / WRITTEN)["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        before = []  # no report yet, or one that did not say
    for name in set(before) - set(names):
        old = folder / name
        if old.resolve().is_relative_to(folder.resolve()):  # a list that somebody edited leads nowhere else
            with suppress(OSError):  # one that another program holds open stays; the page no longer shows it
                old.unlink(missing_ok=True)
    write_json(folder / WRITTEN, {"format": 1, "files": names})
