"""How a script ends when md2n refuses what it was given."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from md2n.errors import Md2nError


@contextmanager
def in_two_lines() -> Iterator[None]:
    """As the command line does: what is wrong, what to do next, the error's exit code; no traceback."""
    try:
        yield
    except Md2nError as refusal:
        sys.stderr.write(f"error: {refusal.message}\nnext: {refusal.hint}\n")
        sys.exit(refusal.exit_code)
