"""Completion in the shell: typer's, for all commands together.

Commands are imported one by one when they are called; here, where a person pressed Tab, all of them are.
"""

from collections.abc import Sequence
from typing import Any

import typer

from md2n.cli.main import COMMANDS, COMPLETING, target

PROGRAM = "md2n"


def complete(arguments: Sequence[str]) -> int:
    """Answers a shell that asks for words; else installs or shows the shell's script.

    Args:
        arguments: ``--install-completion`` or ``--show-completion`` and what follows; of no account to a shell.

    Returns:
        The exit code.
    """
    try:
        everything().main(args=list(arguments), prog_name=PROGRAM, complete_var=COMPLETING, standalone_mode=False)
    except SystemExit as ending:  # how typer ends an answer to a shell
        return int(ending.code or 0)
    return 0


def everything() -> Any:
    """The click group of all commands, with their options."""
    app = typer.Typer(name=PROGRAM, rich_markup_mode=None)

    def top(version: bool = False, debug: bool = False) -> None:
        """The options in front of a command; they are completed here, and obeyed in ``md2n.cli.main``."""

    app.callback()(top)
    for name in COMMANDS:
        body = target(name)
        if isinstance(body, typer.Typer):
            app.add_typer(body, name=name)
        else:
            app.command(name)(body)
    return typer.main.get_command(app)
