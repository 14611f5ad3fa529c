"""``md2n evaluate``: a trained run under every missing pattern, and its report."""

from pathlib import Path
from typing import Annotated

import typer

from md2n.cli.examples import add_examples
from md2n.cli.output import AsJson

EXAMPLES = """
\b
Examples:
  md2n evaluate runs/digits
  md2n evaluate runs/digits --protocol random --masks masks/digits.npz
  md2n evaluate runs/digits --protocol fixed --protocol random --split valid
  md2n evaluate runs/digits --hide edges=0.7
  md2n evaluate runs/digits --json > measures.json
"""


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder written by `md2n train`.")],
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="fixed (patterns as in the paper), random (rates 0 to 0.7), inside (single numbers hidden) or every "
            "(all patterns of any number of modalities, without recovery); repeatable."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="test or valid.")] = "test",
    masks: Annotated[
        Path | None, typer.Option(help="Shared masks of the random protocol; drawn and saved if absent.")
    ] = None,
    hide: Annotated[
        list[str] | None,
        typer.Option(help="MODALITY=RATE: measure with it hidden from that part of the samples; repeatable."),
    ] = None,
    draws: Annotated[
        int | None, typer.Option(min=1, help="Draws per sample; the model's own setting if not given.")
    ] = None,
    recovery: Annotated[bool, typer.Option(help="Measure recovered modalities too.")] = True,
    report: Annotated[bool, typer.Option(help="Write tables and figures to the run's folder.")] = True,
    data: Annotated[str, typer.Option(help="Other data than the run was trained on (name or store).")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "cpu",
    json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Measure a run under a protocol; rows are appended to its results.jsonl, tables and figures are written."""
    from md2n.cli.counting import counted
    from md2n.cli.output import print_tables, say
    from md2n.errors import DataError, UsageError

    with counted(f"evaluating {run}", quiet) as count:
        from md2n.cli.newdata import require_same_columns
        from md2n.cli.rates import rates
        from md2n.cli.reporting import naming, say_what_is_left_out
        from md2n.evaluation.results import PROTOCOLS
        from md2n.experiment.measuring import RESULTS
        from md2n.experiment.pipeline import load_run, recovery_examples, run_evaluation
        from md2n.experiment.results_store import run_facts, run_rows
        from md2n.report.certainty import certainty_table
        from md2n.report.patterns import every_table
        from md2n.report.render import write_report
        from md2n.report.tables import fixed_table, hidden_table, inside_table, rate_table, recovery_table
        from md2n.report.verdict import verdict

        loaded = load_run(run, device)
        require_same_columns(data, loaded)
        if masks is not None and "random" not in (protocol or loaded.config.evaluation.protocols):
            raise UsageError("--masks is for the protocol 'random'", "add --protocol random, or leave --masks out")
        rows = run_evaluation(
            loaded,
            protocols=tuple(protocol) if protocol else None,
            split=split,
            masks=masks,
            hide=rates(hide or ()),
            draws=draws,
            recovery=recovery,
            data=data or None,
            notice=say,
            progress=count,
        )
    if not rows:
        raise DataError(
            f"no label '{loaded.schema.task.label}' is known in the split '{split}': there is nothing to measure",
            "give data with known labels (--data, --split)",
        )
    alone = [m.name for m in loaded.schema.modalities if m.dim == 1]
    if alone and any(r.protocol == PROTOCOLS["inside"] for r in rows):
        say(f"inside: {', '.join(alone)}: one number a frame, of which none is hidden; the shares are of the others")
    named = naming(r.model for r in rows)
    sentence = verdict(rows, naming=named)
    kinds = (fixed_table, rate_table, hidden_table, inside_table, every_table, certainty_table, recovery_table)
    tables = [table for table in (t(rows, naming=named) for t in kinds) if table.rows]
    print_tables(tables, sentence, as_json=json)
    say_what_is_left_out()
    if not report:
        return
    examples = recovery_examples(loaded, rows[0].dataset, split)
    # The page has all that holds of this run, not only what was asked for now.
    held = [r for r in run_rows(run / RESULTS, say) if r.dataset == rows[0].dataset]
    facts = run_facts(held, run)
    say(f"report: {write_report(run / 'report', held, naming=named, examples=examples, runs=facts)}")


add_examples(evaluate, EXAMPLES)
