"""Progress of counted work on stderr: a bar with the remaining time on a terminal, else a line per tenth.

A command opens ``counted`` first and imports its modules afterwards, so that the user sees the first line at once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from md2n.escape import visible

Count = Callable[[int, int, str], None]  # number done, total number, and current work


@contextmanager
def counted(title: str, quiet: bool = False, every: bool = False) -> Iterator[Count]:
    """A function that a command calls to show its progress.  The count may restart at 0 for another round.

    Args:
        title: the work, shown before the bar or in every line; e.g. ``evaluating runs/digits``.
        quiet: whether to show nothing.
        every: whether to print, without a terminal, a line for every change instead of one per tenth of the total.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    drawn = console.is_terminal and not quiet
    last: tuple[object, ...] = ()

    def line(text: str) -> None:
        # Unchanged: no added line breaks, and no markup in the brackets of a path.
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    with Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[now]}", markup=False),
        console=console,
        disable=not drawn,
        redirect_stdout=False,  # stdout carries data, which may go to a pipe
    ) as progress:
        task = progress.add_task(title.replace("[", r"\["), total=None, now="")
        if not drawn and not quiet:
            line(f"{title} ...")

        def count(done: int, total: int, now: str) -> None:
            nonlocal last
            now = visible(now)
            progress.update(task, completed=done, total=total, now=now)
            # The total is compared, too, because another round may have another total.
            state = (done, total, now) if every else (10 * done // max(total, 1), total)
            if not drawn and not quiet and state != last:
                line(f"{title}: [{done}/{total}] {now}".rstrip())
            last = state

        yield count
