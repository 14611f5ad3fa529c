"""Shell completion by typer for all commands.

A called command imports only its own module.  Completion imports the modules of all commands.
"""

from collections.abc import Sequence
from typing import Any

import typer

from md2n.cli.main import COMMANDS, COMPLETING, target

PROGRAM = "md2n"


def complete(arguments: Sequence[str]) -> int:
    """Answers a completion request of a shell; otherwise installs or shows the script of the shell.

    Args:
        arguments: ``--install-completion`` or ``--show-completion`` and further arguments; empty for a shell.

    Returns:
        The exit code.
    """
    try:
        everything().main(args=list(arguments), prog_name=PROGRAM, complete_var=COMPLETING, standalone_mode=False)
    except SystemExit as ending:  # typer exits after an answer to a shell
        return int(ending.code or 0)
    return 0


def everything() -> Any:
    """The click group of all commands, with their options."""
    app = typer.Typer(name=PROGRAM, rich_markup_mode=None)

    def top(version: bool = False, debug: bool = False) -> None:
        """The options before a command.  ``md2n.cli.main`` interprets them; this function is for completion only."""

    app.callback()(top)
    for name in COMMANDS:
        body = target(name)
        if isinstance(body, typer.Typer):
            app.add_typer(body, name=name)
        else:
            app.command(name)(body)
    return typer.main.get_command(app)
