"""Where words go: data to stdout, talk to stderr."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from md2n.report.table import Table


def say(text: str) -> None:
    """Talk: on stderr, so that a pipe carries data only."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def print_table(table: "Table") -> None:
    """A table on stdout: drawn on a terminal, Markdown in a pipe."""
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        sys.stdout.write(table.markdown() + "\n")
        return
    # Text, for in a plain string rich takes [brackets] for markup.
    drawn = Drawn(title=Text(table.title), caption=Text("\n".join(table.notes)))
    for column, numeric in zip(table.columns, table.numeric):
        drawn.add_column(Text(column), justify="right" if numeric else "left")
    for row in table.rows:
        drawn.add_row(*(Text(c.plain, style="bold" if c.best else "") for c in row))
    console.print(drawn)
