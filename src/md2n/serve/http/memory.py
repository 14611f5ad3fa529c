"""Memory that was freed goes back to the system, so that a server's does not grow with what it has answered.

The GNU C library keeps freed blocks in several arenas and finds few of them again when the sizes of batches change.
docs/log.md, 2026-11-30, has what it kept, and what asking for it costs.
"""

import ctypes
import sys

EVERY = 16  # batches


def give_back() -> bool:
    """Gives freed memory back; False where the C library is another, which is not asked."""
    if sys.platform != "linux":
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:  # musl
        return False
    trim(ctypes.c_size_t(0))
    return True
