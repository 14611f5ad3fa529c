"""docs/reference/cli.md: the help of every command, as it is printed."""

import contextlib
import io
import os
from collections.abc import Iterator

from scripts.pages import NOTICE


@contextlib.contextmanager
def _columns(width: int) -> Iterator[None]:
    """A terminal of a fixed width, whatever the real one is."""
    before = {name: os.environ.get(name) for name in ("COLUMNS", "TERMINAL_WIDTH")}
    os.environ.update(COLUMNS=str(width), TERMINAL_WIDTH=str(width))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def help_of(*words: str) -> str:
    """What ``md2n WORDS --help`` prints."""
    from md2n.cli.main import run

    output = io.StringIO()
    # The console entry always ends by leaving.
    with _columns(100), contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        run([*words, "--help"])
    if not output.getvalue():
        raise RuntimeError(f"md2n {' '.join(words)} --help says nothing")
    return "\n".join(line.rstrip() for line in output.getvalue().strip("\n").splitlines())


def page() -> str:
    """The whole page."""
    from md2n.cli.main import COMMANDS, command

    parts = ["# Command line\n", NOTICE, _block(help_of())]
    for name in COMMANDS:
        parts.append(f"## md2n {name}\n\n{_block(help_of(name))}")
        for inner in sorted(getattr(command(name), "commands", {})):
            parts.append(f"### md2n {name} {inner}\n\n{_block(help_of(name, inner))}")
    return "\n".join(parts)


def _block(text: str) -> str:
    return f"```text\n{text}\n```\n"
