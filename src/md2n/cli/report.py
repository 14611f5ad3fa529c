"""``md2n report``: tables and figures from the results of one or many runs."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """
\b
Examples:
  md2n report runs/digits
  md2n report runs/* --out report
"""


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders (their results.jsonl) or results files.")],
    out: Annotated[Path, typer.Option(help="The report folder.")] = Path("report"),
) -> None:
    """Compare runs: Markdown, CSV and LaTeX tables, figures, and one HTML page that opens without a network."""
    from md2n.errors import RunError
    from md2n.evaluation.results import read_results
    from md2n.report.render import write_report

    rows = []
    for run in runs:
        if not run.exists():
            raise RunError(f"there is no run folder or results file {run}", "give what `md2n train --out` wrote")
        path = run / "results.jsonl" if run.is_dir() else run
        if not path.is_file():
            raise RunError(f"{run} holds no results", f"run `md2n evaluate {run}` first")
        rows += read_results(path)
    typer.echo(str(write_report(out, rows)))


report.__doc__ = f"{report.__doc__}\n{EXAMPLES}"
