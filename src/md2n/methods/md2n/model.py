r"""MD2N: encoders, multi-stage duplex recovery, decoders, multimodal Transformer (Fig. 2), trained end to end.

    L_total = L_task + gamma L_rec,        L_rec = L_score + L_dec                                     (Eq. 17)
    L_dec   = |xhat^m - x^m|^2 + |xhat^a - x^a|^2                                                      (Eq. 16)

Every sample of a batch draws its own missing pattern.  The missing latents are estimated in one differentiable step,
the fusion Transformer predicts from what is there and what was recovered, and prediction in use does the same; a
faithful recovery takes more steps and several draws.  Dropout in the encoders is for the fusion's sake: recovery is
trained on the latents it will meet in use, without it.

Beyond the paper, and off in its preset: the prediction from recovered modalities is also drawn toward the same model's
prediction from the complete sample (``complete_view_distillation``), which is trained on the task as well.  It takes a
second pass of the fusion, which is most of a training step; ``complete_share`` of the samples go through it.  Likewise,
the task trains fusion on recovered latents without moving what recovered them (``detach_recovered``), and on small sets
fusion reads latents that were recovered under dropout, half of them in a step (``recovered_dropout``).  After training,
what is decoded is combined with a closed-form translation and drawn as widely as validation says (``calibration``).
"""

import math
from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch

from md2n.batch import SequenceBatch
from md2n.diffusion.objective import duplex_loss
from md2n.diffusion.process import make_process
from md2n.fusion.transformer import ABSENT
from md2n.methods.base import Card, Losses, Prediction
from md2n.methods.md2n.config import READ, MD2NConfig
from md2n.methods.md2n.end_variance import EndVariance
from md2n.methods.md2n.recovery import DuplexRecovery
from md2n.methods.parts.latent import LatentModel, Recovered, given_or_recovered
from md2n.modality import Schema
from md2n.noise import SampleNoise, SequentialNoise
from md2n.seeding import generator as seeded
from md2n.shapes import Bool, Float, Int, Tensor


