"""``md2n reproduce``: a table or figure of the paper on any data, in its own layout, from resumable runs."""

from pathlib import Path
from typing import Annotated

import typer

from md2n.cli.examples import add_examples
from md2n.cli.output import AsJson

EXAMPLES = """
\b
Examples:
  md2n reproduce table2 --data ravdess_av --out study --plan
  md2n reproduce table2 --data ravdess_av --out study --folds 5
  md2n reproduce table1 --data digits --models mctn,imder --seeds 3 --out bench
  md2n reproduce table1 --data digits --out bench --no-run
  md2n reproduce table3 --data mfeat --out study
  md2n reproduce fig4 --data stressid --out study --set model.fusion.latent.length=8

Run it again to go on after an interruption or to add seeds. Runs of a `md2n benchmark` in the same --out serve.
"""


def reproduce(
    study: Annotated[str, typer.Argument(help="table1, table2, table3, table4, fig1, fig3 or fig4.")],
    data: Annotated[str, typer.Option(help="A ready name or a store.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs and reports; that of a benchmark, too.")] = Path(
        "reproduce"
    ),
    seeds: Annotated[
        int | None, typer.Option(help="How many seeds: 0, 1, ...; 5 as in the paper, 1 with folds.", min=1)
    ] = None,
    folds: Annotated[
        int | None, typer.Option(help="Split the rows anew into so many, each tested once; 0: as they are.", min=0)
    ] = None,
    models: Annotated[str, typer.Option(help="Only these rows, with commas, and md2n where it is a row.")] = "",
    measures: Annotated[str, typer.Option(help="Measures to show, with commas; the first is tested.")] = "",
    sets: Annotated[list[str] | None, typer.Option("--set", help="Override for every run; repeatable.")] = None,
    workers: Annotated[int, typer.Option(help="Runs at a time; 0 takes one per core.", min=0)] = 0,
    plan_only: Annotated[bool, typer.Option("--plan", help="Only say what would be run and what is done.")] = False,
    no_run: Annotated[bool, typer.Option("--no-run", help="Only report the runs that are done.")] = False,
    json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Make a table or figure of the paper on your data: runs, paired tests, ours and the published values apart."""
    from md2n.cli.counting import counted
    from md2n.cli.output import print_table, print_tables, say

    with counted(f"planning {study} in {out}", quiet):
        from md2n.cli.benchmark import cores, words
        from md2n.experiment.benchmark import run_benchmark
        from md2n.experiment.plan import check_options, options, plan_table, record_options
        from md2n.experiment.reproduce import check_data, jobs_of, results_of, study_of, titles

        chosen = study_of(study, words(models))
        pairs = jobs_of(chosen, data, out, seeds, folds, sets or ())
        samples, shown = check_data(chosen, pairs[0][1].config.data, words(measures))
        protocol = chosen.protocol(len(samples.names))
        common = options(0, "", sets or ())
        check_options(out, common)
        jobs = [job for _, job in pairs]
    if plan_only:
        print_table(plan_table(jobs, [protocol]), as_json=json)
        return
    from md2n.cli.reporting import say_what_is_left_out
    from md2n.durable import make_directory
    from md2n.report.reproduced import agreement, own_tables, paired_tests, reproduced
    from md2n.report.reproduction import published_tables, write_reproduction
    from md2n.training.lock import FolderLock
    from md2n.training.rundir import LOCK

    make_directory(out)
    with FolderLock(out / LOCK, "benchmarking in"), counted(f"{study} in {out}", quiet, every=True) as count:
        record_options(out, common)
        failed = [] if no_run else run_benchmark(jobs, [protocol], workers or cores(), say, count)
        rows, runs = results_of(pairs, protocol, say)
    named = titles(chosen)
    one = reproduced(
        study,
        chosen.title,
        rows,
        runs,
        named,
        chosen.pairs,
        protocol=protocol,
        measures=shown,
        rates=chosen.rates,
        sets=sets or (),
    )
    tests = paired_tests(one)
    own = own_tables(one)  # the first in the paper's layout, which may have several measures in a cell
    tables = [*(own if json else own[:1]), *([] if tests is None else [tests]), *published_tables(study)]
    print_tables(tables, agreement(one).replace("`", "").replace("*", ""), as_json=json)
    say_what_is_left_out()
    notes = [f"failed: {job.title}" for job in failed]
    page = write_reproduction(out / "reports" / f"{study}-{samples.name}", one, rows, named, notes)
    say(f"report: {page}")
    for job in failed:
        say(f"failed: {job.title}; the command and what it said are in {job.failed}")
    if failed:
        raise typer.Exit(1)


add_examples(reproduce, EXAMPLES)
