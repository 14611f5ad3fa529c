"""A command in a forked process does what it does in a shell: exit codes, stderr, folder and environment."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from md2n.experiment import worker
from md2n.experiment.worker import Worker


def ended(*command: str) -> tuple[int, str]:
    return Worker(command).wait()


def in_a_shell(*command: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "md2n.cli.main", *command], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", [("methods", "list"), ("train", "--data", "no_such_set"), ("evaluate", "absent")])
def test_exit_code_and_stderr_are_those_of_a_shell(command: tuple[str, ...]):
    assert ended(*command) == in_a_shell(*command)


def show(command: list[str], environment: dict[str, str], folder: str, errors: str) -> None:
    Path(errors).write_text(f"{command} {environment['MARK']} {environment['OMP_NUM_THREADS']} {folder}")


def test_a_worker_has_todays_environment_and_folder(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(worker, "perform", show)
    worker.warm_up()
    for mark in ("first", "second"):
        monkeypatch.setenv("MARK", mark)
        (tmp_path / mark).mkdir()
        monkeypatch.chdir(tmp_path / mark)
        assert ended("train") == (0, f"['train'] {mark} 1 {tmp_path / mark}")


def test_perform_works_in_the_folder_with_the_environment(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("MD2N_DATA_ROOT", str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)
    code, said = ended("train", "--data", "here/absent.npz")
    assert code and "here/absent.npz" in said


def kill_itself(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_signal_is_a_negative_exit_code(monkeypatch):
    monkeypatch.setattr(worker, "perform", kill_itself)
    assert ended("train") == (-9, "")


def test_the_environment_of_the_caller_stays_as_it_was(monkeypatch):
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    worker.warm_up()
    assert os.environ["MKL_NUM_THREADS"] == "3" and "OPENBLAS_NUM_THREADS" not in os.environ
