"""A small store with gaps, and short experiments on it."""

import json
import os
import signal
from pathlib import Path

import numpy as np

from md2n.data.samples import LabelColumn, Ragged, Samples
from md2n.data.store import write_store
from md2n.experiment.config import ExperimentConfig, resolve
from md2n.modality import Task
from md2n.seeding import numpy_generator
from md2n.training.observer import Silent, StepReport

SHORT = (
    "trainer.epochs=2",
    "trainer.batch_size=16",
    "trainer.validate_every=1",
    "model.latent.length=4",
    "model.latent.width=8",
    "model.transformer.layers=1",
    "model.transformer.width=16",
)


def made(classes: bool = True, seed: int = 0, dims: tuple[int, int] = (4, 3)) -> Samples:
    """Ninety samples of a sequence and a vector that share a cause."""
    rng = numpy_generator(seed, "made")
    cause = rng.normal(size=(90, 2))
    frames = [cause[i] @ rng.normal(size=(2, dims[0])) + rng.normal(size=(1 + i % 5, dims[0])) for i in range(90)]
    vectors = [None if i % 9 == 0 else cause[i] @ np.ones((2, dims[1])) + rng.normal(size=dims[1]) for i in range(90)]
    task = Task("classification", "mood", ("low", "mid", "high")) if classes else Task("regression", "mood")
    values = np.digitize(cause[:, 0], [-0.5, 0.5]) if classes else cause[:, 0].astype(np.float32)
    return Samples(
        name="made",
        modalities={"video": Ragged.from_arrays(frames), "pulse": Ragged.from_arrays(vectors)},
        labels={"mood": LabelColumn(values, task)},
        split=np.repeat(np.arange(3, dtype=np.uint8), [48, 24, 18]),
        ids=np.asarray([f"s{i}" for i in range(90)]),
        default_label="mood",
    )


def store(path: Path, **of: object) -> Path:
    return write_store(path / "store", made(**of))  # type: ignore[arg-type]


def short(data: Path, model: str = "modality_dropout", sets: tuple[str, ...] = (), seed: int = 0) -> ExperimentConfig:
    """Two epochs of a tiny method."""
    nested = model == "md2n"
    sizes = [s.replace("model.", "model.fusion.") if nested else s for s in SHORT]
    if nested:
        sizes += ["model.diffusion.network.layers=1", "model.diffusion.network.width=16", "model.recover_draws=2"]
        sizes += ["model.recover_steps=2"]
    return resolve("default", [*sizes, *sets], data=str(data), model=model, seed=seed)


class StopAfter(Silent):
    """Sends Ctrl-C after a step."""

    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, report: StepReport) -> None:
        if report.step == self.at:
            os.kill(os.getpid(), signal.SIGINT)


class Hearing(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.steps = 0

    def step(self, report: StepReport) -> None:
        self.steps += 1

    def notice(self, text: str) -> None:
        self.told.append(text)


def outcome(run: Path) -> tuple[bytes, bytes]:
    return (run / "model.safetensors").read_bytes(), (run / "log.jsonl").read_bytes()


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]
