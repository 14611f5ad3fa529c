"""``md2n methods``: which methods there are, and where each is from."""

import textwrap
from typing import Annotated, Any

import typer

from md2n.cli.output import AsJson

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List and describe the methods that can be trained.",
)


LIST_HELP = """All methods, md2n first; those of files in MD2N_METHODS last.

\b
Examples:
  md2n methods list
  md2n methods list --json
"""

SHOW_HELP = """Where one method is from, what ours does differently, and its settings.

\b
Examples:
  md2n methods show imder
  md2n methods show md2n --json
"""


@app.command("list", help=LIST_HELP)
def list_methods(json: AsJson = False) -> None:
    """All methods."""
    from dataclasses import asdict

    from md2n.cli.description import plain_table
    from md2n.cli.output import print_json, print_table
    from md2n.methods.catalogue import MODELS

    cards = {name: MODELS.get(name).card for name in MODELS.names()}
    if json:
        print_json([{"name": name, **asdict(card)} for name, card in cards.items()])
        return
    rows = [(name, c.title, c.family, str(c.year), "yes" if c.recovers else "no") for name, c in cards.items()]
    print_table(plain_table("methods", "Methods", ("name", "title", "family", "year", "recovers"), rows))


@app.command("show", help=SHOW_HELP)
def show_method(
    name: Annotated[str, typer.Argument(help="As `md2n methods list` prints it.")], json: AsJson = False
) -> None:
    """One method."""
    from dataclasses import asdict

    from md2n.cli.output import print_json, toml
    from md2n.config import flat, to_mapping
    from md2n.experiment.config import resolve
    from md2n.experiment.plan import own_preset
    from md2n.methods.catalogue import MODELS

    card = MODELS.get(name).card
    settings: dict[str, Any] = flat(to_mapping(resolve(own_preset(name), model=name).model), "model")
    if json:
        print_json({"name": name, **asdict(card), "settings": settings})
        return
    facts = (
        ("title", f"{card.title} (retracted)" if card.retracted else card.title),
        ("family", card.family),
        ("recovers", "yes" if card.recovers else "no"),
        ("from", card.paper),
        ("ours", card.differences),
    )
    for label, text in facts:
        typer.echo(textwrap.fill(text, 100, initial_indent=f"{label:<9} ", subsequent_indent=" " * 10))
    typer.echo("\nsettings, as `md2n train --set PATH=VALUE` takes them:")
    for path, value in settings.items():
        if path != "model.name":
            typer.echo(f"  {path} = {toml(value)}")
