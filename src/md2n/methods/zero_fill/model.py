"""Zero fill: the fusion Transformer trained on complete samples, zeros in place of what is missing at test."""

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
    """What happens when nothing is done about missing modalities.

    Features are normalised, so zeros are the training split's centre.
    Samples with natural gaps in training are filled in the same way.
    """

    card: ClassVar[Card] = Card(
        title="zero fill",
        paper="the customary floor (e.g. Zhao, Li, Jin: Missing Modality Imagination Network. ACL 2021, Sec. 4.3)",
        year=2021,
        family="floor",
        differences="Zeros in normalised features, that is, the training centre; the same encoders, fusion and head "
        "as MD2N; the checkpoint is chosen on the same validation mean over incomplete patterns as every method's.",
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
            # A missing modality is shown as one frame of zeros, not left out: that is what zero filling is.
            frames = batch.frames(modality.name).clone()
            frames[:, 0] |= batch.missing[:, k]
            latents.append(encoder(batch.inputs(modality), frames))
        state = torch.full_like(batch.available, GIVEN, dtype=torch.long)
        return self.backbone.fuse(torch.stack(latents, dim=1), state)

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        return Losses({"task": self.backbone.task_loss(self._raw(batch), batch)})

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        return Prediction(self.backbone.head.output(self._raw(batch)))
