"""kill -9 at every moment that touches the disk: the same command goes on and ends with the same bits."""

import dataclasses
import multiprocessing
import random
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from md2n.training.log import read_log
from md2n.training.rundir import is_finished
from tests.training.dummies import QUICK, do_train, outcome
from tests.training.killing import KINDS, train_until

NEVER = 10**9


@pytest.fixture(scope="module")
def processes() -> Iterator[multiprocessing.context.BaseContext]:
    """Starts processes fast: forked from one that has imported torch and never run it."""
    context = multiprocessing.get_context("forkserver")
    forkserver._forkserver._stop()  # an earlier test's has imported other things, and nothing public ends it
    context.set_forkserver_preload(["tests.training.killing"])
    yield context
    forkserver._forkserver._stop()


@pytest.fixture(scope="module", params=list(KINDS))
def reference(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp("reference") / "run"
    do_train(path, dataclasses.replace(QUICK, epochs=3), KINDS[request.param])
    return request.param, path


def attempt(processes, path: Path, kind: str, moment: int, checkpoint_s: float, patience_s: float = 60.0) -> int:
    """The exit code: 0, or -9 where it was killed, by itself or after ``patience_s``."""
    process = processes.Process(target=train_until, args=(moment, str(path), kind, checkpoint_s))
    process.start()
    process.join(patience_s)
    if process.is_alive():
        process.kill()
        process.join()
    return int(process.exitcode)


def test_killed_again_and_again_a_little_later_each_time(
    processes, reference: tuple[str, Path], tmp_path: Path
) -> None:
    kind, path = reference
    for moment in range(2, 4000, 7):
        code = attempt(processes, tmp_path / "run", kind, moment, 1e-9)
        if code == 0:
            break
        assert code == -9
    assert moment > 10  # it was killed in earnest
    assert is_finished(tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(path)


@pytest.mark.parametrize("moment", range(1, 72, 6))
def test_killed_once_at_any_moment_of_writing(
    processes, reference: tuple[str, Path], tmp_path: Path, moment: int
) -> None:
    kind, path = reference
    assert attempt(processes, tmp_path / "run", kind, moment, 1000.0) in (0, -9)
    assert attempt(processes, tmp_path / "run", kind, NEVER, 1000.0) == 0
    assert outcome(tmp_path / "run") == outcome(path)
    assert not list((tmp_path / "run").rglob("*.tmp"))


def test_killed_at_random_times(processes, reference: tuple[str, Path], tmp_path: Path) -> None:
    kind, path = reference
    times, kills = random.Random(1), 0
    # Ever later, so that it ends on any machine, however slow.
    while attempt(processes, tmp_path / "run", kind, NEVER, 1e-9, times.uniform(0.5, 1.0) * 0.05 * 1.3**kills) != 0:
        kills += 1
    assert outcome(tmp_path / "run") == outcome(path)
    assert read_log(tmp_path / "run" / "timing.jsonl")[-1]["event"] == "done"
