"""Many runs under one protocol: methods x data sets x seeds, each in a process of its own, resumable run by run.

A run is ``md2n train`` then ``md2n evaluate`` with one thread, so a benchmark's number is what a person gets who types
the two commands.  What is done is not done again; what was interrupted goes on; what fails says so and stops nothing.
What other code made, or other settings of the same preset, is renamed aside and made again.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from md2n.durable import make_directory, tidy, write_json
from md2n.errors import Md2nError, UsageError, did_you_mean
from md2n.evaluation.results import PROTOCOLS, STANDARD
from md2n.experiment.job import EVALUATED, Job
from md2n.experiment.measuring import Progress
from md2n.experiment.worker import Worker, warm_up

KILLED = (137, -9, -15, 143)
STOPPED = 130
PATIENCE_S = 30.0  # for workers to save their state, before they are killed


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
        KeyboardInterrupt: Ctrl-C, or a signal to end; runs that were under way have saved their state.
    """
    check_protocols(protocols)
    todo = [job for job in jobs if not job.done(protocols)]
    notice(f"{len(jobs)} runs, {len(jobs) - len(todo)} done already, {len(todo)} to do")
    for folder in {f for job in jobs for f in (job.out, job.run, job.run.parent)}:
        tidy(folder)
    begun = time.monotonic()
    crew = _Crew(notice)
    warm_up()
    failed, ended = [], 0

    def work(job: Job) -> str:
        progress(ended, len(todo), f"{job.title} begins")
        return crew.work(job, tuple(protocols))

    with ThreadPoolExecutor(max_workers=workers) as pool:
        waiting = {pool.submit(work, job): job for job in todo}
        try:
            for future in as_completed(waiting):
                ended += 1
                job, failure = waiting[future], future.result()
                if failure:
                    failed.append(job)
                    notice(f"{job.title}: FAILED: {failure}")
                left = (time.monotonic() - begun) / ended * (len(todo) - ended) / 60
                progress(ended, len(todo), f"{job.title} {'failed' if failure else 'done'}; {left:.0f} min left")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            crew.stop()
            whole = sum(job.done(protocols) for job in jobs)
            notice(f"stopped after {whole} of {len(jobs)} runs; the same command goes on from there")
            raise
    return [job for job in todo if job in failed]


def check_protocols(protocols: Sequence[str]) -> None:
    """Refuses protocols that do not exist.

    Raises:
        UsageError: the hint names the nearest.
    """
    for protocol in protocols:
        if protocol not in STANDARD:
            raise UsageError(f"no protocol is called '{protocol}'", did_you_mean(protocol, STANDARD))


class _Crew:
    """The processes under way, so that they can be stopped."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self.notice = notice
        self.stopped = False
        self.under_way: set[Worker] = set()

    def stop(self) -> None:
        """As Ctrl-C would: a training saves its state; what does not end in time, or at a second signal, is killed."""
        self.stopped = True
        for worker in tuple(self.under_way):
            worker.interrupt()
        patience = time.monotonic() + PATIENCE_S
        try:
            while self.under_way and time.monotonic() < patience:
                time.sleep(0.05)
        finally:
            for worker in tuple(self.under_way):
                worker.kill()

    def work(self, job: Job, protocols: tuple[str, ...]) -> str:
        """One run; empty where all went well, else what went wrong and the next step."""
        begun = time.monotonic()
        make_directory(job.run.parent)
        try:
            if message := job.set_aside():
                self.notice(message)
        except Md2nError as error:  # somebody trains there, or it cannot be renamed
            return _recorded(job, [], error.exit_code, f"error: {error.message}\nnext: {error.hint}")
        before = job.measured() or []
        for command in job.commands(protocols):
            code, output = (STOPPED, "") if self.stopped else self.call(command)
            if self.stopped or code == STOPPED:
                return "stopped"
            if code:
                return _recorded(job, command, code, output)
        job.failed.unlink(missing_ok=True)
        known = [*dict.fromkeys([*before, *(PROTOCOLS[p] for p in protocols)])]
        wall = round(time.monotonic() - begun, 1)
        write_json(job.run / EVALUATED, {"version": job.version, "protocols": known, "wall_s": wall})
        return ""

    def call(self, command: Sequence[str]) -> tuple[int, str]:
        """Exit code and stderr of one command."""
        worker = self.start(command)
        try:
            return worker.wait()
        finally:
            self.under_way.discard(worker)

    def start(self, command: Sequence[str]) -> Worker:
        """A command in a process of its own, which is stopped with the others."""
        worker = Worker(command)
        self.under_way.add(worker)
        if self.stopped:  # between the start and its entry in the list
            worker.interrupt()
        return worker


def _recorded(job: Job, command: Sequence[str], code: int, output: str) -> str:
    """Writes down a failure; what went wrong and the next step."""
    lines = output.splitlines() or [f"ended with {code} and said nothing"]
    reason = next((line for line in lines if line.startswith("error:")), lines[-1])
    hint = next((line.removeprefix("next: ") for line in lines if line.startswith("next: ")), "")
    if code in KILLED and not output:
        reason = f"killed (it ended with {code}); was there memory enough?"
        hint = "the same command goes on from its checkpoint; fewer --workers need less memory"
    facts = {"command": ["md2n", *command], "exit_code": code, "reason": reason, "next": hint, "output": output[-4000:]}
    write_json(job.failed, facts | {"version": job.version})
    return f"{reason}; next: {hint}" if hint else reason
