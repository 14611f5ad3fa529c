"""A small store with gaps, and short experiments on it."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np

from md2n.config import to_mapping
from md2n.data.samples import LabelColumn, Ragged, Samples
from md2n.data.store import write_store
from md2n.experiment.config import ExperimentConfig, resolve
from md2n.modality import Task
from md2n.seeding import numpy_generator
from md2n.training.observer import Silent, StepReport
from tests.steps import CHEAPER

SIZES = ("latent.length=4", "latent.width=8", "transformer.layers=1", "transformer.width=16")
SHORT = (
    "trainer.epochs=2",
    "trainer.batch_size=16",
    "trainer.validate_every=1",
    *(f"model.{size}" for size in SIZES),
    *(f"model.fusion.{size}" for size in SIZES),
    "model.diffusion.network.layers=1",
    "model.diffusion.network.width=16",
    "model.recover_draws=2",
    "model.recover_steps=2",
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
    cheaper = [f"model.{name}={value}" for name, value in CHEAPER.get(model, {}).items()]
    return resolve("default", [*fitting(model, SHORT), *cheaper, *sets], data=str(data), model=model, seed=seed)


def fitting(model: str, sets: tuple[str, ...], preset: str = "default") -> list[str]:
    """The overrides whose settings a method has."""
    tables = to_mapping(resolve(preset, model=model))

    def has(path: str) -> bool:
        table: Any = tables
        for key in path.split("."):
            if not isinstance(table, dict) or key not in table:
                return False
            table = table[key]
        return True

    return [s for s in sets if has(s.partition("=")[0])]


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
