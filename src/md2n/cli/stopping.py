"""Handling of Ctrl-C, termination signals and a closed terminal: one line and an exit code instead of a traceback.

During training the signals are handled by ``md2n.training.interrupt``; a benchmark passes them on to its workers.
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
SIGNALLED = 128  # added by shells to the number of the signal that ended a program


class SignalInterrupt(KeyboardInterrupt):
    """A separate type: if a plain KeyboardInterrupt ends compiled code, Python ends itself by SIGINT."""


class Stop:
    """The signal that stopped the program; ``number`` is 0 without any."""

    number: int = 0

    @property
    def exit_code(self) -> int:
        """The exit code of a shell for a program ended by the signal; 130 for Ctrl-C."""
        return SIGNALLED + (self.number or signal.SIGINT)

    @property
    def line(self) -> str:
        """The message."""
        named = self.number not in (0, signal.SIGINT)
        return f"stopped by {signal.Signals(self.number).name}" if named else "stopped"


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Within the context a signal is recorded and raises a ``KeyboardInterrupt``, so unfinished files are removed.

    Ignored signals (under ``nohup``, in the background) stay ignored.  Outside the main thread, where Python handles
    no signals, the context has no effect.
    """
    stop = Stop()

    def end(number: int, frame: FrameType | None) -> None:
        stop.number = number
        raise SignalInterrupt

    def ignored(what: "sys.UnraisableHookArgs") -> None:
        # Python drops an exception in a finaliser or a callback, so the interrupt is repeated a little later.
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
