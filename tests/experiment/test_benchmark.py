"""Many runs: what is planned, what is done, what goes on, what fails and what stops."""

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from md2n.data.store import checksum
from md2n.errors import ConfigError, DataError, InterruptedRun, UsageError
from md2n.evaluation.results import append_results, read_results
from md2n.experiment import benchmark
from md2n.experiment import config as experiment_config
from md2n.experiment.benchmark import gather, plan, run_benchmark
from md2n.experiment.jobs import OTHER_DATA, own_preset
from md2n.experiment.source import training_code
from tests.experiment.made import store
from tests.experiment.test_ledger import rows

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


def test_seeds_are_outermost_and_methods_share_masks(here):
    data, out = here
    jobs = plan([data, "digits"], METHODS, 2, out)
    assert [(Path(j.data).name, j.model, j.seed) for j in jobs[:4]] == [
        ("store", "zero_fill", 0),
        ("store", "modality_dropout", 0),
        ("digits", "zero_fill", 0),
        ("digits", "modality_dropout", 0),
    ]
    assert {j.seed for j in jobs[4:]} == {1}
    assert len({j.run for j in jobs}) == 8
    assert len({j.masks for j in jobs}) == 2
    assert [j.seed for j in plan([data], ["zero_fill"], 2, out, first_seed=3)] == [3, 4]


def test_the_commands_are_what_a_person_types(here):
    data, out = here
    (job,) = plan([data], ["md2n"], 1, out, "default", ["trainer.epochs=2"])
    train, fixed, random = job.commands(["fixed", "random"])
    assert " ".join(train) == (
        f"train default --data {data} --model md2n --seed 0 --out {job.run} --set trainer.epochs=2 --quiet"
    )
    assert " ".join(fixed) == f"evaluate {job.run} --protocol fixed --masks {job.masks} --quiet"
    assert " ".join(random) == f"evaluate {job.run} --protocol random --masks {job.masks} --quiet --no-recovery"
    assert "--no-recovery" not in job.commands(["random"])[1]


def test_a_method_starts_from_the_preset_of_its_name(here, tmp_path, monkeypatch):
    data, out = here
    folder = tmp_path / "presets"
    shutil.copytree(experiment_config._folder(), folder)
    own = folder / "zero_fill.toml"
    own.write_text('extends = "default"\n[model]\nname = "zero_fill"\n[trainer]\nepochs = 7\n')
    (folder / "modality_dropout.toml").write_text("[trainer]\nepochs = 9\n")  # of another method: md2n
    monkeypatch.setattr(experiment_config, "_folder", lambda: folder)
    assert [own_preset(m) for m in ("zero_fill", "modality_dropout", "md2n")] == ["zero_fill", "default", "default"]
    jobs = plan([data], ["zero_fill", "md2n"], 1, out)
    assert [j.commands(["fixed"])[0][:2] for j in jobs] == [["train", "zero_fill"], ["train", "default"]]
    assert [j.config.trainer.epochs for j in jobs] == [7, 40]
    (asked,) = plan([data], ["zero_fill"], 1, out, "default")
    assert asked.config.trainer.epochs == 40
    assert asked.settings != jobs[0].settings
    own.write_text(own.read_text().replace("7", "8"))  # a preset that is edited is another one
    assert plan([data], ["zero_fill"], 1, out)[0].settings != jobs[0].settings


def test_results_of_every_run_are_written_down_once(here, monkeypatch):
    data, out = here
    jobs = plan([data], METHODS, 1, out)

    def answer(command):
        if command[0] == "evaluate":
            append_results(Path(command[1]) / "results.jsonl", rows(0.5))
        return 0, ""

    Acted(monkeypatch, answer)
    run_benchmark(jobs, ["fixed"], 2, quiet)
    found = read_results(out / "results.jsonl")
    assert sorted({r.run for r in found}) == ["runs/store/modality_dropout/seed-0", "runs/store/zero_fill/seed-0"]
    assert len(found) == 4
    run_benchmark(jobs, ["fixed"], 1, quiet)
    assert len(read_results(out / "results.jsonl")) == 4
    (out / "results.jsonl").unlink()  # as if it had been killed before writing them down
    run_benchmark(jobs, ["fixed"], 1, quiet)
    assert len(read_results(out / "results.jsonl")) == 4


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
    run_benchmark(jobs, ["random"], 1, quiet)
    assert len(acted.asked) == 8


