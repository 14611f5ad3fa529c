"""The command itself: help, exits by kind of error, signals, pipes."""

import os
import signal
import subprocess
import sys

import pytest

from md2n import __version__
from md2n.cli import main
from md2n.cli.main import COMMANDS, run
from md2n.errors import (
    ConfigError,
    DataError,
    DivergenceError,
    InterruptedRun,
    Md2nError,
    RunError,
    StorageError,
    UsageError,
)
from tests.cli.asking import ALONE, ask, refused, start


def test_help_names_every_command(capsys):
    for arguments in ([], ["--help"], ["-h"]):
        said = ask(capsys, *arguments)
        assert said.code == 0
        assert all(f"\n  {name} " in said.out for name in COMMANDS)
        assert said.err == ""
    assert ask(capsys, "--version").out == f"md2n {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(capsys, name):
    said = ask(capsys, name, "--help")
    assert said.code == 0
    assert f"md2n {name}" in said.out
    assert name == "data" or "Examples:\n    md2n " in said.out


def test_help_of_every_command_imports_no_torch():
    code = (
        "import sys\nfrom md2n.cli.main import run, COMMANDS\n"
        "for name in COMMANDS:\n"
        "    try: run([name, '--help'])\n"
        "    except SystemExit as e: assert not e.code\n"
        "heavy = {'torch', 'sklearn', 'matplotlib', 'h5py', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=ALONE, stdout=subprocess.DEVNULL)


def test_unknown_words_are_answered_with_the_nearest(capsys):
    assert "did you mean 'train'" in refused(capsys, 2, "no command is called 'tran'", "tran")
    refused(capsys, 2, "no option is called '--hepl'", "--hepl")
    said = ask(capsys, "train", "--sed", "1")
    assert said.code == 2
    assert "No such option: --sed" in said.err
    assert "--seed" in said.err
    assert ask(capsys, "predict").code == 2
    assert "missing argument 'run'" in ask(capsys, "predict", "--data", "digits").err.lower()
    assert "Missing option '--data'" in ask(capsys, "predict", "runs/x").err


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Md2nError, 1),
        (UsageError, 2),
        (DataError, 3),
        (ConfigError, 4),
        (RunError, 5),
        (DivergenceError, 6),
        (StorageError, 7),
        (InterruptedRun, 130),
    ],
)
def test_every_kind_of_error_has_its_exit_code(capsys, monkeypatch, kind, code):
    def dispatch(arguments):
        raise kind("it went wrong", "do this")

    monkeypatch.setattr(main, "dispatch", dispatch)
    said = ask(capsys)
    assert (said.code, said.out, said.err) == (code, "", "error: it went wrong\nnext: do this\n")
    monkeypatch.setenv("MD2N_DEBUG", "1")
    with pytest.raises(kind):
        run([])


def test_a_bug_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(main, "dispatch", lambda arguments: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        run([])


def test_ctrl_c_anywhere_ends_in_a_word(capsys, monkeypatch):
    def interrupted(*_):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("md2n.data.ready.describe", interrupted)
    said = ask(capsys, "data", "list")
    assert (said.code, said.out, said.err) == (130, "", "stopped\n")


@pytest.mark.parametrize("arguments", [["--help"], ["data", "info", "digits"], ["train", "--help"]])
def test_a_reader_that_has_gone_is_no_error(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    process = start(*arguments, stdout=writing)
    os.close(writing)
    assert process.communicate()[1] == ""
    assert process.returncode == 141
