r"""MMIN: the embedding of what is missing imagined from the embedding of what is there, and mapped back.

Every modality has an encoder ``E_k`` to a vector; a missing input is zeros.  Training goes in two phases:

1. *encoders*: a classifier on ``(E_1(x_1), .., E_M(x_M))`` of complete samples; its encoders are then copied and frozen
   as ``T_k``.
2. *imagination*: from ``h``, the embeddings of the incomplete sample side by side, a cascade of residual autoencoders
   makes ``h'``; a second cascade makes ``h''`` from the missing part of ``h'`` alone.  With codes ``c`` of the first

       L = L_task(head(c)) + 4 mean_missing |h'_k - T_k(x_k)|^2 + 2 mean_available |h''_k - h_k|^2.

What is imagined is an embedding, and nothing leads from it back to features: the method recovers none.

*Differences.*  Imagination is compared at the missing modalities only, where its target is the frozen encoder's
embedding of the truth (the public code also asks it for the embedding of zeros at the available ones).  A cascade that
adds nothing gives back what it was given: with nothing missing, as phase 1 ends, the targets themselves.  A cascade
ends with its last block, in the public code with a perceptron more.
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
        differences="Any number of modalities; vectors enter by a perceptron, with dropout on the features as "
        "everywhere here. Imagination is compared with its target at missing modalities only, and the "
        "second cascade is given the imagined part only. A missing sequence is one frame of zeros, since "
        "its length is not known. It imagines embeddings and has no decoders, so it gives no features "
        "back. AdamW's usual moments and a cosine throughout, where the original has betas (0.5, 0.999) "
        "in phase 2; codes pass a LeakyReLU, and a cascade has no perceptron after its last block, as the "
        "public code has. Distillation from the complete view is not offered.",
        recovers=False,
    )

    def __init__(self, schema: Schema, config: MMINConfig) -> None:
        super().__init__(schema)
        self.config = config
        together = len(schema.modalities) * config.width
        self.encoders = nn.ModuleList(
            make_utterance_encoder(m, m.name in config.text, config.width, config.dropout) for m in schema.modalities
        )
        self.classifier: Head = make_head(config.head, together, schema.task, config.dropout)
        self.imagine = Cascade(together, config.blocks, config.sizes)
        self.map_back = Cascade(together, config.blocks, config.sizes)
        self.head: Head = make_head(config.head, config.blocks * config.sizes[-1], schema.task, config.dropout)
        # T_k: part of the state, so that a run that goes on in the second phase has them from its checkpoint.
        self.targets = copy.deepcopy(self.encoders).requires_grad_(False)

    def phases(self) -> Sequence[Phase]:
        return (
            Phase(ENCODERS, share=1.0, trains=("encoders", "classifier"), selects=False, patterns="complete"),
            Phase(IMAGINATION, share=2.0, trains=("encoders", "imagine", "map_back", "head")),
        )

    def enter(self, phase: Phase) -> None:
        super().enter(phase)
        if phase.name == IMAGINATION:
            # A checkpoint of this phase is loaded after this, and brings its own.
            self.targets.load_state_dict(self.encoders.state_dict())

    def train(self, mode: bool = True) -> "MMIN":
        """Training mode; the frozen encoders stay in evaluation mode, so targets are not dropped."""
        super().train(mode)
        self.targets.eval()
        return self

    def _encode(self, encoders: nn.ModuleList, batch: SequenceBatch) -> Float[Tensor, "batch modality width"]:
        """Embeddings of what is available, and of zeros where nothing is."""
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
        """``T_k(x_k)`` of everything that the data hold; of zeros where they hold nothing."""
        with torch.no_grad():
            return self._encode(self.targets, batch.complete())

    def embeddings(self, batch: SequenceBatch) -> Float[Tensor, "batch modality width"]:
        """Phase-1 embeddings: ``T_k(x_k)`` where available, imagined where not.

        With nothing missing this is ``target``.
        """
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
    """Mean of the squares at the flagged modalities (zero if there are none)."""
    return (error.square().mean(dim=2) * where).sum() / where.sum().clamp(min=1)
