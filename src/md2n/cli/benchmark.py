"""``md2n benchmark``: methods x data sets x seeds under one protocol, resumable."""

from pathlib import Path
from typing import Annotated

import typer

from md2n.cli.examples import add_examples
from md2n.cli.output import AsJson

EXAMPLES = """
\b
Examples:
  md2n benchmark --data digits --models md2n,modality_dropout --seeds 5 --out bench --plan
  md2n benchmark --data mfeat,ravdess_av --models all --seeds 5 --protocol fixed,random --out bench
  md2n benchmark --data mfeat --models all --seeds 5 --tune 8 --out tuned
  md2n benchmark --data digits --models md2n,zero_fill --add mymethod.py --out mine

Run it again to go on after an interruption or to add methods, data sets or seeds.
"""


def benchmark(
    data: Annotated[str, typer.Option(help="Ready names or stores, with commas.")],
    out: Annotated[Path, typer.Option(help="The benchmark's folder.")],
    models: Annotated[str, typer.Option(help="Methods with commas, or all.")] = "all",
    seeds: Annotated[
        int | None,
        typer.Option(help="How many seeds: 0, 1, ...; if neither they nor folds are given, one or two.", min=1),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(help="Split the rows anew into so many; 0: as they are; 5 if fewer than 1500 are tested.", min=0),
    ] = None,
    add: Annotated[list[Path] | None, typer.Option(help="A Python file with a method of your own; repeatable.")] = None,
    protocol: Annotated[str, typer.Option(help="fixed, random, or both with a comma.")] = "fixed,random",
    preset: Annotated[
        str, typer.Option(help="Configuration every method starts from; each one's own if not given.")
    ] = "",
    sets: Annotated[list[str] | None, typer.Option("--set", help="Override for every run; repeatable.")] = None,
    tune: Annotated[
        int, typer.Option(help="Random trials per method and data set, chosen on validation; 0: presets.", min=0)
    ] = 0,
    workers: Annotated[int, typer.Option(help="Runs at a time; 0 takes one per core.", min=0)] = 0,
    plan_only: Annotated[bool, typer.Option("--plan", help="Only say what would be run and what is done.")] = False,
    json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Run every method on every data set with every seed, then write the report."""
    from md2n.cli.counting import counted
    from md2n.cli.output import print_json, print_table, say

    if add:
        _offer(add)
    with counted(f"planning the benchmark in {out}", quiet):
        from md2n.errors import RunError, UsageError
        from md2n.experiment.benchmark import check_protocols, run_benchmark
        from md2n.experiment.plan import check_options, options, plan, plan_table, record_options
        from md2n.experiment.tuning import settled, trials_of
        from md2n.methods.added import name_of
        from md2n.methods.catalogue import compared

        own = tuple(name_of(path) for path in add or ())
        protocols = words(protocol)
        if not protocols:
            raise UsageError("no protocol is named", "give --protocol fixed, random, or both with a comma")
        check_protocols(protocols)
        common = options(tune, preset, sets or ())
        check_options(out, common)
        named = (*words(models), *(name for name in own if name not in words(models)))
        jobs = plan(words(data), compared() if "all" in named else named, seeds, out, preset, sets or (), folds)
        if not jobs:
            raise UsageError("there is nothing to run", "name data sets and methods, for instance --data digits")
        trials = trials_of(jobs, tune) if tune else []
    if plan_only:
        print_table(plan_table([*trials, *settled(jobs, trials)], protocols), as_json=json)
        return
    from md2n.cli.reporting import report_of
    from md2n.durable import make_directory
    from md2n.training.lock import FolderLock
    from md2n.training.rundir import LOCK

    make_directory(out)
    page = None
    with FolderLock(out / LOCK, "benchmarking in"), counted(f"benchmark in {out}", quiet, every=True) as count:
        record_options(out, common)
        failed = run_benchmark(trials, (), workers or cores(), say, count) if trials else []
        failed += run_benchmark(settled(jobs, trials), protocols, workers or cores(), say, count)
        try:
            page = report_of([out], out / "report")
        except RunError as error:
            say(f"no report: {error.message}")
    if page is not None:
        say(f"report: {page}")
    report = None if page is None else str(out / "report")
    if json:
        print_json({"report": report, "failed": [job.title for job in failed]})
    elif report is not None:
        typer.echo(report)
    for job in failed:
        say(f"failed: {job.title}; the command and what it said are in {job.failed}")
    if failed:
        raise typer.Exit(1)


def _offer(paths: list[Path]) -> None:
    """Makes methods from files known to this process and to its workers."""
    import os

    from md2n.methods.added import ENVIRONMENT, check, name_of

    for path in paths:
        name_of(path)
        check(path.resolve())
    before = os.environ.get(ENVIRONMENT, "")
    os.environ[ENVIRONMENT] = os.pathsep.join([*([before] if before else []), *(str(p.resolve()) for p in paths)])
    from md2n.methods.catalogue import METHODS, MODELS, add

    for path in paths:  # where the catalogue was read before this
        if path.stem in METHODS or path.stem not in MODELS.names():
            add(path.stem, path.resolve())


def words(text: str) -> tuple[str, ...]:
    """What commas set apart."""
    return tuple(w.strip() for w in text.split(",") if w.strip())


def cores() -> int:
    """Cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


add_examples(benchmark, EXAMPLES)
