"""TensorBoard as an observer; the only file that imports it."""

from pathlib import Path
from typing import Any

from md2n.errors import UsageError, install_hint
from md2n.training.observer import EpochReport, Silent, StepReport


class TensorBoard(Silent):
    """Writes losses, learning rate, gradient norm and validation as TensorBoard events.

    A resumed run goes on in the same folder; of steps that were done twice the later is shown.

    Args:
        folder: for the event files.

    Raises:
        UsageError: tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError("tensorboard is not installed", install_hint("track")) from error
        self._open: Any = lambda step: SummaryWriter(str(folder), purge_step=step)
        self._writer: Any = None

    def begin(self, step: int, steps: int) -> None:
        self._writer = self._open(step)

    def step(self, report: StepReport) -> None:
        for name, value in report.parts.items():
            self._writer.add_scalar(f"train/{name}", value, report.step)
        self._writer.add_scalar("optimiser/rate", report.rate, report.step)
        self._writer.add_scalar("optimiser/gradient_norm", report.gradient_norm, report.step)

    def epoch(self, report: EpochReport) -> None:
        if report.score is not None:
            self._writer.add_scalar("valid/score", report.score, report.step)
            self._writer.add_scalar("valid/loss", report.loss, report.step)

    def end(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
