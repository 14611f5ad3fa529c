"""Many runs: what is done is not done again, what fails says so, what is stopped goes on."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from md2n.errors import InterruptedRun, UsageError
from md2n.experiment import benchmark
from md2n.experiment.benchmark import run_benchmark
from md2n.experiment.plan import plan
from md2n.experiment.source import training_code
from tests.experiment.made import store

METHODS = ("zero_fill", "modality_dropout")


@pytest.fixture
def here(tmp_path: Path) -> tuple[str, Path]:
    return str(store(tmp_path)), tmp_path / "bench"


def trained(run: Path, code: str = "") -> None:
    """What of a training tells which code did it; a run that is done stays as it is."""
    run.mkdir(parents=True, exist_ok=True)
    if not (run / "run.json").exists():
        (run / "run.json").write_text(json.dumps({"code": code or training_code(run.parent.name)}))


class Acted:
    """Stands in for the two commands: notes what is asked, and answers as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer=lambda command: (0, "")) -> None:
        self.asked: list[tuple[str, ...]] = []

        def call(crew: object, command: list[str]) -> tuple[int, str]:
            self.asked.append(tuple(command))
            code, told = answer(command)
            if command[0] == "train" and code == 0:
                trained(Path(command[command.index("--out") + 1]))
            return code, told

        monkeypatch.setattr(benchmark._Crew, "call", call)

    def runs(self) -> list[str]:
        return [c[c.index("--out") + 1] for c in self.asked if c[0] == "train"]


def quiet(text: str) -> None:
    pass


def test_what_is_done_is_not_done_again_and_another_protocol_is_added(here, monkeypatch):
    data, out = here
    acted = Acted(monkeypatch)
    jobs = plan([data], METHODS, 1, out)
    assert run_benchmark(jobs, ["fixed"], 2, quiet) == []
    assert len(acted.asked) == 4
    run_benchmark(jobs, ["fixed"], 2, quiet)
    assert len(acted.asked) == 4
    run_benchmark(jobs, ["fixed", "random"], 1, quiet)
    assert len(acted.asked) == 8
    (jobs[1].run / "evaluated.json").unlink()
    run_benchmark(jobs, ["random"], 1, quiet)
    assert acted.runs()[4:] == [str(jobs[1].run)]
    with pytest.raises(UsageError, match=r"no protocol is called 'fixd'\n.*did you mean 'fixed'"):
        run_benchmark(jobs, ["fixd"], 1, quiet)


def test_a_failure_says_so_stops_nothing_and_is_mended_by_the_next_try(here, monkeypatch):
    data, out = here
    told: list[str] = []

    def answer(command):
        return (
            (3, "Traceback of no account\nerror: no such thing\nnext: mend it\n") if "zero_fill" in command else (0, "")
        )

    with monkeypatch.context() as patch:
        acted = Acted(patch, answer)
        jobs = plan([data], METHODS, 1, out)
        shown: list[tuple[int, int, str]] = []
        failed = run_benchmark(jobs, ["fixed"], 1, told.append, lambda *what: shown.append(what))
    assert [j.model for j in failed] == ["zero_fill"]
    # With one worker the next run may begin before the last is counted as ended.
    ends = [(done, total, what.partition(";")[0]) for done, total, what in shown if "begins" not in what]
    assert ends == [
        (1, 2, f"{data} zero_fill seed 0 failed"),
        (2, 2, f"{data} {METHODS[1]} seed 0 done"),
    ]
    assert sorted(what for *_, what in shown if "begins" in what) == sorted(f"{j.title} begins" for j in jobs)
    assert len(acted.asked) == 3
    assert any("zero_fill seed 0: FAILED: error: no such thing; next: mend it" in line for line in told)
    facts = json.loads(jobs[0].failed.read_text())
    assert facts["exit_code"] == 3
    assert (facts["reason"], facts["next"]) == ("error: no such thing", "mend it")
    assert facts["command"][:2] == ["md2n", "train"]
    assert not jobs[0].run.exists()  # in which training would find something that is no run
    Acted(monkeypatch)
    assert run_benchmark(jobs, ["fixed"], 1, quiet) == []
    assert not jobs[0].failed.exists()


def test_a_killed_worker_is_started_once_more(here, monkeypatch):
    data, out = here
    codes = iter([-9, 0, 0])
    acted = Acted(monkeypatch, lambda command: (next(codes), ""))
    jobs = plan([data], ["zero_fill"], 1, out)
    assert run_benchmark(jobs, ["fixed"], 1, quiet) == []
    assert [c[0] for c in acted.asked] == ["train", "train", "evaluate"]
    codes = iter([-9, 137])
    (jobs[0].run / "evaluated.json").unlink()
    assert run_benchmark(jobs, ["fixed"], 1, quiet) == jobs


def waiting_worker(out: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> Path:
    """Real processes that stand in for the commands and wait for the signal; the file will hold the first's number."""
    started = out / "started"
    out.mkdir()
    code = (
        "import os, signal, sys, time, pathlib\n"
        f"signal.signal(signal.SIGINT, {answer})\n"
        f"pathlib.Path({str(started) + '.new'!r}).write_text(str(os.getpid()))\n"
        f"os.rename({str(started) + '.new'!r}, {str(started)!r})\n"
        "time.sleep(60)\n"
    )
    fake = out / "python"
    fake.write_text(f"#!/bin/sh\nexec {benchmark.sys.executable} -c '{code.replace(chr(39), chr(34))}'\n")
    fake.chmod(0o755)
    monkeypatch.setattr(benchmark.sys, "executable", str(fake))
    return started


def send(number: int, started: Path) -> None:
    """Sends this process a signal once the worker has begun."""

    def act() -> None:
        while not started.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    threading.Thread(target=act, daemon=True).start()


@pytest.fixture
def heard():
    """Signals as a program at a terminal has them: whoever runs the tests under nohup has them ignored."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_what_is_under_way_and_begins_nothing_new(here, heard, monkeypatch, number, code):
    data, out = here
    started = waiting_worker(out, monkeypatch, "lambda *_: sys.exit(130)")
    jobs = plan([data], METHODS, 3, out)
    before = signal.getsignal(number)
    send(number, started)
    begun = time.monotonic()
    with pytest.raises(InterruptedRun, match=r"stopped after 0 of 6 runs\n.*the same command goes on") as stopped:
        run_benchmark(jobs, ["fixed"], 1, quiet)
    assert stopped.value.exit_code == code
    assert time.monotonic() - begun < 20
    assert not any(job.failed.exists() for job in jobs)
    with pytest.raises(ProcessLookupError):  # no worker is left behind
        os.kill(int(started.read_text()), 0)
    assert signal.getsignal(number) is before


def test_a_worker_that_does_not_end_is_killed(here, heard, monkeypatch):
    data, out = here
    started = waiting_worker(out, monkeypatch, "signal.SIG_IGN")
    monkeypatch.setattr(benchmark, "PATIENCE_S", 0.2)
    send(signal.SIGTERM, started)
    with pytest.raises(InterruptedRun):
        run_benchmark(plan([data], METHODS, 1, out), ["fixed"], 1, quiet)
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with benchmark._signals() as came:
            os.kill(os.getpid(), signal.SIGHUP)
        assert came == []
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_worker_that_is_killed_each_time_says_what_may_help(here, monkeypatch):
    data, out = here
    Acted(monkeypatch, lambda command: (-9, ""))
    (job,) = plan([data], ["zero_fill"], 1, out)
    run_benchmark([job], ["fixed"], 1, quiet)
    told = json.loads(job.failed.read_text())
    assert "killed" in told["reason"] and "fewer --workers" in told["next"]
