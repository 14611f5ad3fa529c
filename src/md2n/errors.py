"""Every error md2n raises on purpose: a sentence that says what is wrong, a hint that says what to do next.

The command line prints ``error: message`` and ``next: hint`` and ends with the class's ``exit_code``;
in Python the same text is the exception's message.  Anything else that escapes is a bug.
"""

import difflib
from collections.abc import Iterable

LISTED, COMPARED, LONGEST = 40, 1000, 100  # names in a hint, names compared, characters of a name compared


class Md2nError(Exception):
    """Root of the tree; catch it to catch everything md2n refuses.

    Args:
        message: what is wrong, naming the thing that is wrong.
        hint: the next step for the person who reads it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\n  next: {hint}" if hint else message)
        self.message = message
        self.hint = hint


class UsageError(Md2nError):
    """A call that cannot be meant: unknown name, contradictory options."""

    exit_code = 2


class DataError(Md2nError):
    """Data that cannot be read or does not hold together."""

    exit_code = 3


class UnsafeFileError(DataError):
    """A file that would run code when opened; it was not run."""


class ConfigError(Md2nError):
    """A configuration with an unknown key, a value out of its range, or values that contradict one another."""

    exit_code = 4


class RunError(Md2nError):
    """A run folder that is absent, of another configuration or version, or damaged."""

    exit_code = 5


class DivergenceError(Md2nError):
    """A loss, a prediction or a recovered value that is no number; a training keeps its last good checkpoint."""

    exit_code = 6


class StorageError(Md2nError):
    """Writing failed (disk full, no permission); what was there before is untouched."""

    exit_code = 7


class LostProcess(Md2nError):  # noqa: N818 - it says what happened
    """Another process of the same training ended; the last checkpoint is whole and the same command goes on."""

    exit_code = 8


class InterruptedRun(Md2nError):  # noqa: N818 - not an error of the program: the person asked for it
    """Ctrl-C or a termination signal; the state is saved and the same command goes on."""

    exit_code = 130


def install_hint(extra: str) -> str:
    """The hint for an optional package that is not installed: how to get md2n's extra, from an index or from a clone.

    >>> install_hint("plot")
    "pip install 'md2n[plot]', or from a clone of md2n: pip install -e '.[plot]'"
    """
    return f"pip install 'md2n[{extra}]', or from a clone of md2n: pip install -e '.[{extra}]'"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The hint for an unknown name: the nearest known one, or all of them.

    >>> did_you_mean("mosy", ["mosi", "mfeat"])
    "did you mean 'mosi'? (known: mfeat, mosi)"
    """
    names = sorted(map(str, known))
    near = difflib.get_close_matches(name[:LONGEST], names[:COMPARED], n=1, cutoff=0.5)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    everything = f"known: {', '.join(names[:LISTED])}{more}" if names else "none are known"
    return f"did you mean '{near[0]}'? ({everything})" if near else everything
