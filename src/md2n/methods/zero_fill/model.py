"""Zero fill: zeros replace a missing modality in a fusion Transformer trained on complete samples."""

from collections.abc import Sequence
from typing import ClassVar

import torch

from md2n.batch import SequenceBatch
from md2n.fusion.transformer import GIVEN
from md2n.methods.base import Card, Losses, MultimodalModel, Phase, Prediction
from md2n.methods.parts.backbone import Backbone
from md2n.methods.parts.config import FusionConfig
from md2n.modality import Schema


class ZeroFill(MultimodalModel):
    """The fusion Transformer without any treatment of missing modalities.

    Features are normalised, so zero is the centre of the training split.  Natural gaps in training samples are filled
    in the same way.
    """

    card: ClassVar[Card] = Card(
        title="zero fill",
        paper="customary reference (e.g. Zhao, Li, Jin: Missing Modality Imagination Network. ACL 2021, Sec. 4.3)",
        year=2021,
        family="reference",
        differences="Features are normalised, so zeros are the training centre. Encoders, fusion and head are those of "
        "MD2N. The checkpoint is chosen by the mean validation score over incomplete patterns, as for every method.",
        recovers=False,
    )

    def __init__(self, schema: Schema, config: FusionConfig) -> None:
        super().__init__(schema)
        self.backbone = Backbone(schema, config)

    def phases(self) -> Sequence[Phase]:
        return (Phase(patterns="complete"),)

    def _raw(self, batch: SequenceBatch) -> torch.Tensor:
        latents = []
        for k, (modality, encoder) in enumerate(zip(self.schema.modalities, self.backbone.encoders)):
            # Zero filling means that a missing modality is one frame of zeros; it is not left out of attention.
            frames = batch.frames(modality.name).clone()
            frames[:, 0] |= batch.missing[:, k]
            latents.append(encoder(batch.inputs(modality), frames))
        state = torch.full_like(batch.available, GIVEN, dtype=torch.long)
        return self.backbone.fuse(torch.stack(latents, dim=1), state)

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        return Losses({"task": self.backbone.task_loss(self._raw(batch), batch)})

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        return Prediction(self.backbone.head.output(self._raw(batch)))
