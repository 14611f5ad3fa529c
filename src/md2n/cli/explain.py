"""``md2n explain``: what each modality adds to each prediction."""

from pathlib import Path
from typing import Annotated

import typer

from md2n.cli.examples import add_examples

EXAMPLES = """
\b
Examples:
  md2n explain runs/digits --data my-store > contributions.csv
  md2n explain runs/digits --data digits --split test --out contributions.csv
  md2n explain runs/digits --data digits --split test --out contributions.csv --plot contributions.png
"""


def explain(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    data: Annotated[str, typer.Option(help="A store, a ready name, or any file `md2n data import` reads.")],
    out: Annotated[Path | None, typer.Option(help="A CSV file; stdout if not given.")] = None,
    plot: Annotated[Path | None, typer.Option(help="A figure, .png or .svg; needs the extra plot.")] = None,
    split: Annotated[str, typer.Option(help="Only this split (train, valid, test).")] = "",
    hide: Annotated[list[str] | None, typer.Option(help="Hide a modality from the model; repeatable.")] = None,
    orders: Annotated[int, typer.Option(help="Orders drawn for samples with more than 6 modalities.")] = 32,
    any_units: Annotated[bool, typer.Option("--any-units", help="Skip the check of units.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Explain: one CSV row per sample with what each modality adds to its prediction.

    These are Shapley values: the mean of what a modality changes, over all orders in which the modalities could have
    arrived.  The columns add up: baseline + adds_A + adds_B + ... = value.

    The value is the predicted number, or the probability of the predicted class.  The baseline is the prediction from
    nothing: the mean training label, or the frequency of that class in training.  A modality that a sample lacks has
    an empty cell.  With more than 6 modalities orders are drawn; the sum is still exact.
    """
    from md2n.cli.counting import counted
    from md2n.cli.output import say, write_rows
    from md2n.data.places import check_apart
    from md2n.escape import csv_cell
    from md2n.report.style import check_drawable, write_figure

    for path in (out, plot):
        if path is not None:
            check_apart(path, data)
    if plot is not None:
        check_drawable(plot)
    with counted(f"explaining {run}", quiet) as count:
        from md2n.cli.newdata import open_new
        from md2n.serve.predictor import load

        predictor = load(run, device=device, seed=seed)
        samples = open_new(data, predictor, split, tuple(hide or ()))
        answer = predictor.explain(
            samples,
            orders=orders,
            check_units=not any_units,
            progress=lambda done, total: count(done, total, "samples"),
        )
    for note in answer.notes:
        say(f"note: {note}")
    own, classes, names = answer.own, answer.classes, answer.names
    lines = [["id", "prediction", "value", "baseline", *(csv_cell(f"adds_{name}") for name in names)]]
    for i, label in enumerate(answer.labels):
        best = (int(answer.output[i].argmax()),) if classes else ()
        numbers = [f"{float(answer.output[(i, *best)]):.6g}", f"{float(answer.baseline[best]):.6g}"]
        each = [f"{x:.6g}" if there else "" for x, there in zip(own[i], answer.available[i])]
        lines.append([csv_cell(str(answer.ids[i])), csv_cell(str(label)), *numbers, *each])
    write_rows(lines, out)
    what = "probability of the predicted class" if classes else f"label '{predictor.schema.task.label}'"
    for k in answer.mean_size.argsort()[::-1]:
        if not answer.available[:, k].any():
            continue
        say(f"{names[k]}: adds {answer.mean_size[k]:.3g} to the {what} on average, in absolute value")
    if drawn := int((~answer.exact).sum()):
        say(f"note: {drawn} samples have more than 6 modalities: their contributions are means over {orders} orders")
    if plot is not None:
        from md2n.report.contributions import contribution_figure

        title = f"{predictor.model.card.title} on {samples.name}: {len(samples)} samples"
        write_figure(contribution_figure(names, own, answer.available, title, what), plot)
        say(f"figure: {plot}")


add_examples(explain, EXAMPLES)
