r"""MMIN: imagines embeddings of missing modalities from those of available modalities, and maps them back.

Every modality has an encoder ``E_k`` to a vector; a missing input is zeros.  Training has two phases:

1. *encoders*: trains a classifier on ``(E_1(x_1), .., E_M(x_M))`` of complete samples.  Its encoders are then copied to
   ``T_k``, which are frozen.
2. *imagination*: ``h`` are the concatenated embeddings of an incomplete sample.  A cascade of residual autoencoders
   maps ``h`` to ``h'``.  A second cascade maps the missing part of ``h'`` to ``h''``.  With codes ``c`` of the first

       L = L_task(head(c)) + 4 mean_missing |h'_k - T_k(x_k)|^2 + 2 mean_available |h''_k - h_k|^2.

The method imagines embeddings.  It has no decoders, so it recovers no features.

*Differences.*  The imagination loss covers missing modalities only.  Its target is the frozen encoder's embedding of
the truth.  (In the public code it covers available modalities, too, with the embedding of zeros as target.)  A cascade
whose blocks add nothing returns its input; at the end of phase 1 this is the target itself for a complete sample.  A
cascade ends with its last block; in the public code a perceptron follows.
"""

import copy
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.fusion.head import Head, make_head
from md2n.methods.base import Card, Losses, MultimodalModel, Phase, Prediction
from md2n.methods.mmin.cascade import Cascade
from md2n.methods.mmin.config import MMINConfig
from md2n.methods.parts.utterance import make_utterance_encoder
from md2n.modality import Schema
from md2n.shapes import Bool, Float, Tensor

ENCODERS, IMAGINATION = "encoders", "imagination"


class MMIN(MultimodalModel):
    """Missing modality imagination network."""

    card: ClassVar[Card] = Card(
        title="MMIN",
        paper="Zhao, Li, Jin: Missing Modality Imagination Network for Emotion Recognition with Uncertain Missing "
        "Modalities. ACL 2021",
        year=2021,
        family="recovery",
        differences="Any number of modalities; a perceptron encodes vectors, with dropout of the features as in all "
        "methods here. The imagination loss covers missing modalities only, and the second cascade reads the "
        "imagined part only. A missing sequence is one frame of zeros, since its length is unknown. Embeddings are "
        "imagined without decoders, so no features are recovered. AdamW has its usual moments and a cosine schedule "
        "throughout, where the public code has betas (0.5, 0.999) in phase 2. Codes pass a LeakyReLU. No perceptron "
        "follows the last block of a cascade; the public code has one there. Distillation from the complete view is "
        "not offered.",
        recovers=False,
    )

    def __init__(self, schema: Schema, config: MMINConfig) -> None:
        super().__init__(schema)
        self.config = config
        width = len(schema.modalities) * config.width
        self.encoders = nn.ModuleList(
            make_utterance_encoder(m, m.name in config.text, config.width, config.dropout) for m in schema.modalities
        )
        self.classifier: Head = make_head(config.head, width, schema.task, config.dropout)
        self.imagine = Cascade(width, config.blocks, config.sizes)
        self.map_back = Cascade(width, config.blocks, config.sizes)
        self.head: Head = make_head(config.head, config.blocks * config.sizes[-1], schema.task, config.dropout)
        # T_k are part of the state, so a run resumed in the second phase loads them from its checkpoint.
        self.targets = copy.deepcopy(self.encoders).requires_grad_(False)

    def phases(self) -> Sequence[Phase]:
        return (
            Phase(ENCODERS, share=1.0, trains=("encoders", "classifier"), selects=False, patterns="complete"),
            Phase(IMAGINATION, share=2.0, trains=("encoders", "imagine", "map_back", "head")),
        )

    def enter(self, phase: Phase) -> None:
        super().enter(phase)
        if phase.name == IMAGINATION:
            # A checkpoint of this phase is loaded afterwards and overwrites these.
            self.targets.load_state_dict(self.encoders.state_dict())

    def train(self, mode: bool = True) -> "MMIN":
        """Sets the mode.  The frozen encoders stay in evaluation mode, so targets have no dropout."""
        super().train(mode)
        self.targets.eval()
        return self

    def _encode(self, encoders: nn.ModuleList, batch: SequenceBatch) -> Float[Tensor, "batch modality width"]:
        """Embeddings of the modalities, those of zeros where missing."""
        embeddings = []
        for k, (modality, encoder) in enumerate(zip(self.schema.modalities, encoders)):
            frames = batch.frames(modality.name).clone()
            frames[:, 0] |= batch.missing[:, k]
            embeddings.append(encoder(batch.inputs(modality), frames))
        return torch.stack(embeddings, dim=1)

    def _imagined(
        self, known: Float[Tensor, "batch modality width"]
    ) -> tuple[Float[Tensor, "batch modality width"], Float[Tensor, "batch code"]]:
        filled, codes = self.imagine(known.flatten(1))
        return filled.view_as(known), codes

    def target(self, batch: SequenceBatch) -> Float[Tensor, "batch modality width"]:
        """``T_k(x_k)`` of everything in the data, available or hidden; of zeros where the data have none."""
        with torch.no_grad():
            return self._encode(self.targets, batch.complete())

    def embeddings(self, batch: SequenceBatch) -> Float[Tensor, "batch modality width"]:
        """``T_k(x_k)`` where available, the imagined embedding where missing; ``target`` for a complete sample."""
        imagined, _ = self._imagined(self._encode(self.encoders, batch))
        return torch.where(batch.available[..., None], self._encode(self.targets, batch), imagined)

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        known = self._encode(self.encoders, batch)
        if self.phase == ENCODERS:
            return Losses({"task": self.classifier.mean_loss(self.classifier(known.flatten(1)), batch.labels)})
        imagined, codes = self._imagined(known)
        missing = batch.missing
        back, _ = self.map_back(torch.where(missing[..., None], imagined, 0.0).flatten(1))
        incomplete = batch.available & missing.any(dim=1, keepdim=True)
        imagination = mean_square(imagined - self.target(batch), batch.present & missing)
        cycle = mean_square(back.view_as(known) - known.detach(), incomplete)
        return Losses(
            {
                "task": self.head.mean_loss(self.head(codes), batch.labels),
                "imagination": self.config.imagination * imagination,
                "cycle": self.config.cycle * cycle,
            }
        )

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        _, codes = self._imagined(self._encode(self.encoders, batch))
        return Prediction(self.head.output(self.head(codes)))


def mean_square(
    error: Float[Tensor, "batch modality width"], where: Bool[Tensor, "batch modality"]
) -> Float[Tensor, ""]:
    """Mean square over the flagged modalities (zero without any)."""
    return (error.square().mean(dim=2) * where).sum() / where.sum().clamp(min=1)
