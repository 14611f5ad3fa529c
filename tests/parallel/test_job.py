"""One process writes; a signal to any stops all; one that is killed ends the job, and the same command goes on."""

import json
import signal
from pathlib import Path

import pytest

from md2n.training.log import read_log
from tests.parallel.job import Fate, in_job

LONG = ("--set", "trainer.epochs=3", "--set", "trainer.checkpoint_s=0.000001")


def outcome(folder: Path) -> tuple[bytes, bytes]:
    run = folder / "0" / "run"
    return (run / "model.safetensors").read_bytes(), (run / "log.jsonl").read_bytes()


def losses(folder: Path) -> list[float]:
    """Of every step."""
    log = read_log(folder / "0" / "run" / "log.jsonl")
    return [entry["parts"]["task"] for entry in log if entry["kind"] == "step"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    first, second = in_job(folder, *LONG)
    assert (first.code, first.out, second.code, second.out, second.err) == (0, "run\n", 0, "", "")
    assert "2 processes share the rows of every batch" in first.err
    return folder


def test_one_process_writes(whole: Path) -> None:
    assert {p.name for p in (whole / "1").iterdir()} == {"out.txt", "err.txt"}
    facts = json.loads((whole / "0" / "run" / "run.json").read_text())
    assert (facts["status"], facts["processes"]) == ("done", 2)


def test_a_second_time_says_that_it_is_done(whole: Path) -> None:
    before = outcome(whole)
    first, second = in_job(whole, *LONG)
    assert (first.code, second.code, second.err) == (0, 0, "")
    assert "is done" in first.err
    assert outcome(whole) == before


def test_a_killed_process_ends_the_job_and_the_same_command_goes_on(whole: Path, tmp_path: Path) -> None:
    first, second = in_job(tmp_path, *LONG, fate=Fate(1, 3, signal.SIGKILL))
    assert second.code == -signal.SIGKILL
    assert first.code == 8
    assert "error: another process of this training ended" in first.err
    assert "next: " in first.err
    first, second = in_job(tmp_path, *LONG)
    assert (first.code, second.code) == (0, 0)
    assert "going on after step 3" in first.err
    assert outcome(tmp_path) == outcome(whole)


def test_a_signal_to_one_stops_all_after_the_same_step(whole: Path, tmp_path: Path) -> None:
    first, second = in_job(tmp_path, *LONG, fate=Fate(1, 3, signal.SIGTERM))
    assert (first.code, second.code, second.err) == (130, 130, "")
    assert "stopped by SIGTERM after step 4; the state is saved" in first.err
    # Another number of processes goes on to the same losses.
    (alone,) = in_job(tmp_path, *LONG, processes=1)
    assert alone.code == 0
    assert "begun in 2 processes, going on in 1" in alone.err
    for mine, other in zip(losses(tmp_path), losses(whole), strict=True):
        assert mine == pytest.approx(other, rel=1e-3)


def test_more_processes_than_rows_are_refused(tmp_path: Path) -> None:
    first, second = in_job(tmp_path, "--set", "trainer.batch_size=1")
    assert (first.code, second.code) == (2, 2)
    assert "error: 2 processes cannot share a batch of 1 samples\nnext: " in first.err
    assert "error: process 1: 2 processes" in second.err
    assert not (tmp_path / "0" / "run").exists()
