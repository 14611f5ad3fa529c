"""The skeleton of DiCMoR and IMDer: encoders, recovery in latent space, a refiner, the multimodal Transformer.

    L = L_task + 0.1 |refined - x_m|^2 + 0.1 L_dec + the method's own terms

The first phase trains encoders and fusion on complete samples, with the task alone.  Afterwards everything is trained
on samples that each miss another set (the originals leave their encoders as they are from there on,
``train_encoders``).  What recovery aims at are the latents of the truth, without dropout; it moves toward them, not
they toward it.
"""

import abc
from collections.abc import Sequence

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.methods.base import Losses, Phase, Prediction, Recovery
from md2n.methods.parts.backbone import given_or_absent
from md2n.methods.parts.latent import LatentModel
from md2n.methods.parts.refined_config import RefinedConfig
from md2n.methods.parts.refiner import Refiner, refine_missing
from md2n.modality import Schema
from md2n.noise import Noise, SequentialNoise
from md2n.shapes import Bool, Float, Tensor

ENCODERS, RECOVERY = "encoders", "recovery"

Latents = Float[Tensor, "batch modality token width"]
Flags = Bool[Tensor, "batch modality"]


class RefinedRecovery(LatentModel, abc.ABC):
    """A method that generates missing latents somehow and refines them.

    Args:
        schema: modalities and task.
        config: of the method.
    """

    def __init__(self, schema: Schema, config: RefinedConfig) -> None:
        super().__init__(schema, config.fusion)
        self.settings = config
        width, count = config.fusion.latent.width, len(schema.modalities)
        self.refiners = nn.ModuleList(Refiner(width, config.refiner_blocks) for _ in range(count))
        self.add_decoders()

    def phases(self) -> Sequence[Phase]:
        first = self.settings.pretraining
        return (
            Phase(ENCODERS, share=first, trains=("backbone",), selects=False, patterns="complete"),
            Phase(RECOVERY, share=1 - first, trains=("",) if self.settings.train_encoders else self._but_encoders()),
        )

    def _but_encoders(self) -> tuple[str, ...]:
        return ("backbone.fusion", "backbone.head", *(n for n, _ in self.named_children() if n != "backbone"))

    @abc.abstractmethod
    def own_terms(
        self, clean: Latents, batch: SequenceBatch, generator: torch.Generator
    ) -> dict[str, Float[Tensor, ""]]:
        """The method's own terms of the loss.

        Args:
            clean: latents of everything present, without dropout.
            batch: what is present, available, and known of labels.
            generator: of what is random.
        """

    @abc.abstractmethod
    def generate(self, latents: Latents, available: Flags, noise: Noise, steps: int | None = None) -> Latents:
        """The latents with missing ones generated as in use, unrefined; read only where available.

        Args:
            latents: of what is available.
            available: which those are.
            noise: of the samples.
            steps: network calls, where a method has a choice; its config's if not given.
        """

    def generate_in_training(self, latents: Latents, available: Flags, noise: Noise) -> Latents:
        """The same as a training step bears it; as in use unless a method says otherwise."""
        return self.generate(latents, available, noise)

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        config, available, present = self.settings, batch.available, batch.present
        whole = batch.complete()
        latents = self.backbone.encode(whole)
        if self.phase == ENCODERS:
            raw = self.backbone.fuse(latents, given_or_absent(present))
            return Losses({"task": self.backbone.task_loss(raw, batch)})
        clean = self.backbone.encode_in_use(whole)
        own, source = self.own_terms(clean, batch, generator), SequentialNoise(generator)
        recovered = self._refined_in_training(clean, available, source)
        raw = self.fused(latents, recovered, available)
        gap = (present & ~available)[:, :, None, None].to(clean.dtype)
        error = (recovered - clean.detach()).square() * gap
        parts = {
            "task": self.backbone.task_loss(raw, batch),
            "recovery": config.recovery * error.sum() / (gap.sum() * error[0, 0].numel()).clamp(min=1),
            "dec": config.decoding * self.decoding_loss(batch, recovered),
            **own,
        }
        if config.complete_task or config.complete_view_distillation:
            filled = clean if bool(present.all()) else self._refined_in_training(clean, present, source)
            parts |= self.complete_view(
                batch, raw, latents, filled, config.complete_task, config.complete_view_distillation
            )
        return Losses(parts)

    def _refined_in_training(self, clean: Latents, available: Flags, noise: Noise) -> Latents:
        generated = self.generate_in_training(clean, available, noise)
        refined = refine_missing(self.refiners, generated, ~available)
        # What is available stays on the way of gradients, whatever generated the rest: decoders read it, too.
        return torch.where(available[:, :, None, None], clean, refined)

    def refined(self, latents: Latents, available: Flags, noise: Noise, steps: int | None = None) -> Latents:
        """The latents with missing ones generated and refined."""
        generated = self.generate(latents, available, noise, steps)
        return refine_missing(self.refiners, generated, ~available)

    def repeated(
        self, batch: SequenceBatch, noise: Noise, count: int, steps: int | None = None
    ) -> tuple[Float[Tensor, "all modality token width"], Bool[Tensor, "all modality"]]:
        """``count`` recoveries of the batch, one after another along the rows; and what was available in each."""
        many = batch.available.repeat(count, 1)
        return self.refined(self.backbone.encode(batch).repeat(count, 1, 1, 1), many, noise.draws(count), steps), many

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        """Mean and deviation of the predictions from as many recoveries (one, where there is no randomness)."""
        count = (draws or self.predict_draws) if self.predict_draws else 1
        drawn, many = self.repeated(batch, batch.noise(generator), count)
        each = self.output(drawn, many).view(count, batch.size, *self.tail)
        return Prediction(each.mean(dim=0), self.deviation(each, batch))

    def recover(
        self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None, steps: int | None = None
    ) -> Recovery:
        """Every missing modality decoded: from the mean of the drawn latents; and the draws."""
        count, noise = draws or self.settings.recover_draws, batch.noise(generator)
        drawn, _ = self.repeated(batch, noise, count, steps)
        best = drawn.view(count, batch.size, *drawn.shape[1:]).mean(dim=0)
        return self.decoded(batch, best, drawn, count, noise)
