r"""ICDN: crossmodal Transformers for what modalities have in common, tasks of their own for what sets them apart.

*Consistency.*  For every target modality the others are mapped onto it by crossmodal Transformers (MulT's: one for each
ordered pair, then one over what they give; ``md2n.fusion.transformer``), which makes up for what the target lacks.  A
missing target is a learned placeholder for others to be mapped onto.  *Difference.*  Every available modality has a
representation ``r_k`` and predicts a label of its own, which self-supervision makes of the sample's label and of where
``r_k`` lies (``md2n.methods.icdn.unimodal_labels``):

    L = L_task(head(f)) + mean_k tanh(|y_k - y| / deviation) L_task(head_k(r_k), y_k),

so a modality's task counts where its label is not the sample's.  The modalities' heads are for training only.

*Differences.*  The article was retracted, and we know of no public code.  What there is of it is taken from its
abstract (crossmodal Transformers onto a target, unimodal labels by self-supervision); the parts are those of MulT and
Self-MM; sizes, the placeholder and the weight of the modalities' tasks, a mean over them, are ours.  Labels of single
modalities begin once every class was seen in every modality: data where one never is have no such labels.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from md2n.batch import SequenceBatch
from md2n.fusion.head import Head, make_head, standardised
from md2n.fusion.transformer import GIVEN, RECOVERED
from md2n.methods.base import Card, Losses, MultimodalModel, Prediction
from md2n.methods.icdn.config import ICDNConfig
from md2n.methods.icdn.unimodal_labels import UnimodalLabels
from md2n.methods.parts.backbone import Backbone
from md2n.methods.parts.config import FusionConfig
from md2n.modality import Schema
from md2n.shapes import Float, Tensor


class ICDN(MultimodalModel):
    """Integrating consistency and difference networks."""

    card: ClassVar[Card] = Card(
        title="ICDN",
        paper="Zhang, Shi, Liu, Zhu, Xu: ICDN: Integrating Consistency and Difference Networks by Transformer for "
        "Multimodal Sentiment Analysis. Applied Intelligence 53(12), 2023. Retracted article",
        year=2023,
        family="translation",
        differences="The article was retracted; we know of no public code. Made after its abstract, from MulT's "
        "crossmodal Transformers and labels in the manner of Self-MM. Any number of modalities, each "
        "brought to tokens by the encoders of the other methods; a missing one is a learned placeholder "
        "that the others are mapped onto. Labels of single modalities by bounded leanings toward running "
        "class centres, without Self-MM's quotient and its memory of single samples; for classes they are "
        "distributions, and begin once every class was seen with every modality. It gives no features "
        "back. Distillation from the complete view is not offered.",
        recovers=False,
        retracted=True,
    )

    def __init__(self, schema: Schema, config: ICDNConfig) -> None:
        super().__init__(schema)
        self.config = config
        latent, dropout = config.latent, config.transformer.dropout
        self.backbone = Backbone(schema, FusionConfig(latent, "crossmodal", config.transformer, config.head))
        self.placeholder = nn.Parameter(torch.randn(len(schema.modalities), latent.length, latent.width) * 0.1)
        flat = latent.length * latent.width
        self.own = nn.ModuleList(nn.Sequential(nn.Linear(flat, config.unimodal), nn.GELU()) for _ in schema.modalities)
        self.heads = nn.ModuleList(make_head("auto", config.unimodal, schema.task, dropout) for _ in schema.modalities)
        widths = [self.backbone.fusion.fused_width, *[config.unimodal] * len(schema.modalities)]
        self.labels = UnimodalLabels(widths, schema.task)

    def _fused(
        self, batch: SequenceBatch
    ) -> tuple[Float[Tensor, "batch modality token width"], Float[Tensor, "batch fused"]]:
        """Latents of what is available, and what the crossmodal Transformers make of them and of placeholders."""
        latents = self.backbone.encode(batch)
        filled = torch.where(batch.available[:, :, None, None], latents, self.placeholder.to(latents.dtype))
        fused: Tensor = self.backbone.fusion(filled, torch.where(batch.available, GIVEN, RECOVERED))
        return latents, fused

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        latents, fused = self._fused(batch)
        head = self.backbone.head
        parts = {"task": head.mean_loss(head(fused), batch.labels)}
        if self.config.difference:
            parts["difference"] = self.config.difference * self._difference(batch, latents, fused)
        return Losses(parts)

    def _difference(self, batch: SequenceBatch, latents: Tensor, fused: Tensor) -> Float[Tensor, ""]:
        """The modalities' own tasks, a mean over available modalities of samples whose label is known."""
        known = self.backbone.head.known(batch.labels) > 0
        classes = self.schema.task.kind == "classification"
        labels = batch.labels if classes else standardised(batch.labels, self.schema.task)
        there = batch.available & known[:, None]
        own = [layer(latents[:, k].flatten(1)) for k, layer in enumerate(self.own)]
        if self.training:
            self.labels.follow([fused, *own], torch.cat([known[:, None], there], dim=1), labels)
        total = fused.new_zeros(())
        for k, (representation, head) in enumerate(zip(own, self.heads)):
            assert isinstance(head, Head)
            target, gap = self.labels.targets(representation, k + 1, fused, labels)
            raw = head(representation)
            error = F.cross_entropy(raw, target, reduction="none") if classes else (raw[:, 0] - target[:, 0]).abs()
            total = total + (gap.tanh() * error * there[:, k] * head.weight(batch.labels)).sum()
        return total / there.sum().clamp(min=1)

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        head = self.backbone.head
        return Prediction(head.output(head(self._fused(batch)[1])))
