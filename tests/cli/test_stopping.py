"""A signal before, after or beside the training loop: one line, an exit code, nothing half written."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from md2n.cli import main
from md2n.data.store import StoreWriter
from tests.cli.commands import ask

ENDS = {"SIGINT": (130, "stopped\n"), "SIGTERM": (143, "stopped by SIGTERM\n"), "SIGHUP": (129, "stopped by SIGHUP\n")}


def send(name: str) -> None:
    os.kill(os.getpid(), getattr(signal, name))
    time.sleep(0)  # a moment in which Python looks for signals


def in_a_finaliser(name: str) -> None:
    class Doomed:
        def __del__(self) -> None:
            send(name)

    Doomed()  # is gone at once; Python drops what is raised there
    for _ in range(500):
        time.sleep(0.01)


def as_another_error(name: str) -> None:
    try:
        send(name)
    except KeyboardInterrupt as error:
        raise ImportError("half a module") from error


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("way", [send, in_a_finaliser, as_another_error])
def test_a_signal_ends_in_one_line(capsys, monkeypatch, name: str, way: Callable[[str], None]) -> None:
    before = [signal.getsignal(getattr(signal, n)) for n in ENDS]
    monkeypatch.setattr(main, "dispatch", lambda arguments: way(name) or 0)
    said = ask(capsys)
    assert ((said.code, said.err), said.out) == (ENDS[name], "")
    assert [signal.getsignal(getattr(signal, n)) for n in ENDS] == before


def test_what_is_ignored_stays_ignored(capsys, monkeypatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        monkeypatch.setattr(main, "dispatch", lambda arguments: send("SIGHUP") or 0)
        assert ask(capsys).code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_was_half_written_is_gone(capsys, monkeypatch, tmp_path: Path) -> None:
    def writing(arguments) -> int:
        with StoreWriter(tmp_path / "store", name="x", dims={"a": 2, "b": 1}) as writer:
            writer.append("1", {"a": np.ones(2)})
            assert list(tmp_path.iterdir())
            send("SIGTERM")
        return 0

    monkeypatch.setattr(main, "dispatch", writing)
    assert ask(capsys).code == 143
    assert list(tmp_path.iterdir()) == []
