r"""MD2N: encoders, multi-stage duplex recovery, decoders, multimodal Transformer (Fig. 2), trained end to end.

    L_total = L_task + gamma L_rec,        L_rec = L_score + L_dec                                     (Eq. 17)
    L_dec   = |xhat^m - x^m|^2 + |xhat^a - x^a|^2                                                      (Eq. 16)

Every sample of a batch draws its own missing pattern.  The missing latents are estimated in one differentiable step,
the fusion Transformer predicts from what is there and what was recovered, and prediction in use does the same; a
faithful recovery takes more steps and several draws.  Dropout in the encoders is for the fusion's sake: recovery is
trained on the latents it will meet in use, without it.

Beyond the paper, and off in its preset: the prediction from recovered modalities is also drawn toward the same model's
prediction from the complete sample (``complete_view_distillation``), which is trained on the task as well.
"""

from typing import ClassVar

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.coders.decoder import make_decoder
from md2n.errors import UsageError
from md2n.fusion.transformer import GIVEN, RECOVERED
from md2n.modality import Schema
from md2n.models.backbone import Backbone
from md2n.models.base import Card, Losses, MultimodalModel, Prediction, Recovery
from md2n.models.config import MD2NConfig
from md2n.models.recovery import DuplexRecovery
from md2n.shapes import Bool, Float, Int, Tensor

RESIDUAL_DECAY = 0.98  # running mean of the decoders' squared error over about fifty steps