def test_another_setting_is_not_taken_for_done(here, monkeypatch):
    data, out = here
    acted = Acted(monkeypatch)
    run_benchmark(plan([data], METHODS, 1, out), ["fixed"], 1, quiet)
    other = plan([data], METHODS, 1, out, sets=["trainer.epochs=3"])
    assert not any(job.done() for job in other)
    run_benchmark(other, ["fixed"], 1, quiet)
    assert len(acted.asked) == 8


def test_a_deleted_run_is_made_again_and_only_that(here, monkeypatch):
    data, out = here
    acted = Acted(monkeypatch)
    jobs = plan([data], METHODS, 2, out)
    run_benchmark(jobs, ["fixed"], 1, quiet)
    acted.asked.clear()
    (jobs[2].run / "evaluated.json").unlink()
    run_benchmark(jobs, ["fixed"], 1, quiet)
    assert acted.runs() == [str(jobs[2].run)]


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
    assert (facts["reason"], facts["next"], facts["times"]) == ("error: no such thing", "mend it", 1)
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


def test_what_cannot_be_meant_is_refused_before_the_work(here, tmp_path):
    data, out = here
    other = store(tmp_path / "elsewhere")
    for kind, text, act in (
        (UsageError, r"no model is called 'md3n'\n.*did you mean 'md2n'", lambda: plan([data], ["md3n"], 1, out)),
        (DataError, r"'mosy' is neither a ready set nor a file", lambda: plan(["mosy"], METHODS, 1, out)),
        (UsageError, "two data sets are called 'store'", lambda: plan([data, str(other)], METHODS, 1, out)),
        (UsageError, "two methods are called 'zero_fill'", lambda: plan([data], ["zero_fill"] * 2, 1, out)),
        (UsageError, "'dafault' is neither a preset nor a file", lambda: plan([data], METHODS, 1, out, "dafault")),
        (ConfigError, "unknown key 'trainer.epoch'", lambda: plan([data], METHODS, 1, out, sets=["trainer.epoch=1"])),
        (
            UsageError,
            r"no protocol is called 'fixd'\n.*did you mean 'fixed'",
            lambda: run_benchmark(plan([data], METHODS, 1, out), ["fixd"], 1, quiet),
        ),
    ):
        with pytest.raises(kind, match=text):
            act()
    assert not out.exists()


def test_two_stores_of_one_name_are_refused(here, tmp_path):
    data, out = here
    other = shutil.copytree(data, tmp_path / "again")
    with pytest.raises(UsageError, match="two stores hold data that are called"):
        plan([data, str(other)], METHODS, 1, out)
    assert not out.exists()


def test_what_was_made_from_other_data_of_the_same_place_is_made_again(here, monkeypatch):
    data, out = here
    acted = Acted(monkeypatch)
    (job,) = plan([data], ["zero_fill"], 1, out)
    run_benchmark([job], ["fixed"], 1, quiet)
    told = json.loads((job.run / "run.json").read_text())
    (job.run / "run.json").write_text(json.dumps({**told, "data": {"checksum": checksum(Path(data))}}))
    assert job.done(["fixed"])
    (job.run / "run.json").write_text(json.dumps({**told, "data": {"checksum": "another"}}))
    assert job.lacks(["fixed"]) == OTHER_DATA
    run_benchmark([job], ["fixed"], 1, quiet)
    assert len(acted.runs()) == 2


def test_a_worker_that_is_killed_each_time_says_what_may_help(here, monkeypatch):
    data, out = here
    Acted(monkeypatch, lambda command: (-9, ""))
    (job,) = plan([data], ["zero_fill"], 1, out)
    run_benchmark([job], ["fixed"], 1, quiet)
    told = json.loads(job.failed.read_text())
    assert "killed" in told["reason"] and "fewer --workers" in told["next"]


def test_rows_are_gathered_from_what_is_done(here, monkeypatch):
    data, out = here
    Acted(monkeypatch)
    jobs = plan([data], METHODS, 1, out)
    assert gather(jobs) == []
    run_benchmark(jobs[:1], ["fixed"], 1, quiet)
    read = []
    monkeypatch.setattr(benchmark, "read_run_results", lambda path, notice: read.append(path) or [])
    gather(jobs)
    assert read == [jobs[0].run / "results.jsonl"]
