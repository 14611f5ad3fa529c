"""A command of md2n in a process of its own, without the wait for torch to be imported once more.

On Linux processes are forked from a server that has imported torch and has done nothing with it, so a command takes
the time of its work; docs/log.md, 2026-11-30, has what that spares.  Elsewhere each process imports anew.
"""

import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# What most commands import.  Nothing of md2n: an environment variable may add methods, and it is read on import.
HEAVY = ["torch", "scipy.stats", "sklearn.linear_model"]
METHOD = "forkserver" if sys.platform == "linux" else "spawn"


def warm_up() -> None:
    """Starts the server from which workers are forked; nothing where there is one, or none is used."""
    if METHOD != "forkserver":
        return
    from multiprocessing import forkserver

    forkserver.set_forkserver_preload(HEAVY)
    before = {key: os.environ.get(key) for key in THREADS}
    os.environ.update(THREADS)  # libraries read it when they are imported, in the server
    try:
        forkserver.ensure_running()
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


class Worker:
    """One command under way.

    Args:
        command: the words after ``md2n``.
    """

    def __init__(self, command: Sequence[str]) -> None:
        handle, name = tempfile.mkstemp(prefix="md2n-", suffix=".stderr")
        os.close(handle)
        self.errors = Path(name)
        arguments = (list(command), {**os.environ, **THREADS}, str(Path.cwd()), name)
        context = multiprocessing.get_context(METHOD)
        # A context that is named by a variable has no type with a Process.
        self.process = context.Process(target=perform, args=arguments)  # type: ignore[attr-defined]
        self.process.start()

    def wait(self) -> tuple[int, str]:
        """Exit code, negative for a signal that ended it, and what it wrote to stderr."""
        self.process.join()
        output = self.errors.read_text(encoding="utf-8", errors="replace")
        self.errors.unlink(missing_ok=True)
        return self.process.exitcode or 0, output

    def interrupt(self) -> None:
        """Asks it to save its state and to end."""
        with suppress(ProcessLookupError):  # it ended in between
            if self.process.is_alive() and self.process.pid is not None:
                os.kill(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """Ends it at once."""
        self.process.kill()


def perform(command: Sequence[str], environment: Mapping[str, str], folder: str, errors: str) -> None:
    """Runs a command in this process, which is new; ends with the command's exit code.

    Args:
        command: the words after ``md2n``.
        environment: all variables.
        folder: to work in.
        errors: file that receives stderr.

    Raises:
        SystemExit: always.
    """
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C reaches it once, from the crew: a second one would not let it save
    with Path(errors).open("a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 2)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["md2n", *command]
    runpy.run_module("md2n.cli.main", run_name="__main__", alter_sys=True)
