"""Many runs under one protocol: methods x data sets x seeds, each in a process of its own, resumable run by run.

A run is ``md2n train`` then ``md2n evaluate`` with one thread, so a benchmark's number is what a person gets who types
the two commands.  What is done is not done again; what was interrupted goes on; what fails says so and stops nothing.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from md2n.durable import write_json
from md2n.evaluation.results import ResultRow, read_results

TRIES = 2  # a worker that was killed is started again once; its run goes on from its last checkpoint
KILLED = (137, -9, -15, 143)


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
    def done(self) -> bool:
        """True where both commands have ended well."""
        return (self.run / "evaluated.json").is_file()

    def commands(self, protocols: Sequence[str]) -> list[list[str]]:
        """The two commands, as a person would type them."""
        sets = [part for s in self.sets for part in ("--set", s)]
        train = ["train", self.preset, "--data", self.data, "--model", self.model, "--seed", str(self.seed)]
        asked = [part for p in protocols for part in ("--protocol", p)]
        evaluate = ["evaluate", str(self.run), *asked, "--masks", str(self.masks)]
        return [[*train, "--out", str(self.run), *sets, "--quiet"], evaluate]


def plan(
    data: Sequence[str], models: Sequence[str], seeds: int, out: Path, preset: str = "default", sets: Sequence[str] = ()
) -> list[Job]:
    """Every run, seeds outermost: a benchmark cut short has whole comparisons of fewer seeds."""
    return [Job(d, m, s, out, preset, tuple(sets)) for s in range(seeds) for d in data for m in models]


def run_benchmark(
    jobs: Sequence[Job], protocols: Sequence[str], workers: int, notice: Callable[[str], None]
) -> list[Job]:
    """Does what is missing, ``workers`` runs at a time.

    Args:
        jobs: from ``plan``.
        protocols: ``fixed``, ``random``.
        workers: processes at a time, one thread each.
        notice: told of every run that begins, ends or fails.

    Returns:
        The jobs that failed; each has a ``failed.json`` with the command and what it said.
    """
    open_jobs = [j for j in jobs if not j.done]
    notice(f"{len(jobs)} runs, {len(jobs) - len(open_jobs)} done already, {len(open_jobs)} to do")
    begun = time.monotonic()

    def work(numbered: tuple[int, Job]) -> bool:
        number, job = numbered
        said = _work(job, protocols)
        passed = time.monotonic() - begun
        left = passed / (number + 1) * (len(open_jobs) - number - 1)
        state = "done" if said is None else f"FAILED: {said}"
        notice(
            f"[{number + 1}/{len(open_jobs)}] {job.data} {job.model} seed {job.seed}: {state}; {left / 60:.0f} min left"
        )
        return said is None

    with ThreadPoolExecutor(max_workers=workers) as pool:
        well = list(pool.map(work, enumerate(open_jobs)))
    return [job for job, ok in zip(open_jobs, well) if not ok]


def _work(job: Job, protocols: Sequence[str]) -> str | None:
    """One run; ``None`` where all went well, else the last line of what went wrong."""
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    job.run.parent.mkdir(parents=True, exist_ok=True)
    job.masks.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    for command in job.commands(protocols):
        for attempt in range(TRIES):
            result = subprocess.run(
                [sys.executable, "-m", "md2n.cli.main", *command],
                env={**os.environ, **threads},
                capture_output=True,
                text=True,
                check=False,
            )
            if result.returncode not in KILLED or attempt + 1 == TRIES:
                break
        if result.returncode:
            told = {"command": ["md2n", *command], "exit_code": result.returncode, "said": result.stderr[-4000:]}
            job.run.mkdir(parents=True, exist_ok=True)
            write_json(job.run / "failed.json", told)
            errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
            return (errors or result.stderr.splitlines() or ["nothing was said"])[-1]
    (job.run / "failed.json").unlink(missing_ok=True)
    write_json(job.run / "evaluated.json", {"wall_s": round(time.monotonic() - begun, 1)})
    return None


def gather(jobs: Sequence[Job]) -> list[ResultRow]:
    """Result rows of every run that is done."""
    return [row for job in jobs if job.done for row in read_results(job.run / "results.jsonl")]
