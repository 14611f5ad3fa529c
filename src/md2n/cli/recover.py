"""``md2n recover``: data with gaps in, the same data filled out, with standard deviations if there are draws."""

from pathlib import Path
from typing import Annotated

import typer

from md2n.cli.examples import add_examples

EXAMPLES = """
\b
Examples:
  md2n recover runs/digits --data my-store --out my-store-filled
  md2n recover runs/digits --data digits --split test --hide rows --out digits-filled --draws 16
  md2n recover runs/mine --data table.parquet --out filled.parquet
  md2n recover runs/mine --data tables/ --out filled --parts 4096
"""


def recover(
    run: Annotated[Path, typer.Argument(help="A finished run folder of a method that recovers.")],
    data: Annotated[str, typer.Option(help="A store, a ready name, or any file `md2n data import` reads.")],
    out: Annotated[Path, typer.Option(help="The store or table to write; NAME_std has the deviation of NAME.")],
    split: Annotated[str, typer.Option(help="Only this split (train, valid, test).")] = "",
    hide: Annotated[list[str] | None, typer.Option(help="Hide a modality from the model; repeatable.")] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Draws for mean and standard deviation.")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Network calls per draw, where draws are the diffusion's.")
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
    """Recover missing modalities in their own units into a new store; what was there stays as it was.

    A table with the columns of all modalities (Parquet, CSV) and an --out of its kind: the table with nothing missing,
    and a column NAME_std beside each column NAME.

    With --parts or --engine, data of any size: a store, a Parquet file or a folder of them is answered part by part
    into a folder of Parquet files.  The same command goes on where it was stopped.
    """
    from dataclasses import replace

    from md2n.cli.bulk import answer_parts
    from md2n.cli.counting import counted
    from md2n.cli.output import say
    from md2n.cli.tables import answer_table
    from md2n.data.places import check_apart, check_store_place
    from md2n.data.samples import Ragged
    from md2n.data.store import write_store

    options = {"split": split, "hide": hide, "draws": draws, "steps": steps, "check_units": not any_units}
    work = {"what": "recover", "run": run, "data": data, "out": out, **options, "seed": seed}
    if answer_parts(parts, engine, batch, **work, device=device, quiet=quiet):
        return
    check_apart(out, data)
    if answer_table(run, data, out, split, hide, "recover", draws, any_units, seed, device, quiet, steps):
        return
    check_store_place(out, data)  # before the work, not after it
    with counted(f"recovering with {run}", quiet) as count:
        from md2n.cli.newdata import open_new
        from md2n.serve.predictor import load
        from md2n.serve.tables import require_std_names

        predictor = load(run, device=device, seed=seed)
        require_std_names(predictor.schema.names)
        samples = open_new(data, predictor, split, tuple(hide or ()))
        recovered = predictor.recover(
            samples,
            draws=draws,
            steps=steps,
            check_units=not any_units,
            progress=lambda done, total: count(done, total, "samples"),
        )
    stds = {f"{k}_std": Ragged.from_arrays(rows) for k, rows in recovered.std.items()}
    filled = recovered.samples
    write_store(out, replace(filled, modalities={**filled.modalities, **stds}))
    if not stds:
        say("note: no standard deviation: the method draws nothing")
    for note in recovered.notes:
        say(f"note: {note}")
    for name, available in recovered.was_given.items():
        say(f"{name}: {int((~available).sum())} of {len(available)} recovered")
    typer.echo(str(out))


add_examples(recover, EXAMPLES)
