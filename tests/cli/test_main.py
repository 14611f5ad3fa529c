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
    LostProcess,
    Md2nError,
    RunError,
    StorageError,
    UsageError,
)
from tests.cli.commands import ALONE, ask, refused, start


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
    assert "Commands:\n" in said.out or "Examples:\n    md2n " in said.out


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
    assert "did you mean '--help'?" in refused(capsys, 2, "no option is called '--hepl'", "--hepl")
    said = refused(capsys, 2, "no option of `md2n train` is called '--sed'", "train", "--sed", "1")
    assert "did you mean '--seed'?" in said


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["predict"], "missing argument 'run'"),
        (["predict", "runs/x"], "missing option '--data'"),
        (["train", "--seed", "x"], "invalid value for '--seed'"),
        (["benchmark", "--data", "d", "--out", "o", "--seeds", "0"], "invalid value for '--seeds'"),
        (["report", "r", "--out"], "--out"),
        (["data", "info", "a", "b"], "unexpected extra argument"),
        (["data"], "missing command"),
        (["data", "lst"], "no such command 'lst'"),
        (["plan", "--rows", "inf"], "numbers of 1 or more"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_refused_in_one_style(capsys, arguments, text):
    said = refused(capsys, 2, text, *arguments)
    lines = said.splitlines()
    assert len(lines) == 2 and lines[0].startswith("error: ") and lines[1].startswith("next: ")
    assert "md2n" in lines[1]


def test_what_an_argument_takes_is_said(capsys):
    assert "md2n predict [OPTIONS]" in (said := refused(capsys, 2, "'run'", "predict"))
    assert "(expected: a finished run folder)" in said
    assert "list, import, check, info" in refused(capsys, 2, "missing command", "data")


def test_python_dash_m_is_the_command():
    done = subprocess.run([sys.executable, "-m", "md2n", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"md2n {__version__}\n"


def completed(words, shell="bash", **more):
    """What a shell is answered that asks for the last of these words."""
    asking = {"_MD2N_COMPLETE": f"complete_{shell}", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-m", "md2n"]
    done = subprocess.run(command, capture_output=True, text=True, env=ALONE | asking | more, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["md2n", "ev"], ["evaluate"]),
        (["md2n", "data", ""], ["list", "import", "check", "info"]),
        (["md2n", "train", "--dev"], ["--device"]),
        (["md2n", "--ver"], ["--version"]),
    ],
    ids=" ".join,
)
def test_tab_completes_commands_and_options(words, answer):
    assert completed(words) == answer


def test_completion_is_installed_for_the_shell_one_is_in(tmp_path):
    # Asked by a script of bash, as a person asks it; nothing but the home of the test is touched.
    script = f"{sys.executable} -m md2n --install-completion && {sys.executable} -m md2n --show-completion"
    done = subprocess.run(
        ["bash", "-c", f"{script}; exit $?"],
        capture_output=True,
        text=True,
        env=ALONE | {"HOME": str(tmp_path)},
        check=True,
        cwd=tmp_path,
    )
    assert "_MD2N_COMPLETE=complete_bash" in done.stdout
    assert "complete_bash" in (tmp_path / ".bash_completions" / "md2n.sh").read_text()
    assert "md2n.sh" in (tmp_path / ".bashrc").read_text()


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
        (LostProcess, 8),
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


@pytest.mark.parametrize("kind", [ZeroDivisionError, RecursionError, MemoryError, KeyError])
def test_a_fault_of_ours_is_one_line_and_shows_where_when_asked(capsys, monkeypatch, kind):
    def dispatch(arguments):
        raise kind("first\nsecond")

    monkeypatch.setattr(main, "dispatch", dispatch)
    said = ask(capsys)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"error: this is a fault of md2n: {kind.__name__}: ")
    assert said.err.splitlines()[1].startswith("next: the same command with MD2N_DEBUG=1 shows where")
    assert len(said.err.splitlines()) == 2
    monkeypatch.setenv("MD2N_DEBUG", "1")
    with pytest.raises(kind):
        run([])


def test_a_fault_of_an_added_file_names_the_file(capsys, monkeypatch, tmp_path):
    file = tmp_path / "stranger_raising.py"
    file.write_text("def fail():\n    raise RuntimeError('boom')\n", encoding="utf-8")
    monkeypatch.setenv("MD2N_METHODS", str(file))
    names = {}
    exec(compile(file.read_text(encoding="utf-8"), str(file.resolve()), "exec"), names)
    monkeypatch.setattr(main, "dispatch", lambda arguments: names["fail"]())
    said = ask(capsys)
    assert said.code == 1
    assert said.err.startswith("error: stranger_raising.py failed in line 2: RuntimeError: boom\nnext: mend it")


def test_help_is_printed_without_the_indentation_of_its_source(capsys):
    text = ask(capsys, "explain", "--help").out
    assert "prediction from nothing" in " ".join(text.split())
    assert "from     nothing" not in text and "\n      These are" not in text


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
