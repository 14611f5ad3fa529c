"""``md2n benchmark``: methods x data sets x seeds under one protocol, resumable."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """
\b
Examples:
  md2n benchmark --data digits --models md2n,modality_dropout --seeds 5 --out bench --plan
  md2n benchmark --data mfeat,ravdess_av --models all --seeds 5 --protocol fixed,random --out bench

Run it again to go on after an interruption or to add methods, data sets or seeds.
"""


def benchmark(
    data: Annotated[str, typer.Option(help="Ready names or stores, with commas.")],
    out: Annotated[Path, typer.Option(help="The benchmark's folder.")],
    models: Annotated[str, typer.Option(help="Methods with commas, or all.")] = "all",
    seeds: Annotated[int, typer.Option(help="How many seeds: 0, 1, ...", min=1)] = 5,
    protocol: Annotated[str, typer.Option(help="fixed, random, or both with a comma.")] = "fixed,random",
    preset: Annotated[str, typer.Option(help="Configuration every method starts from.")] = "default",
    sets: Annotated[list[str] | None, typer.Option("--set", help="Override for every run; repeatable.")] = None,
    workers: Annotated[int, typer.Option(help="Runs at a time; 0 takes one per core.", min=0)] = 0,
    plan_only: Annotated[bool, typer.Option("--plan", help="Only say what would be run.")] = False,
) -> None:
    """Run every method on every data set with every seed, then write the report."""
    from md2n.cli.output import say
    from md2n.experiment.benchmark import gather, plan, run_benchmark
    from md2n.models.catalogue import MODELS
    from md2n.report.render import write_report

    chosen = MODELS.names() if models == "all" else _words(models)
    jobs = plan(_words(data), chosen, seeds, out, preset, sets or ())
    if plan_only:
        for job in jobs:
            typer.echo(f"{job.data}\t{job.model}\tseed {job.seed}\t{'done' if job.done(_words(protocol)) else 'to do'}")
        return
    failed = run_benchmark(jobs, _words(protocol), workers or _cores(), say)
    rows = gather(jobs)
    if rows:
        say(f"report: {write_report(out / 'report', rows)}")
        typer.echo(str(out / "report"))
    for job in failed:
        say(f"failed: {job.data} {job.model} seed {job.seed}; see {job.failed}")
    if failed:
        raise typer.Exit(1)


def _words(text: str) -> tuple[str, ...]:
    return tuple(w.strip() for w in text.split(",") if w.strip())


def _cores() -> int:
    """Cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


benchmark.__doc__ = f"{benchmark.__doc__}\n{EXAMPLES}"
