"""Ctrl-C and termination signals as a wish to stop after the current step, not as an accident in the middle of it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_requests() -> Iterator[Callable[[], str]]:
    """Within the block, the first signal only sets what the given function returns; the second one stops at once.

    Yields:
        A function: the name of the signal that came, or the empty string.  Outside the main thread, where Python
        handles no signals, always the empty string.

    Raises:
        KeyboardInterrupt: at a second signal.
    """
    came: list[str] = []

    def note(number: int, frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: ""
        return
    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield lambda: came[0] if came else ""
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