class MD2N(MultimodalModel):
    """The reference implementation.

    Paper: Eq. 16, 17, Sec. 3.3, 3.4.
    """

    card: ClassVar[Card] = Card(
        title="MD2N",
        paper="Dai, Li, Yan, Mo, Qin, He: Unbiased Missing-modality Multimodal Learning. ICCV 2025",
        year=2025,
        family="recovery",
        differences="The paper leaves its supplement, code and many settings unpublished; docs/decisions says what was "
        "chosen and why. The default adds distillation from the complete view; the preset 'paper' does not.",
        recovers=True,
    )

    def __init__(self, schema: Schema, config: MD2NConfig) -> None:
        super().__init__(schema)
        self.config = config
        self.backbone = Backbone(schema, config.fusion, encoders=config.encoders)
        latent, tokens = config.fusion.latent, self.backbone.tokens
        self.recovery = DuplexRecovery(len(schema.modalities), tokens, latent.width, config.diffusion)
        self.decoders = nn.ModuleList(
            make_decoder(m, tokens, latent.width, latent.hidden) for m in schema.modalities if config.decoders
        )
        for k, modality in enumerate(schema.modalities):
            # Mean squared error of D_k on given latents, per feature: what a draw of the latent does not tell.
            self.register_buffer(f"residual_{k}", torch.zeros(modality.dim))

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        config, available, present = self.config, batch.available, batch.present
        whole = batch.complete()
        latents, clean = self.backbone.encode(whole), self.backbone.encode_in_use(whole)
        score = self.recovery.loss(clean, present, available, generator, config.detach_target)
        recovered = score.estimates
        assert recovered is not None
        raw = self._fused(latents, recovered, available)
        parts = {
            "task": self.backbone.task_loss(raw, batch),
            "score_m": config.gamma * score.missing,
            "score_a": config.gamma * score.available,
        }
        if config.decoders:
            parts["dec"] = config.gamma * self._decoding_loss(batch, recovered)
        if config.complete_task or config.complete_view_distillation:
            filled = clean if bool(present.all()) else self.recovery.estimate(clean, present, generator)
            teacher = self._fused(latents, filled, present)
            parts["complete"] = config.complete_task * self.backbone.task_loss(teacher, batch)
            distance = self.backbone.head.distance(raw, teacher.detach()).mean()
            parts["distillation"] = config.complete_view_distillation * distance
        return Losses(parts)

    def _fused(self, latents: Tensor, recovered: Tensor, available: Bool[Tensor, "batch modality"]) -> Tensor:
        """Raw outputs from given latents, dropout and all, and from what was recovered of clean ones."""
        filled = torch.where(available[:, :, None, None], latents, recovered)
        return self.backbone.fuse(filled, given_or_recovered(available))

    def _decoding_loss(self, batch: SequenceBatch, filled: Float[Tensor, "batch modality token width"]) -> Tensor:
        """L_dec as a mean over what the data hold: given latents are x^a, recovered ones x^m."""
        terms = []
        for k, (modality, decoder) in enumerate(zip(self.schema.modalities, self.decoders)):
            frames = batch.valid[modality.name]
            real = (frames & batch.present[:, k, None])[..., None].to(filled.dtype)
            error = (decoder(filled[:, k], frames.shape[1]) - batch.truth(modality.name)).square() * real
            terms.append(error.sum() / (real.sum() * modality.dim).clamp(min=1))
            if self.training:
                self._track_residual(k, error.detach(), real * batch.available[:, k, None, None])
        return torch.stack(terms).mean()

    def _track_residual(self, k: int, error: Tensor, given: Tensor) -> None:
        residual = getattr(self, f"residual_{k}")
        count = given.sum()
        if bool(count > 0):
            now = (error * given).sum(dim=(0, 1)) / count
            residual.lerp_(now.to(residual.dtype), 1 - RESIDUAL_DECAY)

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        """Predictions as fusion learned to make them.

        With ``predict_steps = 1`` the prediction is made from the one-step estimate, which fusion met in training; its
        spread is that of the predictions from ``draws`` faithful recoveries (of ``recover_steps`` calls each), zero for
        a single draw.  With more steps prediction and spread are mean and deviation over such draws.
        """
        count = draws or self.config.predict_draws
        latents, available = self.backbone.encode(batch), batch.available
        output = spread = None
        if self.config.predict_steps == 1:
            filled = self.recovery.estimate(latents, available, generator)
            output = self._output(filled, available)
            spread = torch.zeros_like(output)
        if count > 1 or output is None or spread is None:
            steps = self.config.recover_steps if self.config.predict_steps == 1 else self.config.predict_steps
            drawn, whole = self._draws(latents, available, generator, count, steps)
            each = self._output(drawn, whole).view(count, batch.size, *self._tail)
            # A complete sample's draws are the same up to rounding; say zero.
            gap = batch.missing.any(dim=1).view(-1, *[1] * len(self._tail))
            spread = each.std(dim=0, correction=0) * gap
            output = each.mean(dim=0) if output is None else output
        return Prediction(output, spread)

    @property
    def _tail(self) -> tuple[int, ...]:
        task = self.schema.task
        return (task.output_dim,) if task.kind == "classification" else ()

    def _output(self, filled: Tensor, available: Tensor) -> Tensor:
        return self.backbone.head.output(self.backbone.fuse(filled, given_or_recovered(available)))

    def _draws(
        self, latents: Tensor, available: Tensor, generator: torch.Generator, count: int, steps: int
    ) -> tuple[Float[Tensor, "all modality token width"], Bool[Tensor, "all modality"]]:
        """``count`` draws of the batch, one after another along the rows; and what was available in each."""
        many = available.repeat(count, 1)
        return self.recovery.draw(latents.repeat(count, 1, 1, 1), many, generator, steps), many

    def recover(
        self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None, steps: int | None = None
    ) -> Recovery:
        """Every missing modality decoded: its best point estimate, and draws for how sure it is.

        The point estimate decodes the one-step estimate, which is the mean of what is plausible and what D_k was
        trained on (Eq. 16); a mean over a few draws would add their noise to it.  The spread is the law of total
        variance: the variance of the decoded draws plus the decoder's own mean squared error, which is also what
        noise is added to the draws with.

        Raises:
            UsageError: the model was trained without decoders.
        """
        if not self.config.decoders:
            raise UsageError(
                "this model was trained without decoders, so it recovers latents only", "train with decoders = true"
            )
        count = draws or self.config.recover_draws
        calls = steps or self.config.recover_steps
        given_latents = self.backbone.encode(batch)
        best = self.recovery.estimate(given_latents, batch.available, generator)
        filled, _ = self._draws(given_latents, batch.available, generator, count, calls)
        features, spread, drawn = {}, {}, {}
        for k, (modality, decoder) in enumerate(zip(self.schema.modalities, self.decoders)):
            given = batch.readable(modality.name)
            gap, time = batch.missing[:, k, None, None], given.shape[1]
            decoded = decoder(filled[:, k], time).view(count, *given.shape)
            residual = getattr(self, f"residual_{k}").to(decoded.dtype)
            noise = torch.randn(decoded.shape, generator=generator, device=decoded.device, dtype=decoded.dtype)
            total = (decoded.var(dim=0, correction=0) + residual).sqrt()
            features[modality.name] = torch.where(gap, decoder(best[:, k], time), given)
            spread[modality.name] = torch.where(gap, total, 0.0)
            drawn[modality.name] = torch.where(gap, decoded + residual.sqrt() * noise, given)
        latents = {m.name: best[:, k] for k, m in enumerate(self.schema.modalities)}
        return Recovery(features, spread, drawn, latents)


def given_or_recovered(available: Bool[Tensor, "batch modality"]) -> Int[Tensor, "batch modality"]:
    """States of a recovery method: what is available is given, everything else recovered."""
    return torch.where(available, GIVEN, RECOVERED)
