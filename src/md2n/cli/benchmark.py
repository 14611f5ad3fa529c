"""``md2n benchmark``: methods x data sets x seeds under one protocol, resumable."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from md2n.experiment.job import Job
    from md2n.report.table import Table

EXAMPLES = """
\b
Examples:
  md2n benchmark --data digits --models md2n,modality_dropout --seeds 5 --out bench --plan
  md2n benchmark --data mfeat,ravdess_av --models all --seeds 5 --protocol fixed,random --out bench
  md2n benchmark --data mfeat --models all --seeds 5 --tune 8 --out tuned

Run it again to go on after an interruption or to add methods, data sets or seeds.
"""


def benchmark(
    data: Annotated[str, typer.Option(help="Ready names or stores, with commas.")],
    out: Annotated[Path, typer.Option(help="The benchmark's folder.")],
    models: Annotated[str, typer.Option(help="Methods with commas, or all.")] = "all",
    seeds: Annotated[int, typer.Option(help="How many seeds: 0, 1, ...", min=1)] = 5,
    first_seed: Annotated[
        int, typer.Option(help="Begin with this seed: to share seeds among machines or sittings.", min=0)
    ] = 0,
    protocol: Annotated[str, typer.Option(help="fixed, random, or both with a comma.")] = "fixed,random",
    preset: Annotated[
        str, typer.Option(help="Configuration every method starts from; each one's own if not given.")
    ] = "",
    sets: Annotated[list[str] | None, typer.Option("--set", help="Override for every run; repeatable.")] = None,
    tune: Annotated[
        int, typer.Option(help="Random trials per method and data set, chosen on validation; 0: presets.", min=0)
    ] = 0,
    workers: Annotated[int, typer.Option(help="Runs at a time; 0 takes one per core.", min=0)] = 0,
    keep_stale: Annotated[
        bool, typer.Option("--keep-stale", help="Count as done what other code of md2n made or measured.")
    ] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Only say what would be run and how long it would take.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Run every method on every data set with every seed, then write the report."""
    from md2n.cli.counting import counted
    from md2n.cli.output import print_table, say

    with counted(f"planning the benchmark in {out}", quiet):
        from md2n.errors import RunError, UsageError
        from md2n.experiment.benchmark import check_protocols, check_shared_masks, run_benchmark
        from md2n.experiment.plan import plan
        from md2n.experiment.terms import Terms, check_terms, record_terms
        from md2n.experiment.tuning import Search
        from md2n.methods.catalogue import MODELS

        protocols = _words(protocol)
        if not protocols:
            raise UsageError("no protocol is named", "give --protocol fixed, random, or both with a comma")
        check_protocols(protocols)
        terms = Terms(tune, preset, tuple(sorted({s.partition("=")[0]: s for s in sets or ()}.values())))
        check_terms(out, terms)
        named = _words(models)
        methods = MODELS.names() if "all" in named else named
        jobs = plan(_words(data), methods, seeds, out, preset, sets or (), keep_stale, first_seed)
        if not jobs:
            raise UsageError("there is nothing to run", "name data sets and methods, for instance --data digits")
        if tune or plan_only:  # else it is checked with the runs that are to do
            check_shared_masks(jobs, protocols)
        tables = _plan_tables(jobs, tune, protocols, workers or _cores()) if plan_only else []
    if plan_only:
        for table in tables:
            print_table(table)
        return
    from md2n.cli.reporting import report_of
    from md2n.durable import make_directory
    from md2n.training.lock import FolderLock
    from md2n.training.rundir import LOCK

    make_directory(out)
    page = None
    waiting: list[Job] = []
    with FolderLock(out / LOCK, "benchmarking in"), counted(f"benchmark in {out}", quiet, every=True) as count:
        search = Search(jobs, tune, out) if tune else None
        record_terms(out, terms)
        if search is not None:
            if trials := search.trials():
                say(f"search: {terms.words}")
                run_benchmark(trials, (), workers or _cores(), say, count)
                search.record(trials)
            jobs, waiting = search.settled()
        failed = run_benchmark(jobs, protocols, workers or _cores(), say, count) if jobs else []
        try:
            page = report_of([out], out / "report")
        except RunError as error:
            say(f"no report: {error.message}")
    if page is not None:
        say(f"report: {page}")
        typer.echo(str(out / "report"))
    for job in failed:
        say(f"failed: {job.title}; the command and what it said are in {job.failed}")
    for job in waiting:
        say(f"not run: {job.title}; trials of its search did not end, the same command makes them again")
    if failed or waiting:
        raise typer.Exit(1)


def _plan_tables(jobs: "Sequence[Job]", tune: int, protocols: tuple[str, ...], workers: int) -> "list[Table]":
    """What would be tried and what would be run."""
    from md2n.cli.output import say
    from md2n.experiment.plan import plan_table
    from md2n.experiment.tuning import Search, space_table

    if not tune:
        return [plan_table(jobs, protocols, workers, say)]
    search = Search(jobs, tune)  # in memory: the same trials are drawn, and what they came to is in their folders
    trials = search.trials()
    search.record(trials)
    settled, waiting = search.settled()
    return [space_table(jobs, tune), plan_table([*trials, *settled, *waiting], protocols, workers, say)]


def _words(text: str) -> tuple[str, ...]:
    return tuple(w.strip() for w in text.split(",") if w.strip())


def _cores() -> int:
    """Cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


benchmark.__doc__ = f"{benchmark.__doc__}\n{EXAMPLES}"
