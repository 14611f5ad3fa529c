"""Ctrl-C, a termination signal or a closed terminal, from the first moment on: one line and an exit code, no traceback.

Training takes the signals over while its loop runs (``md2n.training.interrupt``), and a benchmark while its runs do.
"""

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
AGAIN_S = 0.02
SIGNALLED = 128  # what shells add to the number of the signal that ended a program


class SignalInterrupt(KeyboardInterrupt):
    """Of its own type: where the plain one ends compiled code that was being run, Python ends itself by SIGINT."""


class Stop:
    """Which signal came, if one did."""

    number: int = 0

    @property
    def exit_code(self) -> int:
        """As a shell tells of a program that a signal ended; 130 for Ctrl-C."""
        return SIGNALLED + (self.number or signal.SIGINT)

    @property
    def line(self) -> str:
        """What is said of it."""
        named = self.number not in (0, signal.SIGINT)
        return f"stopped by {signal.Signals(self.number).name}" if named else "stopped"


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Within the block a signal raises a ``KeyboardInterrupt``, so that what is half written is tidied, and is noted.

    Signals that are ignored (under ``nohup``, in the background) stay so.  Outside the main thread, where Python
    handles no signals, nothing changes.
    """
    stop = Stop()

    def end(number: int, frame: FrameType | None) -> None:
        stop.number = number
        raise SignalInterrupt

    def ignored(what: "sys.UnraisableHookArgs") -> None:
        # It came in a finaliser or a callback, where Python drops exceptions: it comes again a little later.
        if isinstance(what.exc_value, SignalInterrupt):
            later = threading.Timer(AGAIN_S, _thread.interrupt_main, (stop.number,))
            later.daemon = True
            later.start()
        else:
            hook(what)

    hook, before = sys.unraisablehook, dict[int, Any]()
    if threading.current_thread() is threading.main_thread():
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, end)
        sys.unraisablehook = ignored
    try:
        yield stop
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
