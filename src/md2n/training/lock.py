"""One process trains in a folder.  The lock is the operating system's, so a dead process holds none."""

import os
import socket
from pathlib import Path
from types import TracebackType
from typing import IO

from md2n.durable import refused
from md2n.errors import RunError


class FolderLock:
    """Held from ``__enter__`` to ``__exit__``, or until the process ends in whatever way.

    Args:
        path: of the lock file; it stays behind and means nothing by itself.
        doing: what is done in its folder, for the message to another process.
    """

    def __init__(self, path: Path, doing: str = "training in") -> None:
        self.path, self.doing = path, doing
        self._file: IO[str] | None = None

    def __enter__(self) -> "FolderLock":
        try:
            file = self.path.open("a+", encoding="utf-8")
        except OSError as error:
            raise refused(self.path, error) from error
        if not _take(file):
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise RunError(
                f"{holder} is {self.doing} {self.path.parent}",
                "wait for it, stop it, or choose another folder",
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _take(file: IO[str]) -> bool:
    """True if the lock is now ours; False if another process holds it."""
    if os.name == "nt":  # pragma: no cover - Windows has no flock
        import msvcrt

        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
