"""A small world whose truth is known, and methods of known character: honest, random, cheating, broken."""

from typing import Any

import numpy as np
import torch

from md2n.batch import SequenceBatch
from md2n.methods.base import Losses, MultimodalModel, Prediction, Recovery
from md2n.modality import Modality, Schema, Task

SENTIMENT = Task("regression", low=-3, high=3, sentiment=True)


class World:
    """N samples of three modalities; every feature is the label plus noise, so that features can be recovered."""

    def __init__(self, n: int = 50, task: Task = SENTIMENT, gaps: bool = False, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.schema = Schema((Modality("text", 3, 4), Modality("audio", 2, 5), Modality("vision", 4, 1)), task)
        self.y = rng.uniform(-3, 3, n).astype(np.float32)
        self.features = {
            m.name: (self.y[:, None, None] + 0.1 * rng.normal(size=(n, m.length, m.dim))).astype(np.float32)
            for m in self.schema.modalities
        }
        self.valid = {m.name: np.ones((n, m.length), bool) for m in self.schema.modalities}
        self.valid["audio"][:, 3:] = rng.random((n, 2)) < 0.5
        self.present = np.ones((n, 3), bool)
        if gaps:
            self.present[: n // 4, 2] = False
            self.present[: n // 8, 1] = False
        for k, name in enumerate(self.schema.names):
            self.features[name][~self.present[:, k]] = np.nan
        classes = task.kind == "classification"
        self.labels = (self.y > 0).astype(np.int64) if classes else self.y.copy()
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.y)

    def batch(self, positions: np.ndarray[Any, Any]) -> SequenceBatch:
        self.asked += [len(positions)]
        present = torch.from_numpy(self.present[positions])
        return SequenceBatch(
            features={k: torch.from_numpy(x[positions]) for k, x in self.features.items()},
            valid={k: torch.from_numpy(v[positions]) for k, v in self.valid.items()},
            present=present,
            available=present,
            labels=torch.from_numpy(self.labels[positions]),
            rows=torch.from_numpy(positions + 1000),
        )


class Honest(MultimodalModel):
    """Answers with the mean of what it may read; recovers that mean everywhere.  ``noise`` makes it random."""

    def __init__(self, schema: Schema, noise: float = 0.0) -> None:
        super().__init__(schema)
        self.noise = noise
        self.calls: list[int] = []
        self.inner = torch.nn.Dropout(0.5)

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        raise NotImplementedError

    def _mean(self, batch: SequenceBatch) -> torch.Tensor:
        total = torch.stack([batch.readable(n).mean(dim=2).sum(dim=1) for n in batch.names]).sum(dim=0)
        return total / torch.stack([batch.frames(n).sum(dim=1) for n in batch.names]).sum(dim=0)

    def _output(self, value: torch.Tensor) -> torch.Tensor:
        if self.schema.task.kind == "regression":
            return value
        positive = torch.sigmoid(5 * value)
        return torch.stack([1 - positive, positive], dim=1)

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        self.calls += [batch.size]
        count = draws or 1
        noise = self.noise * batch.noise(generator).draws(count).like(torch.zeros(count * batch.size))
        told = torch.stack([self._output(self._mean(batch) + n) for n in noise.view(count, batch.size)])
        return Prediction(told.mean(dim=0), told.std(dim=0, correction=0))


class Recovering(Honest):
    """Recovers every hidden frame as the mean of what is left, plus noise."""

    def recover(
        self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None, steps: int | None = None
    ) -> Recovery:
        mean, count, samples = self._mean(batch), draws or 4, batch.noise(generator)
        features, std, every, latents = {}, {}, {}, {}
        for k, name in enumerate(batch.names):
            shape = batch.features[name].shape
            noise = samples.fork(k).draws(count).like(torch.zeros(count * shape[0], *shape[1:])).view(count, *shape)
            drawn = mean[None, :, None, None] + self.noise * noise
            drawn = torch.where(batch.available[None, :, k, None, None], batch.readable(name)[None], drawn)
            every[name], features[name] = drawn, drawn.mean(dim=0)
            std[name] = drawn.std(dim=0, correction=0)
            own = batch.readable(name).sum(dim=(1, 2)) / (batch.frames(name).sum(dim=1) * shape[2]).clamp(min=1)
            latents[name] = torch.where(batch.available[:, k], own, mean)[:, None, None].expand(-1, 2, 3)
        return Recovery(features, std, every, latents)


class LabelThief(Honest):
    """Answers with the label."""

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        return Prediction(batch.labels.float(), torch.zeros(batch.size))


class HiddenReader(Honest):
    """Reads every modality, hidden or not; ``careful`` hides its tracks by turning NaN into zero."""

    def __init__(self, schema: Schema, careful: bool) -> None:
        super().__init__(schema)
        self.careful = careful

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        values = torch.stack([batch.features[n].mean(dim=(1, 2)) for n in batch.names])
        read = torch.nan_to_num(values) if self.careful else values
        return Prediction(read.sum(dim=0), torch.zeros(batch.size))
