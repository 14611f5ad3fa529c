r"""ICDN: crossmodal Transformers for the consistency of modalities, unimodal tasks for their differences.

*Consistency.*  Crossmodal Transformers map the other modalities onto every target modality, which completes the target.
They are those of MulT: one for each ordered pair, then one over the outputs of the pairs
(``md2n.fusion.transformer``).  A learned placeholder replaces a missing target.

*Difference.*  Every available modality has a representation ``r_k`` and predicts its own unimodal label ``y_k``.
Self-supervision computes ``y_k`` from the label y of the sample and the position of ``r_k``
(``md2n.methods.icdn.unimodal_labels``):

    L = L_task(head(f)) + mean_k tanh(|y_k - y| / deviation) L_task(head_k(r_k), y_k).

So a unimodal task counts only if its label differs from that of the sample.  The unimodal heads are used in training
only.

*Differences.*  The article was retracted, and we know of no public code.  We follow its abstract: crossmodal
Transformers onto a target, unimodal labels by self-supervision.  The parts are those of MulT and Self-MM.  Sizes, the
placeholder and the weight of the unimodal tasks (a mean over them) are our choice.  Unimodal labels start once every
class has occurred often enough in every modality.  If a class never does, there are no unimodal labels.
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
        differences="The article was retracted, and we know of no public code. This implementation follows its "
        "abstract, with MulT's crossmodal Transformers and unimodal labels in the manner of Self-MM. Any number of "
        "modalities; the encoders of the other methods map each to tokens. A learned placeholder replaces a missing "
        "modality, and the others are mapped onto it. Unimodal labels use bounded relative distances to running "
        "class centres, without Self-MM's quotient and its memory of single samples. In classification they are "
        "distributions, and they start once every class has occurred in every modality. Nothing is recovered. "
        "Distillation from the complete view is not offered.",
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
        """Latents of the available modalities, and the output of the crossmodal Transformers."""
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
        """The loss of the unimodal tasks, a mean over the available modalities of samples with a known label."""
        known = self.backbone.head.known(batch.labels) > 0
        classes = self.schema.task.kind == "classification"
        labels = batch.labels if classes else standardised(batch.labels, self.schema.task)
        valid = batch.available & known[:, None]
        unimodal = [layer(latents[:, k].flatten(1)) for k, layer in enumerate(self.own)]
        if self.training:
            self.labels.update([fused, *unimodal], torch.cat([known[:, None], valid], dim=1), labels)
        total = fused.new_zeros(())
        for k, (representation, head) in enumerate(zip(unimodal, self.heads)):
            assert isinstance(head, Head)
            target, gap = self.labels.targets(representation, k + 1, fused, labels)
            raw = head(representation)
            error = F.cross_entropy(raw, target, reduction="none") if classes else (raw[:, 0] - target[:, 0]).abs()
            total = total + (gap.tanh() * error * valid[:, k] * head.weight(batch.labels)).sum()
        return total / valid.sum().clamp(min=1)

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        head = self.backbone.head
        return Prediction(head.output(head(self._fused(batch)[1])))
