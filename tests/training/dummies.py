"""Small methods that use everything the loop offers: dropout, noise, buffers, phases, a fit, a frozen copy."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.config import to_mapping
from md2n.methods.base import Losses, MultimodalModel, Phase, Prediction
from md2n.modality import Modality, Schema, Task
from md2n.seeding import generator, stream_seed
from md2n.training.config import TrainerConfig
from md2n.training.loop import TrainingResult, train
from md2n.training.rundir import RunDir

SCHEMA = Schema((Modality("a", 3), Modality("b", 2)), Task("regression"))
# Spelled out, so that tests do not hang on what the defaults happen to be.
QUICK = TrainerConfig(
    epochs=6,
    batch_size=8,
    learning_rate=0.02,
    average=0.9,
    keep_all=0.15,
    patience=0,
    validate_every=1,
    select_on="score",
    checkpoint_s=1000.0,
    threads=1,
    precision="float32",
    device="cpu",
)
EAGER = replace(QUICK, checkpoint_s=1e-9)  # a checkpoint after every step
DATA = {"name": "made", "checksum": "c0ffee"}


class MemorySet:
    """N samples whose label is the sum of the features."""

    def __init__(self, size: int, seed: int) -> None:
        g = generator(seed, "dummy")
        self.a, self.b = torch.randn(size, 1, 3, generator=g), torch.randn(size, 1, 2, generator=g)
        self.labels = self.a.sum((1, 2)) + self.b.sum((1, 2))

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, positions: np.ndarray) -> SequenceBatch:
        rows = torch.as_tensor(positions)
        real = torch.ones(len(rows), 1, dtype=torch.bool)
        present = torch.ones(len(rows), 2, dtype=torch.bool)
        features = {"a": self.a[rows], "b": self.b[rows]}
        return SequenceBatch(features, {"a": real, "b": real}, present, present, self.labels[rows], rows)


TRAIN, VALID = MemorySet(44, 0), MemorySet(20, 1)


class Linear(MultimodalModel):
    """A linear layer behind batch statistics and dropout, with noise from the generator in its loss."""

    def __init__(self, schema: Schema = SCHEMA) -> None:
        super().__init__(schema)
        self.norm = nn.BatchNorm1d(5)
        self.head = nn.Linear(5, 1)

    def inputs(self, batch: SequenceBatch) -> torch.Tensor:
        return torch.cat([batch.readable(name)[:, 0] for name in batch.names], dim=1)

    def raw(self, batch: SequenceBatch) -> torch.Tensor:
        return self.head(nn.functional.dropout(self.norm(self.inputs(batch)), 0.2, self.training))[:, 0]

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        noise = 0.1 * torch.randn(batch.size, generator=generator)
        task = (self.raw(batch) + noise - batch.labels).abs().mean()
        return Losses({"task": task, "size": 1e-3 * self.head.weight.square().sum()})

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        output = self.raw(batch)
        return Prediction(output, torch.zeros_like(output))


class Staged(Linear):
    """A fit, a phase that selects nothing, one with a frozen teacher copied when it begins, and a calibration."""

    centre: torch.Tensor
    offset: torch.Tensor

    def __init__(self, schema: Schema = SCHEMA) -> None:
        super().__init__(schema)
        self.teacher = nn.Linear(5, 1)
        self.register_buffer("centre", torch.zeros(5))
        self.register_buffer("offset", torch.zeros(2))

    def phases(self) -> Sequence[Phase]:
        return (
            Phase("centre", fit=self.fit, selects=False),
            Phase("warm", share=1, selects=False, patterns="complete"),
            Phase("main", share=2, trains=("head",)),
        )

    def fit(self, batches: Iterable[SequenceBatch]) -> None:
        seen = list(batches)
        self.centre = torch.cat([self.inputs(b) for b in seen]).mean(0) + 0.01 * torch.randn(5)
        self.head.bias.fill_(torch.cat([b.labels for b in seen]).mean())

    def calibrate(self, training: Iterable[SequenceBatch], validation: Iterable[SequenceBatch]) -> Sequence[str]:
        """Where the chosen weights stand on the two splits; without validation labels nothing would be told."""
        self.offset = torch.stack(
            [torch.cat([self.raw(b) - b.labels for b in x]).mean() for x in (training, validation)]
        )
        return ("calibrated",)

    def enter(self, phase: Phase) -> None:
        super().enter(phase)
        if phase.name == "main":
            self.teacher.load_state_dict(self.head.state_dict())

    def raw(self, batch: SequenceBatch) -> torch.Tensor:
        x = nn.functional.dropout(self.norm(self.inputs(batch) - self.centre), 0.2, self.training)
        return self.head(x)[:, 0]

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        losses = super().loss(batch, generator)
        if self.phase != "main":
            return losses
        drift = (self.head.weight - self.teacher.weight).square().sum()
        return Losses({**losses.parts, "drift": 0.1 * drift})


def fresh(kind: type[Linear] = Linear, seed: int = 0) -> Linear:
    with torch.random.fork_rng():
        torch.manual_seed(stream_seed(seed, "init"))
        return kind()


def run_config(config: TrainerConfig = QUICK, seed: int = 0) -> dict:
    return {"seed": seed, "trainer": to_mapping(config)}


def do_train(
    path: Path, config: TrainerConfig = QUICK, kind: type[Linear] = Linear, observer=None, model: Linear | None = None
) -> TrainingResult:
    with RunDir(path, run_config(config), observer.notice if observer else lambda text: None) as run:
        run.describe(to_mapping(SCHEMA), DATA)
        return train(model or fresh(kind), TRAIN, VALID, config, 0, run, observer)


def outcome(path: Path) -> tuple[bytes, bytes]:
    """What must not depend on whether the run was stopped: weights and log."""
    return (path / "model.safetensors").read_bytes(), (path / "log.jsonl").read_bytes()
