"""``md2n predict``: predictions for new data, whatever each sample misses."""

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """
\b
Examples:
  md2n predict runs/digits --data my-store > predictions.csv
  md2n predict runs/digits --data digits --split test --hide rows --out predictions.csv
"""


def predict(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    data: Annotated[str, typer.Option(help="A store, a ready name, or any file `md2n data import` reads.")],
    out: Annotated[Path | None, typer.Option(help="A CSV file; stdout if not given.")] = None,
    split: Annotated[str, typer.Option(help="Only this split (train, valid, test).")] = "",
    hide: Annotated[list[str] | None, typer.Option(help="Hide a modality from the model; repeatable.")] = None,
    draws: Annotated[int | None, typer.Option(help="Draws to average over.")] = None,
    any_units: Annotated[bool, typer.Option("--any-units", help="Skip the check of units.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "cpu",
) -> None:
    """Predict: one CSV row per sample with its id, label, spread, class probabilities and what it was made from."""
    from md2n.cli.newdata import open_new
    from md2n.cli.output import say
    from md2n.durable import write_bytes
    from md2n.serve.predictor import load

    predictor = load(run, device=device, seed=seed)
    samples = open_new(data, predictor.schema.names, split, tuple(hide or ()))
    answer = predictor.predict(samples, draws=draws, check_units=not any_units)
    for note in answer.notes:
        say(f"note: {note}")
    columns = [f"p_{c}" for c in answer.classes]
    head = ["id", "prediction", "spread", *columns, "available"]
    lines = []
    for i, label in enumerate(answer.labels):
        if answer.classes:
            best = int(answer.output[i].argmax())
            told = [str(label), f"{answer.spread[i, best]:.6g}", *(f"{p:.6g}" for p in answer.output[i])]
        else:
            told = [f"{float(label):.6g}", f"{answer.spread[i]:.6g}"]
        lines.append([str(answer.ids[i]), *told, answer.available[i]])
    if out is None:
        csv.writer(sys.stdout, lineterminator="\n").writerows([head, *lines])
    else:
        import io

        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([head, *lines])
        write_bytes(out, text.getvalue().encode())


predict.__doc__ = f"{predict.__doc__}\n{EXAMPLES}"