class MD2N(LatentModel):
    """The reference implementation.

    Paper: Eq. 16, 17, Sec. 3.3, 3.4.
    """

    card: ClassVar[Card] = Card(
        title="MD2N",
        paper="Dai, Li, Yan, Mo, Qin, He: Unbiased Missing-modality Multimodal Learning. ICCV 2025",
        year=2025,
        family="recovery",
        differences="The paper leaves its supplement, code and many settings unpublished; docs/decisions says what was "
        "chosen and why. The default adds distillation from the complete view, a first guess of what is missing by a "
        "perceptron over all given latents (first_guess), recovered latents that the task does not move "
        "(detach_recovered), on small sets dropout of what fusion reads of them (recovered_dropout), and recovered "
        "features that combine the decoder with a closed-form translation and draw "
        "its residuals, as validation says (calibration); the preset 'paper' has none of the five. In both, recovery "
        "is trained on latents without the encoders' dropout.",
        recovers=True,
    )

    def __init__(self, schema: Schema, config: MD2NConfig) -> None:
        super().__init__(schema, config.fusion, encoders=config.encoders)
        self.config = config
        tokens, width = self.backbone.tokens, config.fusion.latent.width
        d = config.diffusion
        process = make_process(d.steps, d.t1, d.t2, d.schedule, d.transfer, d.variance)
        self.recovery = DuplexRecovery(len(schema.modalities), tokens, width, process, d)
        self.add_decoders(config.decoders)
        self.add_calibration(config.calibration)

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        config, available, present = self.config, batch.available, batch.present
        whole = batch.complete()
        latents, clean = self.backbone.encode(whole), self.backbone.encode_in_use(whole)
        score = duplex_loss(
            self.recovery.networks,
            self.recovery.mix,
            clean,
            present,
            available,
            generator,
            duplex=config.diffusion.duplex,
            detach_target=config.detach_target,
            t_range=config.diffusion.t_range,
            structure=config.diffusion.start == "noise",
            estimate=not config.diffusion.cascade,
        )
        recovered = score.estimates
        if recovered is None:  # a cascade needs one estimate after another
            recovered = self.recovery.estimate(clean, available, SequentialNoise(generator))
        raw = self._fused_in_training(latents, recovered, available, generator)
        parts = {
            "task": self.backbone.task_loss(raw, batch),
            "score_m": config.gamma * score.missing,
            "score_a": config.gamma * score.available,
        }
        if config.decoders:
            parts["dec"] = config.gamma * self.decoding_loss(batch, recovered)
        if (config.complete_task or config.complete_view_distillation) and len(rows := self._viewed(batch, generator)):
            side = present[rows]
            source = SequentialNoise(generator)
            filled = clean[rows] if bool(side.all()) else self.recovery.estimate(clean[rows], side, source)
            parts |= self.complete_view(
                batch.select(rows),
                raw[rows],
                latents[rows],
                self._read(filled),
                config.complete_task,
                config.complete_view_distillation,
            )
        return Losses(parts)

    def _read(
        self, recovered: Float[Tensor, "batch modality token width"]
    ) -> Float[Tensor, "batch modality token width"]:
        """Recovered latents as fusion reads them: as they will be, whatever the task would rather have them be.

        They are made of the given ones without dropout; were the task to move them, they would be a second, unhindered
        way from features to labels, and small sets are learned by heart on it (docs/log.md).
        """
        return recovered.detach() if self.config.detach_recovered else recovered

    def _fused_in_training(
        self,
        latents: Float[Tensor, "batch modality token width"],
        recovered: Float[Tensor, "batch modality token width"],
        available: Bool[Tensor, "batch modality"],
        generator: torch.Generator,
    ) -> Float[Tensor, "batch outputs"]:
        """Raw outputs from given latents with dropout and from recovered ones; see ``MD2NConfig.recovered_dropout``.

        What is recovered of latents without dropout is a way around the dropout: even where the task does not move it,
        fusion learns small sets by heart from it.
        """
        if self.config.recovered_dropout != "on":
            return self.fused(latents, self._read(recovered), available)
        with torch.set_grad_enabled(not self.config.detach_recovered):
            recovered = self.recovery.estimate(latents, available, SequentialNoise(generator))
        filled = torch.where(available[:, :, None, None], latents, recovered)
        read = torch.rand(available.shape, generator=generator, device=available.device) < READ
        return self.backbone.fuse(filled, torch.where(available | read, given_or_recovered(available), ABSENT))

    def _viewed(self, batch: SequenceBatch, generator: torch.Generator) -> Int[Tensor, " chosen"]:
        """The samples whose complete view this step looks at: of those that something was hidden from, a share.

        A sample that kept everything is its own complete view: the task has it already.
        """
        rows = (batch.present & batch.missing).any(dim=1).nonzero()[:, 0]
        count = math.ceil(self.config.complete_share * len(rows))
        return rows[torch.randperm(len(rows), generator=generator, device=rows.device)[:count]]

    @property
    def predict_draws(self) -> int:
        return self.config.predict_draws

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        """Predictions as fusion learned to make them.

        With ``predict_steps = 1`` the prediction is made from the one-step estimate, which fusion met in training; its
        standard deviation is that of the predictions from ``draws`` recoveries of ``recover_steps`` calls each; a
        single draw has none.  With more steps prediction and ``std`` are mean and deviation over such draws.
        """
        config, available = self.config, batch.available
        count, latents, noise = draws or config.predict_draws, self.backbone.encode(batch), batch.noise(generator)
        if count == 1 and config.predict_steps == 1:
            output = self.output(self.recovery.estimate(latents, available, noise), available)
            return Prediction(output)
        steps = config.recover_steps if config.predict_steps == 1 else config.predict_steps
        filled, drawn = self.recovery.recover(latents, available, noise, steps, count)
        # The draws of a complete sample are its latents again: fusion reads them once, and all else in one call.
        gap = batch.missing.any(dim=1).nonzero()[:, 0]
        many = drawn.view(count, *filled.shape)[:, gap].flatten(0, 1)
        flags = torch.cat([available, available[gap].repeat(count, 1)])
        output, outputs = torch.split(self.output(torch.cat([filled, many]), flags), [batch.size, len(many)])
        each = output.expand(count, *output.shape).index_copy(1, gap, outputs.view(count, len(gap), *self.tail))
        return Prediction(output if config.predict_steps == 1 else each.mean(dim=0), self.deviation(each, batch))

    @property
    def recover_draws(self) -> int:
        return self.config.recover_draws

    def draw_latents(self, batch: SequenceBatch, noise: SampleNoise, steps: int | None, count: int) -> Recovered:
        """The point estimate is that of one step: the mean of what is plausible, which D_k was trained on (Eq. 16).

        A mean over a few draws would add their noise to it.
        """
        calls, latents = steps or self.config.recover_steps, self.backbone.encode(batch)
        best, drawn = self.recovery.recover(latents, batch.available, noise, calls, count)
        return best, drawn.view(count, *best.shape)

    def estimate_latents(self, batch: SequenceBatch, noise: SampleNoise, steps: int | None, count: int) -> Recovered:
        return self.draw_latents(batch, noise, 1, 1)

    def calibrate(self, training: Iterable[SequenceBatch], validation: Iterable[SequenceBatch]) -> Sequence[str]:
        """Fits c^2 first, where the sampler reads it: draws are calibrated as they will be.

        Predictions of one step stay as they are.
        """
        batches = list(validation)
        if self.recovery.variance is not None:
            self._fit_variance(self.recovery.variance, self.hidden_views(batches))
        return super().calibrate(training, batches)

    def _fit_variance(self, variance: EndVariance, views: Iterable[SequenceBatch]) -> None:
        """Fits c^2 of the Gaussian sampler on batches with something hidden."""
        for shown in views:
            clean, noise = self.backbone.encode(shown.complete()), shown.noise(seeded(0, "calibration"))
            estimate = self.recovery.estimate(clean, shown.available, noise)
            variance.add(estimate, clean, shown.available, shown.present & shown.missing)
        variance.fit()
