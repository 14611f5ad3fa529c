"""Progress of a training on stderr: a bar with loss parts, validation and time left."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from md2n.training.observer import EpochReport, Observer, Silent, StepReport, Together


class Bar:
    """An ``Observer`` that draws one bar; on something that is no terminal it prints a line per tenth of the way.

    Args:
        console: on stderr.
        title: in front of the bar.
    """

    def __init__(self, console: Console, title: str) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[told]}"),
            console=console,
            transient=False,
            disable=not console.is_terminal,
        )
        self.title = title
        self.task: TaskID | None = None
        self.validation = ""
        self.tenth = -1

    def begin(self, step: int, steps: int) -> None:
        self.progress.start()
        self.task = self.progress.add_task(self.title, total=steps, completed=step, told="")

    def step(self, report: StepReport) -> None:
        if self.task is not None:
            parts = " ".join(f"{k} {v:.3f}" for k, v in report.parts.items())
            self.progress.update(
                self.task, completed=report.step, total=report.steps, told=f"{parts} [green]{self.validation}"
            )

    def epoch(self, report: EpochReport) -> None:
        if report.score is not None:
            self.validation = f"valid {report.score:.3f}{' best' if report.best else ''}"
        tenth = 10 * report.step // max(report.steps, 1)
        if not self.console.is_terminal and tenth > self.tenth:
            self.tenth = tenth
            parts = " ".join(f"{k} {v:.3f}" for k, v in report.parts.items())
            self.console.print(
                f"{self.title}: step {report.step}/{report.steps} {parts} {self.validation}", highlight=False
            )

    def notice(self, text: str) -> None:
        self.console.print(text, highlight=False)

    def end(self) -> None:
        self.progress.stop()


@contextmanager
def watch(out: Path, quiet: bool = False, track: bool = False, title: str = "") -> Iterator[Observer]:
    """The observer a command trains with: a bar unless ``quiet``, and TensorBoard files in ``out`` if ``track``."""
    observers: list[Observer] = [Silent() if quiet else Bar(Console(stderr=True), title or out.name)]
    if track:
        from md2n.training.tracking import TensorBoard

        observers.append(TensorBoard(out / "tensorboard"))
    together = Together(observers)
    try:
        yield together
    finally:
        together.end()
