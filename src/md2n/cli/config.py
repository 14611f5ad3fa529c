"""``md2n config``: which presets there are, and every setting of one."""

from typing import Annotated

import typer

from md2n.cli.output import AsJson

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List presets, and show every setting of one.",
)


LIST_HELP = """The presets that `md2n train NAME` starts from.

\b
Examples:
  md2n config list
"""

SHOW_HELP = """Every setting of a preset, a file or a run, as a TOML file that `md2n train` takes.

\b
Examples:
  md2n config show
  md2n config show paper --set trainer.epochs=20 > mine.toml
  md2n config show --model imder
  md2n config show runs/first/config.json --json
"""


@app.command("list", help=LIST_HELP)
def list_presets(json: AsJson = False) -> None:
    """The presets."""
    from md2n.cli.description import plain_table
    from md2n.cli.output import print_json, print_table
    from md2n.experiment.config import first_comment, presets, resolve

    facts = [(name, resolve(name).model.name, first_comment(name)) for name in presets()]
    if json:
        print_json([dict(zip(("name", "method", "what"), fact)) for fact in facts])
        return
    print_table(plain_table("presets", "Presets", ("name", "method", "what it is"), facts))


@app.command("show", help=SHOW_HELP)
def show_config(
    source: Annotated[
        str | None, typer.Argument(metavar="[PRESET|FILE]", help="A preset's name, a TOML file, or a config.json.")
    ] = None,
    model: Annotated[str, typer.Option(help="The method; with its own preset if no other is given.")] = "",
    sets: Annotated[list[str] | None, typer.Option("--set", help="Override one setting; repeatable.")] = None,
    json: AsJson = False,
) -> None:
    """Every setting."""
    from md2n.cli.output import print_json, toml
    from md2n.config import flat, to_mapping
    from md2n.experiment.config import resolve
    from md2n.experiment.plan import own_preset

    chosen = source or (own_preset(model) if model else None)
    mapping = to_mapping(resolve(chosen, sets or (), model=model or None))
    if json:
        print_json(mapping)
        return
    for path, value in flat(mapping).items():
        typer.echo(f"# {path} is not set" if value is None else f"{path} = {toml(value)}")
