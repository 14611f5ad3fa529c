"""``md2n predict``: predictions for new data, whatever each sample misses."""

from pathlib import Path
from typing import Annotated

import typer

from md2n.cli.examples import add_examples

EXAMPLES = """
\b
Examples:
  md2n predict runs/digits --data my-store > predictions.csv
  md2n predict runs/digits --data digits --split test --hide rows --out predictions.csv
  md2n predict runs/digits --data my-store --distrust 0.01 > predictions.csv
  md2n predict runs/mine --data table.parquet --out predicted.parquet
  md2n predict runs/mine --data tables/ --out predicted --parts 4096
"""


def predict(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    data: Annotated[str, typer.Option(help="A store, a ready name, or any file `md2n data import` reads.")],
    out: Annotated[
        Path | None, typer.Option(help="A CSV file, stdout if not given; for a table, one of its kind.")
    ] = None,
    split: Annotated[str, typer.Option(help="Only this split (train, valid, test).")] = "",
    hide: Annotated[list[str] | None, typer.Option(help="Hide a modality from the model; repeatable.")] = None,
    draws: Annotated[
        int | None, typer.Option(min=1, help="Draws behind std; the model's own number, but at least 8, if not given.")
    ] = None,
    distrust: Annotated[
        float | None,
        typer.Option(metavar="LEVEL", help="Take modalities as missing that contradict the others: 0.01 is a level."),
    ] = None,
    parts: Annotated[
        int | None, typer.Option(metavar="ROWS", help="Write a folder of Parquet files of so many rows; resumable.")
    ] = None,
    engine: Annotated[str, typer.Option(help="In parts, on: local (this process) or ray (a cluster).")] = "",
    batch: Annotated[int | None, typer.Option(help="In parts: rows that the model sees at a time (64).")] = None,
    any_units: Annotated[bool, typer.Option("--any-units", help="Skip the check of units.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Predict: one CSV row per sample with id, label, standard deviation, class probabilities and what was available.

    Probabilities are calibrated on validation samples.  A real label has the ends of intervals instead: low_90 and
    high_90 hold it for 90 % of samples like the validation samples, and so on for 80 and 50.

    With --distrust a modality that does not fit the others is taken as missing, where `md2n inspect` gives a p of LEVEL
    or less; the column distrusted names it.

    The column std is the standard deviation over draws of what is missing: 0 where nothing is missing.  There is no
    such column where the method draws nothing, or where a single draw is asked for.

    A table with the columns of all modalities (Parquet, CSV) and an --out of its kind: the table with these columns.

    With --parts or --engine, data of any size: a store, a Parquet file or a folder of them is answered part by part
    into a folder of Parquet files.  The same command goes on where it was stopped.
    """
    from md2n.cli.bulk import answer_parts
    from md2n.cli.counting import counted
    from md2n.cli.output import say, write_rows
    from md2n.cli.tables import answer_table
    from md2n.data.places import check_apart
    from md2n.errors import UsageError
    from md2n.escape import csv_cell

    if distrust is not None and (parts is not None or engine):
        raise UsageError("answers in parts distrust nothing", "leave --distrust out, or --parts and --engine")
    options = {"split": split, "hide": hide, "draws": draws, "check_units": not any_units, "seed": seed}
    work = {"what": "predict", "run": run, "data": data, "out": out, **options, "device": device, "quiet": quiet}
    if answer_parts(parts, engine, batch, **work):
        return
    if out is not None:
        check_apart(out, data)
        if answer_table(run, data, out, split, hide, "predict", draws, any_units, seed, device, quiet, None, distrust):
            return
    with counted(f"predicting with {run}", quiet) as count:
        from md2n.cli.newdata import open_new
        from md2n.serve.predictor import load

        predictor = load(run, device=device, seed=seed)
        samples = open_new(data, predictor, split, tuple(hide or ()))
        answer = predictor.predict(
            samples,
            draws=draws,
            distrust=distrust,
            check_units=not any_units and distrust is None,
            progress=lambda done, total: count(done, total, "samples"),
        )
    for note in answer.notes:
        say(f"note: {note}")
    columns = [csv_cell(f"p_{c}") for c in answer.classes]
    std = answer.std
    columns += [f"{end}_{level}" for level in answer.intervals for end in ("low", "high")]
    head = ["id", "prediction", *([] if std is None else ["std"]), *columns, "available"]
    head += ["distrusted"] if distrust is not None else []
    lines = []
    for i, label in enumerate(answer.labels):
        best = (int(answer.output[i].argmax()),) if answer.classes else ()
        width = [] if std is None else [f"{std[(i, *best)]:.6g}"]
        # Every digit of a value: how many of them count depends on the label's offset.
        answered = csv_cell(str(label)) if answer.classes else str(label)
        each = [f"{p:.6g}" for p in answer.output[i]] if answer.classes else []
        each += [str(end) for ends in answer.intervals.values() for end in ends[i]]
        lines.append([csv_cell(str(answer.ids[i])), answered, *width, *each, answer.available[i]])
        lines[-1] += [answer.distrusted[i]] if distrust is not None else []
    write_rows([head, *lines], out)
    if std is None:
        why = "a single draw has none" if predictor.model.predict_draws else "the method draws nothing"
        say(f"note: no standard deviation: {why}")


add_examples(predict, EXAMPLES)
