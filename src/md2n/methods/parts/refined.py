"""The common structure of DiCMoR and IMDer: encoders, recovery in latent space, a refiner, the multimodal Transformer.

    L = L_task + 0.1 |refined - x_m|^2 + 0.1 L_dec + L_method

``L_method`` holds terms that only one of the two methods has.  The first phase trains encoders and fusion on complete
samples, with the task loss alone.  The second phase trains all parameters on samples with randomly missing modalities.
The public codes freeze the encoders in the second phase (``train_encoders=False``).  The targets x_m of the recovery
are the true latents without dropout; they get no gradient.
"""

import abc
from collections.abc import Sequence

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.methods.base import Losses, Phase, Prediction
from md2n.methods.parts.backbone import given_or_absent
from md2n.methods.parts.latent import LatentModel, Recovered
from md2n.methods.parts.refined_config import RefinedConfig
from md2n.methods.parts.refiner import Refiner, refine_missing
from md2n.modality import Schema
from md2n.noise import Noise, SampleNoise, SequentialNoise
from md2n.shapes import Bool, Float, Tensor

ENCODERS, RECOVERY = "encoders", "recovery"

Latents = Float[Tensor, "batch modality token width"]
Flags = Bool[Tensor, "batch modality"]


class RefinedRecovery(LatentModel, abc.ABC):
    """A method that generates missing latents and refines them.  Subclasses define the generation.

    Args:
        schema: modalities and task.
        config: settings of the method.
    """

    def __init__(self, schema: Schema, config: RefinedConfig) -> None:
        super().__init__(schema, config.fusion)
        self.settings = config
        width, count = config.fusion.latent.width, len(schema.modalities)
        self.refiners = nn.ModuleList(Refiner(width, config.refiner_blocks) for _ in range(count))
        self.add_decoders()
        self.add_calibration(config.calibration)

    def phases(self) -> Sequence[Phase]:
        first = self.settings.pretraining
        return (
            Phase(ENCODERS, share=first, trains=("backbone",), selects=False, patterns="complete"),
            Phase(RECOVERY, share=1 - first, trains=("",) if self.settings.train_encoders else self._but_encoders()),
        )

    def _but_encoders(self) -> tuple[str, ...]:
        return ("backbone.fusion", "backbone.head", *(n for n, _ in self.named_children() if n != "backbone"))

    @abc.abstractmethod
    def method_losses(
        self, clean: Latents, batch: SequenceBatch, generator: torch.Generator
    ) -> dict[str, Float[Tensor, ""]]:
        """Further terms of the loss, which belong to the method.

        Args:
            clean: latents of everything present, without dropout.
            batch: ``present``, ``available`` and the labels are read.
            generator: seed of all random numbers.
        """

    @abc.abstractmethod
    def generate(self, latents: Latents, available: Flags, noise: Noise, steps: int | None = None) -> Latents:
        """The available latents, and a generated latent for each missing modality, before the refiner.

        Args:
            latents: read only where available.
            available: True for available modalities.
            noise: noise of the samples.
            steps: network calls per generated latent, if the method can choose; None for the config's.
        """

    def generate_in_training(self, latents: Latents, available: Flags, noise: Noise) -> Latents:
        """The same in a training step.  A method overrides it if generation as in use is too expensive there."""
        return self.generate(latents, available, noise)

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        config, available, present = self.settings, batch.available, batch.present
        complete = batch.complete()
        latents = self.backbone.encode(complete)
        if self.phase == ENCODERS:
            raw = self.backbone.fuse(latents, given_or_absent(present))
            return Losses({"task": self.backbone.task_loss(raw, batch)})
        clean = self.backbone.encode_in_use(complete)
        own, source = self.method_losses(clean, batch, generator), SequentialNoise(generator)
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
        # Available latents keep their gradients even if generation has none: decoders read them, too.
        return torch.where(available[:, :, None, None], clean, refined)

    def refined(self, latents: Latents, available: Flags, noise: Noise, steps: int | None = None) -> Latents:
        """The available latents, and a generated and refined latent for each missing modality."""
        generated = self.generate(latents, available, noise, steps)
        return refine_missing(self.refiners, generated, ~available)

    def repeated(
        self, batch: SequenceBatch, noise: Noise, count: int, steps: int | None = None
    ) -> tuple[Float[Tensor, "all modality token width"], Bool[Tensor, "all modality"]]:
        """``count`` recoveries of the batch, concatenated along the rows, and the availability in each row."""
        available = batch.available.repeat(count, 1)
        latents = self.backbone.encode(batch).repeat(count, 1, 1, 1)
        return self.refined(latents, available, noise.draws(count), steps), available

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        """Mean and standard deviation of the predictions from ``draws`` recoveries (from one, if deterministic)."""
        count = (draws or self.predict_draws) if self.predict_draws else 1
        drawn, available = self.repeated(batch, batch.noise(generator), count)
        each = self.output(drawn, available).view(count, batch.size, *self.tail)
        return Prediction(each.mean(dim=0), self.deviation(each, batch))

    @property
    def recover_draws(self) -> int:
        return self.settings.recover_draws

    def draw_latents(self, batch: SequenceBatch, noise: SampleNoise, steps: int | None, count: int) -> Recovered:
        """The point estimate is the mean of the draws."""
        drawn, _ = self.repeated(batch, noise, count, steps)
        each = drawn.view(count, batch.size, *drawn.shape[1:])
        return each.mean(dim=0), each
