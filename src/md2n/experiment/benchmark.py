"""Many runs under one protocol: methods x data sets x seeds, each in a process of its own, resumable run by run.

A run is ``md2n train`` then ``md2n evaluate`` with one thread, so a benchmark's number is what a person gets who types
the two commands.  What is done is not done again; what was interrupted goes on; what fails says so and stops nothing.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from md2n.data.ready import READY
from md2n.durable import make_directory, write_json
from md2n.errors import DataError, InterruptedRun, UsageError, did_you_mean
from md2n.evaluation.results import PROTOCOLS, ResultRow, read_results
from md2n.experiment.config import resolve
from md2n.models.catalogue import MODELS

TRIES = 2  # a worker that was killed is started again once; its run goes on from its last checkpoint
KILLED = (137, -9, -15, 143)
STOPPED = 130
EVALUATED = "evaluated.json"


@dataclass(frozen=True)
class Job:
    """One run of the benchmark.

    Args:
        data: ready name or store.
        model: method.
        seed: of everything random.
        out: the benchmark's folder.
        preset: configuration; the method is named apart.
        sets: overrides, the same for every method.
    """

    data: str
    model: str
    seed: int
    out: Path
    preset: str = "default"
    sets: tuple[str, ...] = ()

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.out / "runs" / Path(self.data).name / self.model / f"seed-{self.seed}"

    @property
    def masks(self) -> Path:
        """The random protocol's masks, shared by every method on this data set."""
        return self.out / "masks" / f"{Path(self.data).name}.npz"

    @property
    def failed(self) -> Path:
        """What was asked and said, if the run failed; beside its folder, in which there may be no run to go on with."""
        return self.run.with_name(f"{self.run.name}.failed.json")

    @property
    def settings(self) -> dict[str, Any]:
        """What the run was made with, as it is remembered."""
        return {"preset": self.preset, "sets": list(self.sets), "data": self.data}

    def done(self, protocols: Sequence[str] = ()) -> bool:
        """True where both commands have ended well, with these settings and for all of these protocols."""
        try:
            told = json.loads((self.run / EVALUATED).read_bytes())
            same = {k: told[k] for k in self.settings} == self.settings
            return same and set(protocols) <= set(told["protocols"])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def commands(self, protocols: Sequence[str]) -> list[list[str]]:
        """The two commands, as a person would type them."""
        sets = [part for s in self.sets for part in ("--set", s)]
        train = ["train", self.preset, "--data", self.data, "--model", self.model, "--seed", str(self.seed)]
        asked = [part for p in protocols for part in ("--protocol", p)]
        evaluate = ["evaluate", str(self.run), *asked, "--masks", str(self.masks)]
        return [[*train, "--out", str(self.run), *sets, "--quiet"], evaluate]


def plan(
    data: Sequence[str],
    models: Sequence[str],
    seeds: int,
    out: Path,
    preset: str = "default",
    sets: Sequence[str] = (),
) -> list[Job]:
    """Every run, seeds outermost: a benchmark cut short has whole comparisons of fewer seeds.

    What cannot be meant is refused here, before hours of work.

    Raises:
        UsageError: an unknown method, or two data sets or methods of one name.
        DataError: data that are not there.
        ConfigError: a setting that a method does not have.
    """
    for name in data:
        if name not in READY and not Path(name).exists():
            raise DataError(f"'{name}' is neither a ready set nor a file or folder", did_you_mean(name, READY))
    for what, names in (("data sets", [Path(d).name for d in data]), ("methods", models)):
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise UsageError(f"two {what} are called '{twice[0]}'", "their runs would share a folder: rename one")
    for model in models:
        MODELS.check(model)
        resolve(preset, sets, model=model)
    made = itertools.product(range(seeds), data, models)
    return [Job(d, m, s, out, preset, tuple(sets)) for s, d, m in made]


