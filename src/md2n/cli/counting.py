"""Progress of whatever is counted, on stderr: a bar with the time left; without a terminal, a line now and then.

The first sign of life comes before anything is loaded: a command opens ``counted`` first and imports afterwards.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from md2n.escape import visible

Count = Callable[[int, int, str], None]  # done, of how many, and what is done now


@contextmanager
def counted(title: str, quiet: bool = False, every: bool = False) -> Iterator[Count]:
    """What a command tells its progress to; may be called for several rounds, each from 0.

    Args:
        title: what is done, in front of the bar or of every line; ``evaluating runs/digits``.
        quiet: nothing is shown.
        every: without a terminal, a line for every call with something new to say; else one per tenth of the way.
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
        # As it is: no line breaks of ours, and brackets in a path are no markup.
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
        redirect_stdout=False,  # what goes there is data, and belongs into the pipe
    ) as progress:
        task = progress.add_task(title.replace("[", r"\["), total=None, now="")
        if not drawn and not quiet:
            line(f"{title} ...")

        def count(done: int, total: int, now: str) -> None:
            nonlocal last
            now = visible(now)
            progress.update(task, completed=done, total=total, now=now)
            # A new round has another total, or begins at another place.
            sign = (done, total, now) if every else (10 * done // max(total, 1), total)
            if not drawn and not quiet and sign != last:
                line(f"{title}: [{done}/{total}] {now}".rstrip())
            last = sign

        yield count
