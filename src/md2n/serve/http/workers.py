"""Several processes that serve one model: they share a socket, and one that ends is replaced.

The first process holds the socket, and neither a model nor threads: so it can fork at any time.  It forks a worker,
waits until that one can serve, forks the others, and watches.  A connection that no worker has taken yet waits at the
socket, whichever worker ends.
"""

import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from md2n.errors import UsageError

SIGNALS = (signal.SIGINT, signal.SIGTERM)
YOUNG, PAUSE = 10.0, 1.0  # seconds: after a worker that lived for less than the one, the next begins after the other
METRICS = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client adds up the files that processes write there


@dataclass(frozen=True)
class Worker:
    """What a worker knows of the first process.

    Args:
        first: whether it is the one that the others wait for.
        line: to the first process; it closes when that ends.
    """

    first: bool
    line: socket.socket

    def ready(self) -> None:
        """Says that it can serve.  From here on it ends as by SIGTERM when there is no first process any more."""
        with suppress(OSError):  # what it cannot hear any more, the thread notices
            self.line.send(b"1")
        threading.Thread(target=self._end_with_the_first, daemon=True).start()

    def _end_with_the_first(self) -> None:
        with suppress(OSError):  # a reset, where something was left unread
            self.line.recv(1)
        os.kill(os.getpid(), signal.SIGTERM)


class Workers:
    """The first process's side.

    Args:
        count: of workers.
        notice: says something to people.

    Raises:
        UsageError: the system cannot fork.
    """

    def __init__(self, count: int, notice: Callable[[str], None]) -> None:
        if not hasattr(os, "fork"):
            raise UsageError("this system cannot run several workers", "leave --workers out, or use Linux or macOS")
        self.count, self.notice = count, notice
        self.code = 0
        self._ending = False
        self._lines: dict[int, socket.socket] = {}  # pid -> line of a worker
        self._begun: dict[int, float] = {}

    def run(self) -> Worker | None:
        """Forks, and replaces workers that end.

        Returns:
            In each worker, what it knows.  None in the first process once all workers have ended: after SIGINT or
            SIGTERM, or after one that could not begin, whose exit code is then ``code``.
        """
        folder = tempfile.mkdtemp(prefix="md2n-metrics-")
        os.environ[METRICS] = folder
        before = {number: signal.signal(number, self._end) for number in SIGNALS}
        serving = False
        while self._lines or not self._ending:
            while len(self._lines) < (self.count if serving else 1) and not self._ending:
                worker = self._begin(first=not serving)
                if worker is not None:
                    return worker
                if not serving:
                    (line,) = self._lines.values()
                    serving = bool(line.recv(1))  # nothing comes of one that has ended
            self._await_an_end()
        for number, handler in before.items():
            signal.signal(number, handler)
        shutil.rmtree(folder, ignore_errors=True)
        return None

    def _await_an_end(self) -> None:
        """Waits for a worker to end, and tidies up after it."""
        pid, status = os.waitpid(-1, 0)
        self._lines.pop(pid).close()
        lived = time.monotonic() - self._begun.pop(pid)
        for file in Path(os.environ[METRICS]).glob(f"gauge_live*_{pid}.db"):
            file.unlink()  # what it had open is open no longer
        code = os.waitstatus_to_exitcode(status)
        if code > 0:  # it could not begin, and has said why; another could not either
            self.code = self.code or code
            self._end()
        if not self._ending:
            reason = f"was ended by signal {-code}" if code else "has ended"
            self.notice(f"worker {pid} {reason}; another takes its place")
            time.sleep(PAUSE if lived < YOUNG else 0)

    def _begin(self, first: bool) -> Worker | None:
        """Forks one; gives it in the worker, and None in the first process."""
        ours, theirs = socket.socketpair()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until either knows what to do with one
        try:
            pid = os.fork()
            if not pid:
                for number in SIGNALS:
                    signal.signal(number, signal.SIG_DFL)
                for line in (ours, *self._lines.values()):
                    line.close()
                return Worker(first, theirs)
            self._lines[pid], self._begun[pid] = ours, time.monotonic()
            theirs.close()
            if self._ending:
                os.kill(pid, signal.SIGTERM)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return None

    def _end(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Lets the workers finish what they hold, and replaces none."""
        self._ending = True
        for pid in self._lines:
            os.kill(pid, signal.SIGTERM)