def run_benchmark(
    jobs: Sequence[Job], protocols: Sequence[str], workers: int, notice: Callable[[str], None]
) -> list[Job]:
    """Does what is missing, ``workers`` runs at a time.

    Args:
        jobs: from ``plan``.
        protocols: ``fixed``, ``random``.
        workers: processes at a time, one thread each.
        notice: told of every run that ends or fails.

    Returns:
        The jobs that failed; ``Job.failed`` has the command and what it said.

    Raises:
        UsageError: an unknown protocol.
        InterruptedRun: Ctrl-C; runs that were under way have saved their state.
    """
    for protocol in protocols:
        if protocol not in PROTOCOLS:
            raise UsageError(f"no protocol is called '{protocol}'", did_you_mean(protocol, PROTOCOLS))
    todo = [j for j in jobs if not j.done(protocols)]
    notice(f"{len(jobs)} runs, {len(jobs) - len(todo)} done already, {len(todo)} to do")
    begun = time.monotonic()
    crew = _Crew()
    failed = []
    with ThreadPoolExecutor(max_workers=workers) as pool:
        waiting = {pool.submit(crew.work, job, tuple(protocols)): job for job in todo}
        try:
            for number, future in enumerate(as_completed(waiting), start=1):
                job, said = waiting[future], future.result()
                if said is not None:
                    failed.append(job)
                state = "done" if said is None else f"FAILED: {said}"
                left = (time.monotonic() - begun) / number * (len(todo) - number) / 60
                notice(f"[{number}/{len(todo)}] {job.data} {job.model} seed {job.seed}: {state}; {left:.0f} min left")
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            crew.stop()
            pool.shutdown()
            if not isinstance(error, KeyboardInterrupt):
                raise
            ended = sum(j.done(protocols) for j in jobs)
            raise InterruptedRun(
                f"stopped after {ended} of {len(jobs)} runs", "the same command goes on from there"
            ) from None
    return [job for job in todo if job in failed]


class _Crew:
    """The processes under way, so that they can be stopped."""

    def __init__(self) -> None:
        self.stopped = False
        self.under_way: set[subprocess.Popen[str]] = set()

    def stop(self) -> None:
        """As Ctrl-C would: a training saves its state."""
        self.stopped = True
        for process in tuple(self.under_way):
            process.send_signal(signal.SIGINT)

    def work(self, job: Job, protocols: tuple[str, ...]) -> str | None:
        """One run; ``None`` where all went well, else the last line of what went wrong."""
        make_directory(job.run.parent)
        make_directory(job.masks.parent)
        begun = time.monotonic()
        for command in job.commands(protocols):
            for attempt in range(TRIES):
                if self.stopped:
                    return "stopped"
                code, told = self.call(command)
                if code not in KILLED or self.stopped or attempt + 1 == TRIES:
                    break
            if self.stopped or code == STOPPED:
                return "stopped"
            if code:
                write_json(job.failed, {"command": ["md2n", *command], "exit_code": code, "said": told[-4000:]})
                lines = told.splitlines()
                return next((line for line in lines if line.startswith("error:")), (lines or ["nothing was said"])[-1])
        job.failed.unlink(missing_ok=True)
        facts = {**job.settings, "protocols": list(protocols), "wall_s": round(time.monotonic() - begun, 1)}
        write_json(job.run / EVALUATED, facts)
        return None

    def call(self, command: Sequence[str]) -> tuple[int, str]:
        """Exit code and stderr of one command."""
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        with subprocess.Popen(
            [sys.executable, "-m", "md2n.cli.main", *command],
            env={**os.environ, **threads},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches it once, from us: a second one would not let it save
        ) as process:
            self.under_way.add(process)
            try:
                if self.stopped:  # between the start and its entry in the list
                    process.send_signal(signal.SIGINT)
                told = process.communicate()[1]
            finally:
                self.under_way.discard(process)
        return process.returncode, told


def gather(jobs: Sequence[Job]) -> list[ResultRow]:
    """Result rows of every run that is done."""
    return [row for job in jobs if job.done() for row in read_results(job.run / "results.jsonl")]
