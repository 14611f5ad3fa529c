"""Majority: one constant for every sample and every pattern.

It shows how much of an accuracy needs no learning: on an imbalanced test split, "always negative" scores high.

- *Classes*: the probabilities are the frequencies of the training labels, so the predicted class is the most frequent.
- *Real labels*: the prediction is their median, the constant with the smallest mean absolute error.
- *Sentiment*: the prediction is the median, too.  It is at least 0.01 standard deviations from zero, on the side of
  most non-zero training labels, so ACC2 is that of the majority.
"""

import statistics
from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from md2n.batch import SequenceBatch
from md2n.errors import DataError
from md2n.fusion.head import Head, in_own_units, standardised
from md2n.methods.base import Card, Losses, MultimodalModel, Phase, Prediction
from md2n.methods.majority.config import MajorityConfig
from md2n.modality import Schema

SIDE = 0.01  # least distance of a sentiment from zero, in standard deviations: its sign survives rounding


class Majority(MultimodalModel):
    """The best constant for the training labels, set in closed form."""

    card: ClassVar[Card] = Card(
        title="majority",
        paper="customary reference method (ZeroR; Holte: Very Simple Classification Rules. Machine Learning 11, 1993)",
        year=1993,
        family="reference",
        differences="Classes: the training frequencies (one is added to each count), so the most frequent class wins. "
        "Real labels: the training median. Sentiment: the median, at least 0.01 standard deviations from zero on the "
        "side of most non-zero training labels, so that ACC2 is the majority's.",
        recovers=False,
    )

    def __init__(self, schema: Schema, config: MajorityConfig) -> None:
        super().__init__(schema)
        # Logits of the classes, or the standardised value, as in the heads.
        self.constant = nn.Parameter(torch.zeros(schema.task.output_dim))

    def phases(self) -> Sequence[Phase]:
        return (Phase("count", fit=self.fit),)

    @torch.no_grad()
    def fit(self, batches: Iterable[SequenceBatch]) -> None:
        """Sets the constant from the known training labels.

        Raises:
            DataError: no training label is known.
        """
        labels = torch.cat([b.labels for b in batches])
        labels = labels[Head.known(labels) > 0]
        if not len(labels):
            raise DataError("no training sample has a label", "choose another label column, or other splits")
        if self.schema.task.kind == "classification":
            counts = torch.bincount(labels, minlength=self.schema.task.output_dim) + 1
            self.constant.copy_((counts / counts.sum()).log())
        else:
            task = self.schema.task
            value = constant_label(labels.tolist(), task.sentiment, SIDE * task.scale)
            self.constant.copy_(standardised(labels.new_tensor([value]), task))

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        known = Head.known(batch.labels) > 0
        labels = batch.labels[known]
        raw = self.constant.expand(len(labels), -1)
        if self._classes:
            each = F.cross_entropy(raw, labels, reduction="none")
        else:
            each = (raw[:, 0] - standardised(labels, self.schema.task)).abs()
        return Losses({"task": each.sum() / max(len(labels), 1)})

    @property
    def _classes(self) -> bool:
        return self.schema.task.kind == "classification"

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        constant = (
            self.constant.softmax(dim=0)[None] if self._classes else in_own_units(self.constant, self.schema.task)
        )
        return Prediction(constant.repeat_interleave(batch.size, dim=0))


def constant_label(labels: Sequence[float], sentiment: bool, side: float = SIDE) -> float:
    """The median of the labels; for sentiment, at least ``side`` on the majority's side of zero.

    >>> constant_label([-1.0, 0.0, 0.0, 0.0, 2.0, 3.0], sentiment=True)
    0.01
    """
    median = statistics.median(labels)
    positive, negative = sum(y > 0 for y in labels), sum(y < 0 for y in labels)
    if not sentiment or positive == negative:
        return median
    return max(median, side) if positive > negative else min(median, -side)
