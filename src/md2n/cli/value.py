"""``md2n value``: what each modality is worth to a trained run, also where its gaps are informative."""

from pathlib import Path
from typing import Annotated

import typer

from md2n.cli.examples import add_examples
from md2n.cli.output import AsJson

EXAMPLES = """
\b
Examples:
  md2n value runs/digits
  md2n value runs/mine --split valid --json > value.json
"""


def value(
    run: Annotated[Path, typer.Argument(help="A run folder written by `md2n train`.")],
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    data: Annotated[str, typer.Option(help="Other data than the run was trained on (name or store).")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "cpu",
    json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Measure what each modality is worth, and the same by weights that correct for informative gaps."""
    from md2n.cli.counting import counted
    from md2n.cli.output import print_table, say

    with counted(f"measuring {run}", quiet) as count:
        from md2n.cli.newdata import require_same_columns
        from md2n.experiment.loading import load_run
        from md2n.experiment.value import run_values
        from md2n.report.value import value_table

        loaded = load_run(run, device)
        require_same_columns(data, loaded)
        values = run_values(loaded, split=split, data=data or None, notice=say, progress=count)
    name = data or str(loaded.facts.get("data", {}).get("name", loaded.config.data.name))
    table = value_table(values, loaded.schema.task, name, split)
    print_table(table, as_json=json)


add_examples(value, EXAMPLES)
