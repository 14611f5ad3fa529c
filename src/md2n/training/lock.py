"""One process at a time works in a folder, by a lock of the operating system (``filelock``).

The system releases the lock when its process ends, however it ends, so the file that a killed process or a reboot
leaves behind blocks nobody.  That is why it is a ``FileLock`` and no ``SoftFileLock``, which is a file whose existence
is the lock.  On a network file system the lock holds between machines where the file system has locks.  Where it has
none at all, ``filelock`` itself takes a soft lock: it removes that of a dead process of the same machine, and that of
another machine has to be removed by hand.
"""

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from md2n.durable import refused
from md2n.errors import RunError, StorageError

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class FolderLock:
    """Held from ``__enter__`` to ``__exit__``, or until the process ends.

    Args:
        path: of the lock file.
        doing: what is done in its folder, for the message to another process.

    Raises:
        RunError: another process holds it (on entering).
        StorageError: the file cannot be written, or the file system has no locks.
    """

    def __init__(self, path: Path, doing: str = "training in") -> None:
        self.path, self.doing = path, doing
        self._lock: BaseFileLock = FileLock(path, timeout=0, thread_local=False)  # any thread may release it

    def __enter__(self) -> "FolderLock":
        try:
            self._lock.acquire()
        except Timeout as error:
            hint = "wait for it, stop it, or choose another folder"
            if isinstance(self._lock, SoftFileLock):
                hint += f"; if it ended long ago on another machine, remove {self.path}"
            raise RunError(f"{self._holder()} is {self.doing} {self.path.parent}", hint) from error
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in NO_LOCKS:
                raise refused(self.path, error) from error
            raise StorageError(
                f"the file system of {self.path.parent} has no locks: {error}", "choose a folder on another disk"
            ) from error
        if not isinstance(self._lock, SoftFileLock):  # a soft lock has the holder in it
            with suppress(OSError):  # the lock holds without the holder's name
                self.path.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def _holder(self) -> str:
        with suppress(OSError, ValueError):  # no name to read: another version's lock, or it went meanwhile
            text = self.path.read_text(encoding="utf-8").strip()
            if text.startswith("process "):
                return text
        return "another process"
