"""``md2n share``: a trained model as a folder to pass on, and to the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

from md2n.cli.examples import add_examples

EXAMPLES = """
\b
Examples:
  md2n share runs/digits --out shared
  md2n share runs/digits --out shared --licence mit --push user/name
  md2n predict shared --data digits --split test --hide rows > predictions.csv
"""


def share(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    out: Annotated[Path, typer.Option(help="The folder to write; one that this wrote before is replaced.")],
    licence: Annotated[str, typer.Option(help="Of the weights, for the card: mit, cc-by-4.0, ...")] = "",
    push: Annotated[str, typer.Option(help="Also to this repository of the Hugging Face hub: user/name.")] = "",
    public: Annotated[bool, typer.Option("--public", help="A new repository is for everybody.")] = False,
) -> None:
    """Write a trained model as a folder to pass on: weights, settings, and a model card made from the run.

    Every command that takes a run takes the folder.  Private paths are cut to their last part.
    """
    from md2n.cli.output import say
    from md2n.data.places import check_apart
    from md2n.serve.card import licence_of
    from md2n.serve.predictor import load
    from md2n.serve.pretrained import CARD

    check_apart(out, run)
    predictor = load(run)
    licence = licence or licence_of(run / CARD)
    folder = predictor.save_pretrained(out, licence=licence)
    for sentence in predictor.training_data_inside():
        say(f"note: {sentence} Share it only if you may share these.")
    if not licence:
        say("note: the card states no licence, so nobody may use the model; --licence mit states one")
    if push:
        say(f"pushed to {predictor.push_to_hub(push, licence=licence, private=not public)}")
    typer.echo(str(folder))


add_examples(share, EXAMPLES)
