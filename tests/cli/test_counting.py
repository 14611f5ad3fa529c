"""Progress on stderr: before anything heavy is loaded, now and then without a terminal, not at all if quiet."""

import io
import subprocess
import sys
import time

import pytest

from md2n.cli.counting import counted
from tests.cli.commands import ALONE, ask

# Ends where what takes long to load would be loaded.
ENDED = 99
LOADING = f"""
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "md2n.extraction.listing"):
            sys.stderr.flush()
            os._exit({ENDED})
sys.meta_path.insert(0, Watch())
from md2n.cli.main import run
run(sys.argv[1:])
"""

COMMANDS = {
    "evaluate": ["evaluate", "no-run"],
    "predict": ["predict", "no-run", "--data", "digits"],
    "recover": ["recover", "no-run", "--data", "digits", "--out", "filled"],
    "benchmark": ["benchmark", "--data", "digits", "--models", "no-method", "--out", "bench"],
    "extract": ["extract", "no-clips", "--out", "store"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_sign_of_life_comes_before_anything_is_loaded(tmp_path, name):
    command = [sys.executable, "-c", LOADING, *COMMANDS[name]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=ALONE, check=False)
    assert (done.returncode, done.stdout) == (ENDED, "")  # it got as far as loading
    (sign,) = done.stderr.splitlines()
    assert sign.endswith(" ...")


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("quiet", [False, True])
def test_who_wants_quiet_sees_the_error_alone(tmp_path, monkeypatch, capsys, name, quiet):
    monkeypatch.chdir(tmp_path)
    said = ask(capsys, *COMMANDS[name], *(["-q"] if quiet else []))
    signs = [line for line in said.err.splitlines() if line.endswith(" ...")]
    assert said.code not in (0, 1) and "error: " in said.err and said.out == ""
    assert len(signs) == (0 if quiet else 1)


def test_without_a_terminal_there_is_a_line_per_tenth(capsys):
    with counted("work") as count:
        for done in range(1, 1001):
            count(done, 1000, "things")
        count(1, 2, "others")
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert lines[:3] == ["work ...", "work: [1/1000] things", "work: [100/1000] things"]
    assert lines[-2:] == ["work: [1000/1000] things", "work: [1/2] others"]
    assert len(lines) == 13


def test_what_takes_minutes_has_a_line_for_each(capsys):
    with counted("bench", every=True) as count:
        for text in ("a begins", "a begins", "b begins", "a done"):
            count(0, 30, text)
    assert capsys.readouterr().err.splitlines()[1:] == [
        f"bench: [0/30] {t}" for t in ("a begins", "b begins", "a done")
    ]


def test_quiet_is_silent(capsys):
    with counted("work", quiet=True) as count:
        count(1, 2, "things")
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_there_is_a_bar_and_stdout_stays_clean(capsys, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with counted("evaluating [run]") as count:
        count(3, 12, "things [x]")
        sys.stdout.write("data\n")
        time.sleep(0.3)
    assert capsys.readouterr().out == "data\n"
    shown = terminal.getvalue()
    assert "evaluating [run]" in shown and "3/12" in shown and "things [x]" in shown
