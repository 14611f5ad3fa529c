"""Trackers as observers: TensorBoard, Weights & Biases, MLflow; the only file that imports them."""

import abc
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from md2n.config import flat, load_json
from md2n.errors import UsageError, did_you_mean, install_hint
from md2n.training.observer import EpochReport, Silent, StepReport
from md2n.training.rundir import CONFIG


class Tracker(Silent, abc.ABC):
    """Losses, learning rate, gradient norm and validation, by step, in a tracker's own place.

    A resumed run goes on in the same place.

    Args:
        run: the run folder, in which ``config.json`` lies once training begins.

    Raises:
        UsageError: the tracker's package is not installed.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.open = False

    def begin(self, step: int, steps: int) -> None:
        file = self.run / CONFIG
        self.start(step, flat(load_json(file)) if file.is_file() else {})
        self.open = True

    def step(self, report: StepReport) -> None:
        parts = {f"train/{name}": value for name, value in report.parts.items()}
        self.write(
            {**parts, "optimiser/rate": report.rate, "optimiser/gradient_norm": report.gradient_norm}, report.step
        )

    def epoch(self, report: EpochReport) -> None:
        if report.score is not None:
            self.write({"valid/score": report.score, "valid/loss": report.loss}, report.step)

    def end(self) -> None:
        if self.open:
            self.open = False
            self.stop()

    @abc.abstractmethod
    def start(self, step: int, config: Mapping[str, Any]) -> None:
        """Training begins after ``step`` steps; ``config`` holds every setting by its path."""

    @abc.abstractmethod
    def write(self, values: Mapping[str, float | None], step: int) -> None:
        """Values of one step."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Training is over."""


class TensorBoard(Tracker):
    """Events in the folder ``tensorboard`` of the run; of steps that were done twice the later is shown."""

    def __init__(self, run: Path) -> None:
        super().__init__(run)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError("tensorboard is not installed", install_hint("track")) from error
        self.writer_class: Any = SummaryWriter

    def start(self, step: int, config: Mapping[str, Any]) -> None:
        self.writer = self.writer_class(str(self.run / "tensorboard"), purge_step=step)

    def write(self, values: Mapping[str, float | None], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def stop(self) -> None:
        self.writer.close()


class WandB(Tracker):
    """A run of Weights & Biases in the project ``md2n``; its environment variables decide the rest (WANDB_MODE ...).

    Weights & Biases keeps the first values of steps that were done twice.
    """

    def __init__(self, run: Path) -> None:
        super().__init__(run)
        try:
            import wandb
        except ImportError as error:
            raise UsageError("wandb is not installed", install_hint("wandb")) from error
        self.api: Any = wandb

    def start(self, step: int, config: Mapping[str, Any]) -> None:
        place = str(self.run.resolve())
        self.entry = self.api.init(
            project="md2n",
            name=self.run.name,
            id=hashlib.sha256(place.encode()).hexdigest()[:16],  # of the folder, so that a resumed run is the same
            dir=place,
            config=dict(config),
            resume="allow",
        )

    def write(self, values: Mapping[str, float | None], step: int) -> None:
        self.entry.log(dict(values), step=step)

    def stop(self) -> None:
        self.entry.finish()


class MLflow(Tracker):
    """A run of MLflow in the experiment ``md2n``, where MLFLOW_TRACKING_URI says."""

    NUMBER = "mlflow-run"  # in the run folder: which run of MLflow it is

    def __init__(self, run: Path) -> None:
        super().__init__(run)
        try:
            import mlflow
        except ImportError as error:
            raise UsageError("mlflow is not installed", install_hint("mlflow")) from error
        self.api: Any = mlflow

    def start(self, step: int, config: Mapping[str, Any]) -> None:
        self.api.set_experiment("md2n")
        file = self.run / self.NUMBER
        if file.is_file():
            self.api.start_run(run_id=file.read_text(encoding="utf-8"))
            return
        entry = self.api.start_run(run_name=self.run.name)
        self.api.log_params(dict(config))
        file.write_text(entry.info.run_id, encoding="utf-8")

    def write(self, values: Mapping[str, float | None], step: int) -> None:
        self.api.log_metrics({name: value for name, value in values.items() if value is not None}, step=step)

    def stop(self) -> None:
        self.api.end_run()


TRACKERS: dict[str, type[Tracker]] = {"tensorboard": TensorBoard, "wandb": WandB, "mlflow": MLflow}


def make_tracker(name: str, run: Path) -> Tracker:
    """The tracker of that name.

    Raises:
        UsageError: there is none, or its package is not installed.
    """
    if name not in TRACKERS:
        raise UsageError(f"no tracker is called '{name}'", did_you_mean(name, TRACKERS))
    return TRACKERS[name](run)
