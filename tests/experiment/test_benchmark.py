"""Many runs: what is done is not done again, what fails says so, what is stopped goes on, what is old is made anew."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from md2n.errors import InterruptedRun, UsageError
from md2n.evaluation.results import PROTOCOLS, read_results
from md2n.experiment import benchmark, measuring, pipeline, worker
from md2n.experiment import job as job_module
from md2n.experiment.benchmark import run_benchmark
from md2n.experiment.job import Job
from md2n.experiment.pipeline import run_evaluation, run_training
from md2n.experiment.plan import plan
from md2n.experiment.results_store import collect
from md2n.experiment.source import UNKNOWN, shared_code
from md2n.training.lock import FolderLock
from md2n.training.rundir import is_finished, read_run
from tests.experiment.made import SHORT, StopAfter, fitting, short, store

METHODS = ("zero_fill", "modality_dropout")
MODEL = "zero_fill"


@pytest.fixture
def here(tmp_path: Path) -> tuple[str, Path]:
    return str(store(tmp_path)), tmp_path / "bench"


class Acted:
    """Stands in for the two commands: notes what is asked, and answers as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer=lambda command: (0, "")) -> None:
        self.asked: list[tuple[str, ...]] = []

        def call(crew: object, command: list[str]) -> tuple[int, str]:
            self.asked.append(tuple(command))
            code, output = answer(command)
            if command[0] == "train" and code == 0:
                Path(command[command.index("--out") + 1]).mkdir(parents=True, exist_ok=True)
            return code, output

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


def ends_well(*_: object) -> None:
    sys.exit(130)


def wait_for_a_signal(command: list[str], environment: dict[str, str], *_: object) -> None:
    """Stands in for a command; the file will hold the number of the first process that does."""
    signal.signal(signal.SIGINT, ends_well if environment["ANSWER"] == "end" else signal.SIG_IGN)
    started = Path(environment["STARTED"])
    started.with_suffix(".new").write_text(str(os.getpid()))
    started.with_suffix(".new").rename(started)
    time.sleep(60)


def send(number: int, started: Path) -> None:
    """Sends this process a signal once the worker has begun."""

    def act() -> None:
        while not started.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    threading.Thread(target=act, daemon=True).start()


@pytest.mark.parametrize(("answer", "patience"), [("end", 30.0), ("ignore", 0.2)])
def test_a_stop_ends_what_is_under_way_and_begins_nothing_new(here, monkeypatch, answer: str, patience: float):
    data, out = here
    started = out.parent / "started"
    monkeypatch.setenv("ANSWER", answer)
    monkeypatch.setenv("STARTED", str(started))
    monkeypatch.setattr(worker, "perform", wait_for_a_signal)
    monkeypatch.setattr(benchmark, "PATIENCE_S", patience)
    jobs = plan([data], METHODS, 3, out)
    said: list[str] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored under nohup
    send(signal.SIGINT, started)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_benchmark(jobs, ["fixed"], 1, said.append)
    finally:
        signal.signal(signal.SIGINT, before)
    assert said[-1] == "stopped after 0 of 6 runs; the same command goes on from there"
    assert not any(job.failed.exists() for job in jobs)
    with pytest.raises(ProcessLookupError):  # no worker is left behind
        os.kill(int(started.read_text()), 0)


def test_a_worker_that_is_killed_says_what_may_help(here, monkeypatch):
    data, out = here
    Acted(monkeypatch, lambda command: (-9, ""))
    (job,) = plan([data], ["zero_fill"], 1, out)
    assert run_benchmark([job], ["fixed"], 1, quiet) == [job]
    record = json.loads(job.failed.read_text())
    assert "killed" in record["reason"] and "fewer --workers" in record["next"]


def one(here: tuple[str, Path], *sets: str) -> Job:
    (job,) = plan([here[0]], [MODEL], 1, here[1], "", [*fitting(MODEL, SHORT), *sets])
    return job


def done(monkeypatch: pytest.MonkeyPatch, job: Job, *protocols: str) -> list[str]:
    """Runs the two commands themselves, in this process; what is said meanwhile."""

    def act(command: list[str]) -> tuple[int, str]:
        if command[0] == "train":
            run_training(job.config, job.run)
        else:
            run_evaluation(job.run, [p for p in PROTOCOLS if p in command], recovery=False)
        return 0, ""

    said: list[str] = []
    monkeypatch.setattr(benchmark._Crew, "call", lambda crew, command: act(command))
    assert run_benchmark([job], protocols or ["fixed"], 1, said.append) == []
    return said


