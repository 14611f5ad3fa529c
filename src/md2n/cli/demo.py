"""``md2n demo``: the main job on the embedded digits, from training to a recovered modality, in about three minutes."""

from pathlib import Path
from typing import Annotated

import typer

METHODS = ("zero_fill", "modality_dropout", "md2n")
HIDDEN = "rows"

EXAMPLES = """
\b
Examples:
  md2n demo
  md2n demo --out demo --seed 1

Run it again: what is done is not done again.
"""


def demo(
    out: Annotated[Path, typer.Option(help="Folder for runs, report and recovered data.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Train MD2N and two floors on digits, compare them under every missing pattern, recover a hidden view."""
    from md2n.cli.output import print_table, say
    from md2n.cli.progress import watch
    from md2n.experiment.config import resolve
    from md2n.experiment.pipeline import run_evaluation, run_training
    from md2n.report.render import write_report
    from md2n.report.tables import fixed_table, recovery_table

    say("Handwritten digits seen through four views of unequal worth; any of them may be missing.")
    rows = []
    for method in METHODS:
        run = out / "runs" / method
        config = resolve("digits", [], model=method, seed=seed)
        with watch(run, quiet=quiet, title=method) as observer:
            run_training(config, run, observer)
        rows += run_evaluation(run, protocols=("fixed",), notice=say)
    for table in (fixed_table(rows), recovery_table(rows)):
        if table.rows:
            print_table(table)
    page = write_report(out / "report", rows)
    _recover(out, seed)
    say(f"\nopen {page} to look at it; the recovered '{HIDDEN}' of the test split are in {out / 'recovered'}")


demo.__doc__ = f"{demo.__doc__}\n{EXAMPLES}"


def _recover(out: Path, seed: int) -> None:
    """Hides the best view of the test split from MD2N, recovers it, and draws some of the digits it gives back."""
    from importlib.util import find_spec

    from md2n.cli.newdata import open_new
    from md2n.cli.output import say
    from md2n.data.store import write_store
    from md2n.report.figures import recovered_images
    from md2n.serve.predictor import load

    predictor = load(out / "runs" / "md2n", seed=seed)
    truth = open_new("digits", predictor.schema.names, "test", ())
    hidden = open_new("digits", predictor.schema.names, "test", (HIDDEN,))
    recovered = predictor.recover(hidden)
    write_store(out / "recovered", recovered.samples)
    if find_spec("matplotlib") is None:
        say("pictures need matplotlib: pip install 'md2n[plot]'")
        return
    chosen = [int(i) for i in range(0, len(truth), max(1, len(truth) // 10))][:10]
    recovered_images(
        out / "report" / "recovered",
        [truth.modalities[HIDDEN].sample(i) for i in chosen],
        [recovered.features[HIDDEN][i] for i in chosen],
        [recovered.spread[HIDDEN][i] for i in chosen],
    )
