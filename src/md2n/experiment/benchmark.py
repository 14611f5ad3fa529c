"""Many runs under one protocol: methods x data sets x seeds, each in a process of its own, resumable run by run.

A run is ``md2n train`` then ``md2n evaluate`` with one thread, so a benchmark's number is what a person gets who types
the two commands.  What is done is not done again; what was interrupted goes on; what fails says so and stops nothing.
What other code made, or other settings of the same preset, is renamed aside and made again.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from types import FrameType
from typing import Any

from md2n.durable import make_directory, tidy, write_json
from md2n.errors import InterruptedRun, RunError, UsageError, did_you_mean
from md2n.evaluation.results import PROTOCOLS, STANDARD
from md2n.experiment.job import EVALUATED, REMEASURE, RETRAIN, Job
from md2n.experiment.measuring import Progress, check_masks
from md2n.training.lock import FolderLock
from md2n.training.rundir import LOCK

TRIES = 2  # a worker that was killed is started again once; its run goes on from its last checkpoint
KILLED = (137, -9, -15, 143)
STOPPED = 130
PATIENCE_S = 30.0  # for workers to save their state, before they are killed
SIGNALLED = 128  # what shells add to the number of the signal that ended a program


def run_benchmark(
    jobs: Sequence[Job],
    protocols: Sequence[str],
    workers: int,
    notice: Callable[[str], None],
    progress: Progress = lambda done, total, what: None,
) -> list[Job]:
    """Makes and measures the runs that are not done, ``workers`` at a time.

    Args:
        jobs: from ``plan``.
        protocols: ``fixed``, ``random``.
        workers: processes at a time, one thread each.
        notice: receives a sentence on what a person should know, such as every run that fails.
        progress: called when a run begins or ends: how many have ended, of how many, and which it is.

    Returns:
        The jobs that failed; ``Job.failed`` has the command and what it said.

    Raises:
        UsageError: an unknown protocol.
        DataError: masks of other data.
        InterruptedRun: Ctrl-C, or a signal to end; runs that were under way have saved their state.
    """
    check_protocols(protocols)
    reasons = {job: job.pending(protocols) for job in jobs}
    todo = [job for job in jobs if reasons[job]]
    check_shared_masks(todo, protocols)
    notice(f"{len(jobs)} runs, {len(jobs) - len(todo)} done already, {len(todo)} to do")
    for reason in (RETRAIN, REMEASURE):
        if reason in reasons.values():
            notice(f"{list(reasons.values()).count(reason)} of them again: {reason}")
    if stale := sum(job.stale for job in jobs if job.keep_stale and not reasons[job]):
        notice(f"{stale} of those done were {RETRAIN}, which --keep-stale counts as done")
    for folder in {f for job in jobs for f in (job.out, job.run, job.run.parent, job.masks.parent)}:
        tidy(folder)
    begun = time.monotonic()
    crew = _Crew(notice)
    failed, ended = [], 0

    def work(job: Job) -> str | None:
        progress(ended, len(todo), f"{job.title} begins")
        return crew.work(job, tuple(protocols))

    with _signals() as came, ThreadPoolExecutor(max_workers=workers) as pool:
        waiting = {pool.submit(work, job): job for job in todo}
        try:
            for ended, future in enumerate(as_completed(waiting), start=1):
                job, failure = waiting[future], future.result()
                if failure is not None:
                    failed.append(job)
                    notice(f"{job.title}: FAILED: {failure}")
                left = (time.monotonic() - begun) / ended * (len(todo) - ended) / 60
                state = "done" if failure is None else "failed"
                progress(ended, len(todo), f"{job.title} {state}; {left:.0f} min left")
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            crew.stop()
            pool.shutdown()
            if not isinstance(error, KeyboardInterrupt):
                raise
            whole = sum(not j.pending(protocols) for j in jobs)
            stopped = InterruptedRun(
                f"stopped after {whole} of {len(jobs)} runs", "the same command goes on from there"
            )
            if came:
                stopped.exit_code = SIGNALLED + came[0]
            raise stopped from None
    return [job for job in todo if job in failed]


def check_protocols(protocols: Sequence[str]) -> None:
    """Refuses protocols that do not exist.

    Raises:
        UsageError: the hint names the nearest.
    """
    for protocol in protocols:
        if protocol not in STANDARD:
            raise UsageError(f"no protocol is called '{protocol}'", did_you_mean(protocol, STANDARD))


def check_shared_masks(jobs: Sequence[Job], protocols: Sequence[str]) -> None:
    """Refuses masks of other data, before anything is trained that could not be measured with them.

    Raises:
        DataError: the masks are damaged, or were drawn for something else.
    """
    for job in {j.data: j for j in jobs}.values() if "random" in protocols else ():
        check_masks(job.masks, job.config.data)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Within the block a signal to end, or of a terminal that was closed, is as Ctrl-C; yields which one came."""
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # Python handles signals nowhere else
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                before.setdefault(number, signal.signal(number, end))
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class _Crew:
    """The processes under way, so that they can be stopped."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self.notice = notice
        self.stopped = False
        self.under_way: set[subprocess.Popen[str]] = set()

    def stop(self) -> None:
        """As Ctrl-C would: a training saves its state; what does not end in time, or at a second signal, is killed."""
        self.stopped = True
        for process in tuple(self.under_way):
            process.send_signal(signal.SIGINT)
        patience = time.monotonic() + PATIENCE_S
        try:
            while self.under_way and time.monotonic() < patience:
                time.sleep(0.05)
        finally:
            for process in tuple(self.under_way):
                process.kill()

    def work(self, job: Job, protocols: tuple[str, ...]) -> str | None:
        """One run; ``None`` where all went well, else what went wrong and the next step."""
        make_directory(job.run.parent)
        make_directory(job.masks.parent)
        if not self.make_way(job):
            return "stopped"
        begun = time.monotonic()
        for command in job.commands(protocols):
            for attempt in range(TRIES):
                if self.stopped:
                    return "stopped"
                code, output = self.call(command)
                if code not in KILLED or self.stopped or attempt + 1 == TRIES:
                    break
            if self.stopped or code == STOPPED:
                return "stopped"
            if code:
                lines = output.splitlines()
                last = (lines or [f"ended with {code} and said nothing"])[-1]
                reason = next((line for line in lines if line.startswith("error:")), last)
                hint = next((line.removeprefix("next: ") for line in lines if line.startswith("next: ")), "")
                if code in KILLED and not lines:
                    reason = f"killed {TRIES} times (it ended with {code}); was there memory enough?"
                    hint = "the same command goes on from its checkpoint; fewer --workers need less memory"
                facts = {"command": ["md2n", *command], "exit_code": code, "reason": reason, "next": hint}
                write_json(job.failed, facts | {"said": output[-4000:], "settings": job.settings, "code": job.code})
                return f"{reason}; next: {hint}" if hint else reason
        job.failed.unlink(missing_ok=True)
        facts = {"settings": job.settings, "code": job.code, "protocols": [PROTOCOLS[p] for p in protocols]}
        write_json(job.run / EVALUATED, facts | {"wall_s": round(time.monotonic() - begun, 1)})
        return None

    def make_way(self, job: Job) -> bool:
        """Frees the run folder of what is not this run; False where the benchmark was stopped before that."""
        waited = False
        while not self.stopped:
            try:
                if (job.run / LOCK).exists():
                    with FolderLock(job.run / LOCK):
                        pass  # nobody trains there; a folder that is renamed must have no open file on some systems
            except RunError as error:  # held, by a worker that outlived its benchmark or a person's own training
                if not waited:
                    self.notice(f"{job.title} waits: {error.message}")
                waited = True
                time.sleep(0.2)
                continue
            if message := job.set_aside():
                self.notice(message)
            return True
        return False

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
                output = process.communicate()[1]
            finally:
                self.under_way.discard(process)
        return process.returncode, output