def other_code(monkeypatch: pytest.MonkeyPatch, training: str, measuring_by: str) -> None:
    for module in (job_module, pipeline, measuring):
        for name, code in (("training_code", training), ("measuring_code", measuring_by)):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, lambda model, code=code: code)


def codes(out: Path) -> list[dict]:
    return [r.settings["code"] for r in collect([out], quiet).rows]


def test_after_a_change_of_code_a_run_is_made_again_and_the_old_one_stays_beside_it(here, monkeypatch):
    other_code(monkeypatch, "t1", "m1")
    done(monkeypatch, job := one(here))
    assert all(c == {"training": "t1", "measuring": "m1", "shared": shared_code()} for c in codes(here[1]))
    old = (job.run / "model.safetensors").read_bytes()
    other_code(monkeypatch, "t2", "m2")
    said = done(monkeypatch, one(here))
    assert said[0] == "1 runs, 0 done already, 1 to do"
    assert f"{job.run} was renamed to seed-0.aside-1: made by other code" in said
    aside = job.run.with_name("seed-0.aside-1")
    assert is_finished(aside) and (aside / "model.safetensors").read_bytes() == old
    assert {c["training"] for c in codes(here[1])} == {"t2"}
    assert one(here).done(["fixed"])


def test_where_only_measuring_or_a_protocol_changed_nothing_is_trained(here, monkeypatch):
    other_code(monkeypatch, "t1", "m1")
    done(monkeypatch, job := one(here))
    before = (job.run / "log.jsonl").stat().st_mtime_ns
    other_code(monkeypatch, "t1", "m2")
    assert not any("renamed" in text for text in done(monkeypatch, one(here)))
    assert {c["measuring"] for c in codes(here[1])} == {"m2"}
    monkeypatch.setitem(PROTOCOLS, "fixed", "fixed@2")
    done(monkeypatch, one(here), "fixed", "random")
    assert {r.protocol for r in collect([here[1]], quiet).rows} == {"fixed@2", "random@1"}
    assert (job.run / "log.jsonl").stat().st_mtime_ns == before


def test_an_edited_setting_is_made_again_and_nothing_is_written_over(here, monkeypatch):
    done(monkeypatch, job := one(here))
    said = done(monkeypatch, edited := one(here, "trainer.learning_rate=0.01"))
    assert any("renamed to seed-0.aside-1: trainer.learning_rate is" in text for text in said)
    assert {r.config_hash for r in collect([here[1]], quiet).rows} == {read_run(edited.run)["config_hash"]}
    done(monkeypatch, job)  # and back
    assert job.run.with_name("seed-0.aside-2").is_dir()


def test_another_way_of_measuring_is_taken_over_by_a_run_that_is_done(here, monkeypatch):
    done(monkeypatch, one(here))
    said = done(monkeypatch, other := one(here, "evaluation.batch_size=7"))
    assert not any("renamed" in text for text in said)
    assert {r.settings["batch_size"] for r in read_results(other.run / "results.jsonl")} == {128, 7}


def test_a_run_that_is_gone_on_with_by_other_code_is_of_neither(here, tmp_path, monkeypatch):
    other_code(monkeypatch, "t1", "m1")
    with pytest.raises(InterruptedRun):
        run_training(short(Path(here[0])), tmp_path / "run", StopAfter(2))
    other_code(monkeypatch, "t2", "m1")
    run_training(short(Path(here[0])), tmp_path / "run")
    assert read_run(tmp_path / "run")["code"] == UNKNOWN


def test_a_damaged_folder_is_left_to_training_and_one_in_use_is_not_renamed(here, monkeypatch):
    done(monkeypatch, job := one(here))
    said: list[str] = []
    with FolderLock(job.run / ".lock"):
        assert len(run_benchmark([one(here, "trainer.epochs=1")], ["fixed"], 1, said.append)) == 1
    assert "is training in" in said[-1] and is_finished(job.run)
    (job.run / "config.json").write_text("{")
    assert job.set_aside() == "" and job.run.is_dir()
