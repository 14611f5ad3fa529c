"""Two processes cannot work in one folder; a process that ended blocks nobody; what a file system refuses is named."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from md2n.errors import RunError, StorageError
from md2n.training.lock import FolderLock

HOLD = """
import sys, time
from pathlib import Path
from md2n.training.lock import FolderLock
with FolderLock(Path(sys.argv[1]), "extracting into"):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_the_process_that_works_in_a_folder_is_named_and_one_that_was_killed_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "locked\n"
        with pytest.raises(RunError, match=rf"process {process.pid} on .* is training in .*\n.*wait for it"):
            FolderLock(path).__enter__()
        os.kill(process.pid, signal.SIGKILL)
    assert path.read_text().startswith(f"process {process.pid}")  # what a kill leaves behind
    with FolderLock(path):
        assert path.read_text().startswith(f"process {os.getpid()}")
    with FolderLock(path):
        pass


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EROFS, r"cannot write .*Read-only file system\n.*can be written"),
        (errno.EACCES, r"cannot write .*Permission denied\n.*can be written"),
        (errno.ENOLCK, r"the file system of .* has no locks.*\n.*another disk"),
    ],
)
def test_a_folder_that_cannot_be_locked_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    def refuse(lock: FileLock) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, "_acquire", refuse)
    with pytest.raises(StorageError, match=message), FolderLock(tmp_path / ".lock"):
        pass


def test_without_locks_of_the_system_a_soft_lock_is_taken_and_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl", reason="this system has no flock")

    def refuse(file: int, how: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    path = tmp_path / ".lock"
    with pytest.warns(UserWarning, match="SoftFileLock"), FolderLock(path):
        assert str(os.getpid()) in path.read_text()
        with pytest.warns(UserWarning), pytest.raises(RunError, match=rf"another process is.*\n.*remove {path}"):
            FolderLock(path).__enter__()
    assert not path.exists()
