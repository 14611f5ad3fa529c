"""Progress of training on stderr: a bar with the terms of the loss, the validation score and the remaining time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from md2n.errors import Md2nError, UsageError
from md2n.escape import visible
from md2n.training.observer import EpochReport, Observer, Report, Silent, StepReport, Together

NEXT_STEPS = {
    "mlflow": "set MLFLOW_TRACKING_URI to a server; for files in this folder: "
    "MLFLOW_ALLOW_FILE_STORE=true MLFLOW_TRACKING_URI=file:./mlruns",
}


class Bar:
    """An ``Observer`` that draws one bar; without a terminal it prints a line per tenth of the steps.

    Args:
        console: a console on stderr.
        title: the text before the bar.
    """

    def __init__(self, console: Console, title: str) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[status]}"),
            console=console,
            transient=False,
            disable=not console.is_terminal,
        )
        self.title = title
        self.task: TaskID | None = None
        self.validation = ""
        self.tenth = -1
        self.reached: EpochReport | None = None

    def begin(self, step: int, steps: int) -> None:
        self.progress.start()
        self.task = self.progress.add_task(escape(self.title), total=steps, completed=step, status="")

    def step(self, report: StepReport) -> None:
        self._draw(report)

    def epoch(self, report: EpochReport) -> None:
        if report.score is not None:
            self.validation = f"valid {report.score:.3f}{' best' if report.best else ''}"
        self._draw(report)
        self.reached = report
        tenth = 10 * report.step // max(report.steps, 1)
        if not self.console.is_terminal and tenth > self.tenth:
            self.tenth = tenth
            self.notice(f"{self.title}: step {report.step}/{report.steps} {_loss_parts(report)} {self.validation}")

    def notice(self, text: str) -> None:
        _say(self.console, text)

    def warn(self, text: str) -> None:
        self.notice(text)

    def _draw(self, report: Report) -> None:
        if self.task is not None:
            status = f"{_loss_parts(report)} [green]{self.validation}"
            self.progress.update(self.task, completed=report.step, total=report.steps, status=status)

    def end(self) -> None:
        self.progress.stop()

    def finished(self) -> None:
        """Training came to its end: says so where that was earlier than planned."""
        if self.reached is not None and self.reached.step < self.reached.steps:
            self.notice(
                f"{self.title}: ended after step {self.reached.step} of {self.reached.steps}: "
                "trainer.patience validations in a row were no better"
            )


class NamedTracker:
    """A tracker that says what to do where its service does not let it begin.

    Args:
        name: of the tracker.
        tracker: all else is its own.
    """

    def __init__(self, name: str, tracker: Observer) -> None:
        self.name, self.tracker = name, tracker

    def begin(self, step: int, steps: int) -> None:
        try:
            self.tracker.begin(step, steps)
        except Md2nError:
            raise
        except Exception as error:  # each service has its own
            cause = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            hint = NEXT_STEPS.get(self.name, f"mend what it names, or leave --track {self.name} out")
            raise UsageError(f"{self.name} cannot begin: {cause}", hint) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tracker, name)


class Warnings(Silent):
    """An ``Observer`` that prints warnings only.

    Args:
        console: a console on stderr.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def warn(self, text: str) -> None:
        _say(self.console, text)


def _say(console: Console, text: str) -> None:
    # Unchanged: no added line breaks, and no markup in the brackets of a path.
    console.print(visible(text, lines=True), highlight=False, markup=False, soft_wrap=True)


def _loss_parts(report: Report) -> str:
    return " ".join(f"{name} {value:.3f}" for name, value in report.parts.items())


@contextmanager
def watch(out: Path, quiet: bool = False, track: Sequence[str] = (), title: str = "") -> Iterator[Observer]:
    """The observer of a training command: a bar unless ``quiet``, and trackers by name."""
    console = Console(stderr=True)
    observers: list[Observer] = [Warnings(console) if quiet else Bar(console, title or out.name)]
    if track:
        from md2n.training.tracking import make_tracker

        observers += [NamedTracker(name, make_tracker(name, out)) for name in track]
    together = Together(observers)
    try:
        yield together
    finally:
        together.end()
    if isinstance(observers[0], Bar):
        observers[0].finished()
