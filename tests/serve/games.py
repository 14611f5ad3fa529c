"""Methods whose prediction is a rule on what is available, for laws with known answers."""

from collections.abc import Callable, Mapping

import numpy as np
import torch

from md2n.batch import SequenceBatch
from md2n.data.affine import Affine
from md2n.data.normalise import Normaliser
from md2n.methods.base import Card, Losses, MultimodalModel, Prediction, Recovery
from md2n.modality import Modality, Schema, Task
from md2n.serve.predictor import Predictor

# From name -> [B] value of the modality, zero where missing, and name -> [B] whether it is there, to [B] values.
Rule = Callable[[Mapping[str, torch.Tensor], Mapping[str, torch.Tensor]], torch.Tensor]


class Ruled(MultimodalModel):
    """Its prediction is the rule's."""

    card = Card("ruled", "none", 2026, "reference", "", recovers=False)

    def __init__(self, schema: Schema, rule: Rule) -> None:
        super().__init__(schema)
        self.rule, self.unused, self.calls = rule, torch.nn.Parameter(torch.zeros(1)), 0

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        raise NotImplementedError

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        self.calls += 1
        there = {name: batch.available[:, k] for k, name in enumerate(batch.names)}
        values = {name: batch.readable(name)[:, 0, 0] for name in batch.names}
        return Prediction(self.rule(values, there))


class Echo(Ruled):
    """Recovers every missing modality as the mean of the available ones, with one standard deviation for all."""

    deviation = 0.5

    def recover(
        self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None, steps: int | None = None
    ) -> Recovery:
        values = torch.stack([batch.readable(name) for name in batch.names])
        mean = values.sum(dim=0) / batch.available.sum(dim=1)[:, None, None]
        features = {k: torch.where(batch.frames(k)[..., None], batch.readable(k), mean) for k in batch.names}
        return Recovery(features, {k: torch.full_like(x, self.deviation) for k, x in features.items()}, {})


def ruled(names: str, rule: Rule, centre: float = 0.0, kind: type[Ruled] = Ruled) -> Predictor:
    """A predictor of a real label from modalities of one number, one letter each."""
    schema = Schema(tuple(Modality(n, 1) for n in names), Task("regression", centre=centre))
    plain = {n: Affine(np.zeros(1, np.float32), np.ones(1, np.float32)) for n in names}
    return Predictor(kind(schema, rule), schema, Normaliser("none", 10.0, "", plain))
