"""Progress of an extraction on stderr: a bar with the time left; without a terminal, a line per tenth of the way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from md2n.extraction.kept import Outcome

Told = Callable[[int, int, "Outcome"], None]


@contextmanager
def watched(quiet: bool = False) -> Iterator[Told]:
    """What ``pipeline.extract`` tells its progress to."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    drawn = console.is_terminal and not quiet
    tenth = -1
    with Progress(
        TextColumn("[bold]extracting"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[told]}", markup=False),
        console=console,
        disable=not drawn,
    ) as progress:
        task = progress.add_task("", total=None, told="")

        def told(done: int, count: int, outcome: "Outcome") -> None:
            nonlocal tenth
            progress.update(task, completed=done, total=count, told=f"{outcome.clip} {outcome.modality}")
            if not drawn and not quiet and 10 * done // count > tenth:
                tenth = 10 * done // count
                console.print(
                    f"[{done}/{count}] {outcome.clip} {outcome.modality}", highlight=False, markup=False, soft_wrap=True
                )

        yield told
