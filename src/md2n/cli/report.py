"""``md2n report``: tables and figures from the results of runs or of a benchmark."""

from pathlib import Path
from typing import Annotated

import typer

from md2n.cli.examples import add_examples

EXAMPLES = """
\b
Examples:
  md2n report runs/digits
  md2n report runs/* --out report
  md2n report bench
"""


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run or benchmark folders, results files or archives.")],
    out: Annotated[Path, typer.Option(help="The report folder.")] = Path("report"),
) -> None:
    """Compare runs: Markdown, CSV and LaTeX tables, figures, and one HTML page that opens without a network."""
    from md2n.cli.reporting import report_of

    typer.echo(str(report_of(runs, out)))


add_examples(report, EXAMPLES)
