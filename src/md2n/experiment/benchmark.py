"""Many runs under one protocol: methods x data sets x seeds, each in a process of its own, resumable run by run.

A run is ``md2n train`` then ``md2n evaluate`` with one thread, so a benchmark's number is what a person gets who types
the two commands.  What is done is not done again; what was interrupted goes on; what fails says so and stops nothing.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from md2n.durable import make_directory, write_json
from md2n.errors import InterruptedRun, UsageError, did_you_mean
from md2n.evaluation.results import PROTOCOLS, ResultRow, read_results
from md2n.experiment.jobs import EVALUATED, Job, plan
from md2n.experiment.ledger import RESULTS, Ledger

__all__ = ["Job", "check_protocols", "gather", "plan", "run_benchmark"]

TRIES = 2  # a worker that was killed is started again once; its run goes on from its last checkpoint
KILLED = (137, -9, -15, 143)
STOPPED = 130


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
    check_protocols(protocols)
    todo = [j for j in jobs if not j.done(protocols)]
    notice(f"{len(jobs)} runs, {len(jobs) - len(todo)} done already, {len(todo)} to do")
    ledger = Ledger(jobs[0].out) if jobs else None
    for job in jobs:
        if ledger is not None and job not in todo:  # what a benchmark measured that was killed before it wrote it down
            ledger.add(job.run)
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
                elif ledger is not None:
                    ledger.add(job.run)
                state = "done" if said is None else f"FAILED: {said}"
                left = (time.monotonic() - begun) / number * (len(todo) - number) / 60
                notice(f"[{number}/{len(todo)}] {job.told}: {state}; {left:.0f} min left")
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


def check_protocols(protocols: Sequence[str]) -> None:
    """Refuses protocols that do not exist.

    Raises:
        UsageError: the hint names the nearest.
    """
    for protocol in protocols:
        if protocol not in PROTOCOLS:
            raise UsageError(f"no protocol is called '{protocol}'", did_you_mean(protocol, PROTOCOLS))


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
                lines = told.splitlines()
                last = (lines or [f"ended with {code} and said nothing"])[-1]
                reason = next((line for line in lines if line.startswith("error:")), last)
                facts = {"command": ["md2n", *command], "exit_code": code, "reason": reason, "said": told[-4000:]}
                write_json(job.failed, facts | job.settings)
                return reason
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
    return [row for job in jobs if job.done() for row in read_results(job.run / RESULTS)]
