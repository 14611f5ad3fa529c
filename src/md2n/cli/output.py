"""Output of commands: data to stdout, messages to stderr."""

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from md2n.escape import visible

if TYPE_CHECKING:
    from rich.console import Console

    from md2n.report.table import Table

# The option of every command that prints a table; whatever it prints on stdout is then one JSON value.
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text and tables.")]


def say(text: str) -> None:
    """Prints a message on stderr, so that a pipe carries data only."""
    sys.stderr.write(f"{visible(text, lines=True)}\n")
    sys.stderr.flush()


def print_json(content: Any) -> None:
    """Prints facts on stdout for programs."""
    import json

    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def toml(value: Any) -> str:
    """A scalar, a list or a table in one line of TOML, whose scalars are those of JSON.

    >>> toml({"image": 0.5}), toml(["a", True])
    ('{"image" = 0.5}', '["a", true]')
    """
    import json

    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(k)} = {toml(v)}' for k, v in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def write_rows(rows: Sequence[Sequence[str]], out: Path | None) -> None:
    """Writes rows of cells as CSV: to a file, which is whole or not there, or to stdout.

    Raises:
        StorageError: the file cannot be written.
    """
    from md2n.durable import write_bytes

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    if out is None:
        sys.stdout.write(text.getvalue())
    else:
        write_bytes(out, text.getvalue().encode())


def print_line(text: str) -> None:
    """Prints a sentence on stdout: wrapped on a terminal, a Markdown paragraph in a pipe."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    if console.is_terminal:
        console.print(Text(text))
    else:
        sys.stdout.write(f"{text}\n\n")


def print_tables(tables: "Sequence[Table]", sentence: str = "", as_json: bool = False) -> None:
    """Prints a sentence and tables on stdout, or for programs ``verdict`` and the facts of each table."""
    if as_json:
        print_json({"verdict": sentence or None, "tables": [table.facts() for table in tables]})
        return
    if sentence:
        print_line(sentence)
    for table in tables:
        print_table(table)


def print_table(table: "Table", as_json: bool = False) -> None:
    """Prints a table on stdout: drawn on a terminal, Markdown in a pipe, or its facts for programs.

    On a narrow terminal nothing is cut: text is wrapped, and columns that do not fit are drawn in further pieces.
    """
    from rich.console import Console
    from rich.text import Text

    if as_json:
        print_json(table.facts())
        return
    table = table.tall()
    console = Console()
    if not console.is_terminal:
        sys.stdout.write(table.markdown() + "\n")
        return
    # In a plain string rich would interpret [brackets] as markup, so Text is used.
    console.print(Text(visible(table.title), style="italic"))
    _draw(console, table)
    for note in table.notes:
        console.print(Text(visible(note), style="dim"))
    console.print()


def _draw(console: "Console", table: "Table") -> None:
    from rich.table import Table as Drawn
    from rich.text import Text

    from md2n.cli.fitting import pieces

    for piece in pieces(table, console.width):
        drawn = Drawn()
        for column, width in piece.items():
            side = "right" if table.numeric[column] else "left"
            drawn.add_column(Text(visible(table.columns[column])), justify=side, width=width, overflow="fold")  # type: ignore[arg-type]
        for row in table.rows:
            chosen = [row[c] for c in piece]
            drawn.add_row(*(Text(visible(c.plain, lines=True), style="bold" if c.best else "") for c in chosen))
        console.print(drawn)
