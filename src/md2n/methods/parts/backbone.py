"""Encoders, fusion Transformer and head, which md2n and most other methods share."""

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.coders.encoder import make_encoder
from md2n.fusion.head import Head, make_head
from md2n.fusion.transformer import ABSENT, GIVEN, make_fusion
from md2n.methods.parts.config import FusionConfig
from md2n.modality import Schema
from md2n.shapes import Bool, Float, Int, Tensor


class Backbone(nn.Module):
    """Encoders E_k of the modalities, the multimodal Transformer, and the head.

    Args:
        schema: modalities and task.
        config: sizes and kinds.
        encoders: False replaces E_k by linear projections of the raw features (Table 4).
        names: modalities that the backbone reads; None for all.
    """

    def __init__(
        self, schema: Schema, config: FusionConfig, encoders: bool = True, names: tuple[str, ...] | None = None
    ) -> None:
        super().__init__()
        latent, size = config.latent, config.transformer
        modalities = [m for m in schema.modalities if names is None or m.name in names]
        self.modalities = tuple(modalities)
        self.names = tuple(m.name for m in modalities)
        self.tokens = latent.length
        kind = latent.encoder if encoders else "linear"
        self.encoders = nn.ModuleList(
            make_encoder(m, kind, self.tokens, latent.width, latent.hidden, latent.dropout) for m in modalities
        )
        self.fusion = make_fusion(
            # Crossmodal attention needs a second modality.
            config.kind if len(modalities) > 1 else "joint",
            len(modalities),
            self.tokens,
            latent.width,
            size,
        )
        self.head: Head = make_head(config.head, self.fusion.fused_width, schema.task, size.dropout)

    def encode(self, batch: SequenceBatch) -> Float[Tensor, "batch modality token width"]:
        """Latents of the available modalities.  Latents of the others are finite but have no meaning."""
        read = ((batch.inputs(m), batch.frames(m.name)) for m in self.modalities)
        return torch.stack([encoder(x, frames) for encoder, (x, frames) in zip(self.encoders, read)], dim=1)

    def encode_in_use(self, batch: SequenceBatch) -> Float[Tensor, "batch modality token width"]:
        """The latents without the encoders' dropout, also in training mode."""
        training = self.encoders.training
        try:
            self.encoders.eval()
            return self.encode(batch)
        finally:
            self.encoders.train(training)

    def fuse(
        self, latents: Float[Tensor, "batch modality token width"], state: Int[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch outputs"]:
        """Raw outputs of the head, from latents and the state of each modality (absent, given or recovered)."""
        raw: Tensor = self.head(self.fusion(latents, state))
        return raw

    def task_loss(self, raw: Float[Tensor, "batch outputs"], batch: SequenceBatch) -> Float[Tensor, ""]:
        """Mean task loss over the samples with a known label (zero without any)."""
        return self.head.mean_loss(raw, batch.labels)


def given_or_absent(available: Bool[Tensor, "batch modality"]) -> Int[Tensor, "batch modality"]:
    """The states of modalities in a method without recovery: available ones are given, the others absent."""
    return torch.where(available, GIVEN, ABSENT)
