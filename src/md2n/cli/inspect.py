"""``md2n inspect``: modalities that are there and do not fit the others."""

from pathlib import Path
from typing import Annotated

import typer

from md2n.cli.examples import add_examples

EXAMPLES = """
\b
Examples:
  md2n inspect runs/digits --data my-store > scores.csv
  md2n inspect runs/digits --data digits --split test --out scores.csv
"""


def inspect(
    run: Annotated[Path, typer.Argument(help="A finished run folder of a method that recovers.")],
    data: Annotated[str, typer.Option(help="A store, a ready name, or any file `md2n data import` reads.")],
    out: Annotated[Path | None, typer.Option(help="A CSV file; stdout if not given.")] = None,
    split: Annotated[str, typer.Option(help="Only this split (train, valid, test).")] = "",
    hide: Annotated[list[str] | None, typer.Option(help="Hide a modality from the model; repeatable.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Inspect: one CSV row per sample with a score and a p for each modality that can be recovered from the others.

    The score is the mean squared difference from the recovery, in its standard deviations.  The p is the share of
    validation samples with a score as high: small where the modality does not fit.  A modality that is missing, or the
    only one of its sample, has empty cells.

    A wrong modality makes right ones look wrong, too.  `md2n predict --distrust` decides which one it is.
    """
    import numpy as np

    from md2n.cli.counting import counted
    from md2n.cli.output import say, write_rows
    from md2n.data.places import check_apart
    from md2n.escape import csv_cell

    if out is not None:
        check_apart(out, data)
    with counted(f"inspecting with {run}", quiet) as count:
        from md2n.cli.newdata import open_new
        from md2n.serve.predictor import load

        predictor = load(run, device=device)
        samples = open_new(data, predictor, split, tuple(hide or ()))
        answer = predictor.inspect(samples, progress=lambda done, total: count(done, total, "samples"))
    for note in answer.notes:
        say(f"note: {note}")
    lines = [["id", *(csv_cell(f"{what}_{name}") for name in answer.names for what in ("score", "p"))]]
    for i, name in enumerate(answer.ids):
        pairs = [x for pair in zip(answer.score[i], answer.p[i]) for x in pair]
        lines.append([csv_cell(str(name)), *("" if np.isnan(x) else f"{x:.4g}" for x in pairs)])
    write_rows(lines, out)
    for k, name in enumerate(answer.names):
        scored = answer.p[:, k][~np.isnan(answer.p[:, k])]
        if len(scored):
            low, lower = (int((scored <= level).sum()) for level in (0.1, 0.01))
            say(f"{name}: of {len(scored)} samples {low} have p <= 0.1, {lower} have p <= 0.01")
    say(f"the least p there is: {answer.finest:.3g}, by the number of validation samples")


add_examples(inspect, EXAMPLES)
