"""Majority: one constant for every sample, whatever is available.

What a table's reader has to subtract: on a lopsided test split, "always negative" has an accuracy that looks like work.

- *classes*: the frequencies of the training labels as probabilities, so the class is the most frequent one;
- *real labels*: their median, the constant of least mean absolute error;
- *sentiment*: the median too, moved to the side of zero on which most non-zero training labels lie where it is not
  there already (by 0.01 deviations: it costs as much in MAE at most), so that ACC2 is that of the majority.
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

SIDE = 0.01  # deviations from neutral that a sentiment has to be, to have a sign whatever it is rounded to in a table


class Majority(MultimodalModel):
    """The best constant of the training labels; its parameter is set in closed form."""

    card: ClassVar[Card] = Card(
        title="majority",
        paper="the customary floor (ZeroR; Holte: Very Simple Classification Rules. Machine Learning 11, 1993)",
        year=1993,
        family="floor",
        differences="Classes: the training frequencies (one added to each count), so the most frequent class. Real "
        "labels: the training median. Sentiment: the median, moved by 0.01 deviations beyond zero where most non-zero "
        "training labels have the other sign, so that ACC2 is the majority's.",
        recovers=False,
    )

    def __init__(self, schema: Schema, config: MajorityConfig) -> None:
        super().__init__(schema)
        # Logits of the classes, or the value in deviations from the labels' centre, as heads have it.
        self.constant = nn.Parameter(torch.zeros(schema.task.output_dim))

    def phases(self) -> Sequence[Phase]:
        return (Phase("count", fit=self.fit),)

    @torch.no_grad()
    def fit(self, batches: Iterable[SequenceBatch]) -> None:
        """Sets the constant from the known training labels.

        Raises:
            DataError: there are none.
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
    """The median of the labels (of two middle ones the mean); for sentiment ``side`` on the majority's side of zero.

    >>> constant_label([-1.0, 0.0, 0.0, 0.0, 2.0, 3.0], sentiment=True)
    0.01
    """
    median = statistics.median(labels)
    positive, negative = sum(y > 0 for y in labels), sum(y < 0 for y in labels)
    if not sentiment or positive == negative:
        return median
    return max(median, side) if positive > negative else min(median, -side)
