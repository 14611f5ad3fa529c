"""Modality dropout: the fusion Transformer, trained with random patterns; attention skips missing tokens.

It is the reference method that is hardest to beat.  It recovers nothing, but it is trained on every pattern that
occurs in use.
"""

from typing import ClassVar

import torch

from md2n.batch import SequenceBatch
from md2n.methods.base import Card, Losses, MultimodalModel, Prediction
from md2n.methods.parts.backbone import Backbone, given_or_absent
from md2n.methods.parts.config import FusionConfig
from md2n.modality import Schema


class ModalityDropout(MultimodalModel):
    """The fusion Transformer over the available modalities."""

    card: ClassVar[Card] = Card(
        title="modality dropout",
        paper="Neverova, Wolf, Taylor, Nebout: ModDrop: adaptive multi-modal gesture recognition. TPAMI 38(8), 2016",
        year=2016,
        family="reference",
        differences="A Transformer replaces the convolutional network of the paper. Encoders, fusion and head are "
        "those of MD2N. Attention skips missing tokens. One pattern is drawn per sample and step.",
        recovers=False,
    )

    def __init__(self, schema: Schema, config: FusionConfig) -> None:
        super().__init__(schema)
        self.backbone = Backbone(schema, config)

    def _raw(self, batch: SequenceBatch) -> torch.Tensor:
        return self.backbone.fuse(self.backbone.encode(batch), given_or_absent(batch.available))

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        return Losses({"task": self.backbone.task_loss(self._raw(batch), batch)})

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        return Prediction(self.backbone.head.output(self._raw(batch)))
