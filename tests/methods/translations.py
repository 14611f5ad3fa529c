"""Shared by tests of translating methods: worlds in which modalities determine one another, and short training."""

import torch

from md2n.batch import SequenceBatch
from md2n.methods.base import MultimodalModel, Recovers
from md2n.missing import draw_available
from md2n.modality import Modality, Schema
from md2n.seeding import generator
from tests.worlds import CLASSES

PAIR = Schema((Modality("one", 4), Modality("two", 4)), CLASSES)
TRIPLE = Schema((Modality("one", 4), Modality("two", 4), Modality("three", 4, 5)), CLASSES)


def turned(schema: Schema, size: int = 64, seed: int = 0) -> SequenceBatch:
    """Every modality is the first one, rotated in each of its frames, so each determines all others."""
    g = generator(seed, "turned")
    x = torch.randn(size, 4, generator=g)
    turns = generator(0, "turns")
    features = {}
    for m in schema.modalities:
        turn = torch.linalg.qr(torch.randn(4, 4, generator=turns)).Q
        features[m.name] = (x @ turn)[:, None].expand(-1, m.length, -1)
    valid = {m.name: torch.ones(size, m.length, dtype=torch.bool) for m in schema.modalities}
    present = torch.ones(size, len(schema.modalities), dtype=torch.bool)
    return SequenceBatch(features, valid, present, present, (x[:, 0] > 0).long(), torch.arange(size))


def train(model: MultimodalModel, batch: SequenceBatch, steps: int, rate: float = 1e-2) -> None:
    """Takes training steps on the batch, with new patterns in each step; ends in evaluation mode."""
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate)
    for step in range(steps):
        g = generator(step, "train")
        optimiser.zero_grad()
        torch.autograd.backward(model.loss(batch.hide(draw_available(batch.present, g, 0.1)), g).total)
        optimiser.step()
    model.eval()


def check_targets_are_not_read(model: MultimodalModel, batch: SequenceBatch) -> None:
    """Predictions and recoveries are bit-equal if everything missing is NaN."""
    g, poisoned = generator(0, "unused"), batch.poisoned()
    assert isinstance(model, Recovers)
    with torch.no_grad():
        assert torch.equal(model.predict(batch, g).output, model.predict(poisoned, g).output)
        clean, other = model.recover(batch, g).features, model.recover(poisoned, g).features
    for k, name in enumerate(batch.names):
        assert torch.equal(clean[name][batch.missing[:, k]], other[name][batch.missing[:, k]])


def only(batch: SequenceBatch, *columns: int) -> SequenceBatch:
    """The batch with only these modalities available."""
    flags = torch.zeros_like(batch.present)
    flags[:, list(columns)] = True
    return batch.hide(flags)
