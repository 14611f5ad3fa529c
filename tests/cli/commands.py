"""The whole program, in this process or in one of its own."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

from md2n.cli.main import run

PROGRESS = re.compile(r" \.\.\.$|: \[\d+/\d+\]")
ALONE = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


def ask(capsys: pytest.CaptureFixture[str], *arguments: object) -> Said:
    """``md2n ARGUMENTS`` in this process."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run([str(a) for a in arguments])
    captured = capsys.readouterr()
    return Said(int(ended.value.code or 0), captured.out, captured.err)


def refused(capsys: pytest.CaptureFixture[str], code: int, text: str, *arguments: object) -> str:
    """Checks that a command is refused: exit code, message, next step, nothing on stdout.

    Returns:
        What it said, without the lines of progress that may come before.
    """
    said = ask(capsys, *arguments)
    assert said.code == code, said
    assert text in said.err
    lines = [line for line in said.err.splitlines(keepends=True) if not PROGRESS.search(line)]
    assert lines[0].startswith("error: ")
    assert any(line.startswith("next: ") for line in lines[1:])
    assert said.out == ""
    return "".join(lines)


def start(*arguments: object, **more: object) -> subprocess.Popen[str]:
    """``md2n ARGUMENTS`` in a process of its own."""
    command = [sys.executable, "-m", "md2n.cli.main", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    return subprocess.Popen(command, text=True, env=ALONE, **pipes)  # type: ignore[call-overload]
