"""Small made data for tests: batches of every kind a model must serve."""

import torch

from md2n.batch import SequenceBatch
from md2n.missing import incomplete_patterns, pattern_flags
from md2n.modality import Modality, Schema, Task
from md2n.seeding import generator

CLASSES = Task("classification", classes=("low", "mid", "high"))
REAL = Task("regression", low=-3, high=3, sentiment=True)

WORLDS: dict[str, Schema] = {
    "sequences": Schema((Modality("text", 5, 6), Modality("audio", 3, 6), Modality("vision", 4, 6)), REAL),
    "vectors": Schema((Modality("ecg", 6), Modality("eda", 3)), CLASSES),
    "cells": Schema((Modality("lab", 6, gaps=True), Modality("log", 4, 5, gaps=True), Modality("eda", 3)), CLASSES),
    "mixed": Schema((Modality("text", 5, 7), Modality("ecg", 6), Modality("eda", 3), Modality("video", 4, 4)), CLASSES),
}


def make_batch(schema: Schema, size: int = 12, seed: int = 0, gaps: bool = False) -> SequenceBatch:
    """Features driven by a shared cause, so that there is something to learn and to recover.

    With ``gaps`` about a fifth of the modalities is absent and their features are NaN; frames past a sample's length
    are NaN always, and so is a quarter of the cells of a modality that has gaps, never a whole frame.
    """
    g = generator(seed, "world")
    cause = torch.randn(size, 2, generator=g)
    features, valid, cells, present = {}, {}, {}, torch.ones(size, len(schema.modalities), dtype=torch.bool)
    if gaps:
        present = torch.rand(size, len(schema.modalities), generator=g) < 0.8
        present[torch.arange(size), torch.arange(size) % len(schema.modalities)] = True
    for k, m in enumerate(schema.modalities):
        lengths = torch.randint(1, m.length + 1, (size,), generator=g)
        lengths[0] = m.length  # so that the batch is as long as the schema says
        real = torch.arange(m.length)[None] < lengths[:, None]
        real &= present[:, k, None]
        x = cause @ torch.randn(2, m.dim, generator=g)
        x = x[:, None, :] + 0.3 * torch.randn(size, m.length, m.dim, generator=g)
        known = real[..., None].expand_as(x)
        if m.gaps:
            coins = torch.rand(x.shape, generator=g)
            cells[m.name] = (coins > 0.25) | (coins == coins.amax(dim=2, keepdim=True))
            known = known & cells[m.name]
        features[m.name] = torch.where(known, x, float("nan"))
        valid[m.name] = real
    labels = cause[:, 0].clamp(-3, 3) if schema.task.kind == "regression" else (cause[:, 0] > 0).long() + 1
    return SequenceBatch(features, valid, present, present, labels, torch.arange(size), cells=cells)


def every_pattern(batch: SequenceBatch) -> SequenceBatch:
    """The batch with a different set available in every sample, cycling through all incomplete ones and the complete.

    Where natural gaps leave nothing of a sample's pattern, everything present stays.
    """
    patterns = [*incomplete_patterns(batch.names), batch.names]
    flags = torch.tensor([pattern_flags(patterns[i % len(patterns)], batch.names) for i in range(batch.size)])
    left = flags & batch.present
    return batch.hide(torch.where(left.any(dim=1, keepdim=True), left, batch.present))
