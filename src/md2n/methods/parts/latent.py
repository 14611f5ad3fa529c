"""What methods that recover in latent space share: encoders, decoders, fusion, the view of the complete sample.

A subclass says how a missing latent comes about.  What is here is the rest: the Transformer reads given and recovered
latents alike and is told which is which; decoders D_k lead back to features, trained on both kinds; how far they are
off is followed, since no draw of a latent tells it; what is decoded is answered with as validation samples say
(``features``); and the prediction of the complete sample, which a method may be trained on and drawn toward.
"""

import abc
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import ClassVar

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.coders.decoder import make_decoder
from md2n.errors import UsageError
from md2n.fusion.transformer import GIVEN, RECOVERED
from md2n.methods.base import MultimodalModel, Recovery
from md2n.methods.parts.backbone import Backbone
from md2n.methods.parts.config import CalibrationKind, FusionConfig
from md2n.methods.parts.features import NO_FLOAT64, FeatureRecovery
from md2n.missing import draw_available
from md2n.modality import Schema
from md2n.noise import Noise, SampleNoise
from md2n.seeding import generator as seeded
from md2n.shapes import Bool, Float, Int, Tensor

RESIDUAL_DECAY = 0.98  # running mean of the decoders' squared error over about fifty steps

# A point estimate of every latent, and draws of them; what is available is as it is in both.
Recovered = tuple[Float[Tensor, "batch modality token width"], Float[Tensor, "draw batch modality token width"]]


class LatentModel(MultimodalModel, abc.ABC):
    """A backbone; decoders once ``add_decoders`` was called, and calibrated recoveries once ``add_calibration`` was.

    ``views`` patterns at most are drawn for a validation row in calibration, and ``pairs`` of rows and patterns for
    all of them; a method whose draws are expensive has fewer.

    Args:
        schema: modalities and task.
        fusion: encoders, fusion Transformer and head.
        encoders: False feeds linear projections of the raw features instead of E_k.
    """

    views: ClassVar[int] = 16
    pairs: ClassVar[int] = 4096

    def __init__(self, schema: Schema, fusion: FusionConfig, encoders: bool = True) -> None:
        super().__init__(schema)
        self.backbone = Backbone(schema, fusion, encoders=encoders)
        self.latent = fusion.latent

    def add_decoders(self, wanted: bool = True) -> None:
        """Makes D_k for every modality (none if not wanted), and what follows their error."""
        tokens, width, hidden = self.backbone.tokens, self.latent.width, self.latent.hidden
        self.decoders = nn.ModuleList(make_decoder(m, tokens, width, hidden) for m in self.schema.modalities if wanted)
        for k, modality in enumerate(self.schema.modalities):
            # Mean squared error of D_k on given latents, per feature: what a draw of the latent does not tell.
            self.register_buffer(f"residual_{k}", torch.zeros(modality.dim))

    def add_calibration(self, kind: CalibrationKind) -> None:
        """Makes what answers with calibrated features: nothing for ``none``, and where there are no decoders."""
        wanted = kind != "none" and len(self.decoders) > 0
        self.features = FeatureRecovery(self.schema, kind == "translation") if wanted else None

    @property
    @abc.abstractmethod
    def recover_draws(self) -> int:
        """Default number of draws of ``recover``."""

    @abc.abstractmethod
    def draw_latents(self, batch: SequenceBatch, noise: SampleNoise, steps: int | None, count: int) -> Recovered:
        """Recovered latents.

        Args:
            batch: features are read only where available.
            noise: of the samples.
            steps: network calls behind a draw; None for the config's.
            count: draws.
        """

    def estimate_latents(self, batch: SequenceBatch, noise: SampleNoise, steps: int | None, count: int) -> Recovered:
        """The same where no draw is looked at; a method overrides it if its point estimate needs none."""
        return self.draw_latents(batch, noise, steps, count)

    def fused(
        self,
        latents: Float[Tensor, "batch modality token width"],
        recovered: Float[Tensor, "batch modality token width"],
        available: Bool[Tensor, "batch modality"],
    ) -> Float[Tensor, "batch outputs"]:
        """Raw outputs from given latents, dropout and all, and from what was recovered of clean ones."""
        filled = torch.where(available[:, :, None, None], latents, recovered)
        return self.backbone.fuse(filled, given_or_recovered(available))

    def output(
        self, filled: Float[Tensor, "batch modality token width"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, " batch"] | Float[Tensor, "batch classes"]:
        """Predictions from latents with nothing missing."""
        return self.backbone.head.output(self.backbone.fuse(filled, given_or_recovered(available)))

    @property
    def tail(self) -> tuple[int, ...]:
        """Shape of one sample's prediction."""
        task = self.schema.task
        return (task.output_dim,) if task.kind == "classification" else ()

    def deviation(
        self, each: Float[Tensor, "draw batch *rest"], batch: SequenceBatch
    ) -> Float[Tensor, "batch *rest"] | None:
        """Standard deviation of predictions over draws; None of a single one.

        A complete sample's draws are the same up to rounding; it says zero.
        """
        if len(each) == 1:
            return None
        gap = batch.missing.any(dim=1).view(-1, *[1] * len(self.tail))
        return each.std(dim=0, correction=0) * gap

    def complete_view(
        self,
        batch: SequenceBatch,
        raw: Float[Tensor, "batch outputs"],
        latents: Float[Tensor, "batch modality token width"],
        filled: Float[Tensor, "batch modality token width"],
        task: float,
        distillation: float,
    ) -> dict[str, Float[Tensor, ""]]:
        """Terms of the prediction from everything the data hold, and of the incomplete one's distance to it.

        Args:
            batch: what ``present`` and the labels are read of.
            raw: outputs from what is available and recovered; drawn toward the complete view's, not the reverse.
            latents: of everything present.
            filled: the same without dropout, with what the data lack recovered.
            task: weight of the complete view's task loss.
            distillation: weight of the distance.
        """
        teacher = self.fused(latents, filled, batch.present)
        distance = self.backbone.head.distance(raw, teacher.detach()).mean()
        return {
            "complete": task * self.backbone.task_loss(teacher, batch),
            "distillation": distillation * distance,
        }

    def decoding_loss(
        self, batch: SequenceBatch, filled: Float[Tensor, "batch modality token width"]
    ) -> Float[Tensor, ""]:
        """L_dec as a mean over what the data hold: given latents are x^a, recovered ones x^m."""
        terms = []
        for k, (modality, decoder) in enumerate(zip(self.schema.modalities, self.decoders)):
            real = batch.real(modality.name).to(filled.dtype)
            error = (decoder(filled[:, k], real.shape[1]) - batch.truth(modality.name)).square() * real
            terms.append(error.sum() / (real.sum() * (modality.dim // real.shape[2])).clamp(min=1))
            if self.training:
                self._track_residual(k, error.detach(), real * batch.available[:, k, None, None])
        return torch.stack(terms).mean()

    def _track_residual(self, k: int, error: Tensor, weight: Tensor) -> None:
        residual = getattr(self, f"residual_{k}")
        count = weight.sum(dim=(0, 1))  # of each feature, or of all alike
        now = (error * weight).sum(dim=(0, 1)) / count.clamp(min=1)
        followed = residual.lerp(now.to(residual.dtype), 1 - RESIDUAL_DECAY)
        residual.copy_(torch.where(count > 0, followed, residual))

    def decoded(
        self,
        batch: SequenceBatch,
        best: Float[Tensor, "batch modality token width"],
        drawn: Float[Tensor, "draw batch modality token width"],
        noise: Noise,
    ) -> Recovery:
        """Features from recovered latents.

        The standard deviation follows the law of total variance: the variance of the decoded draws plus the mean
        squared error of the decoder.  Noise of that error is also added to the draws.

        Args:
            batch: what is given.
            best: point estimates; decoded to ``Recovery.features``.
            drawn: draws.
            noise: of the samples; the decoders have a stream of their own.
        """
        features, std, draws = {}, {}, {}
        count = len(drawn)
        for k, (modality, decoder) in enumerate(zip(self.schema.modalities, self.decoders)):
            name, values = modality.name, batch.readable(modality.name)
            features[name], std[name] = values, torch.zeros_like(values)
            draws[name] = values.expand(count, *values.shape)
            rows, time = batch.missing[:, k].nonzero()[:, 0], values.shape[1]
            if not len(rows):
                continue
            decoded = decoder(drawn[:, rows, k].flatten(0, 1), time).view(count, len(rows), *values.shape[1:])
            residual = getattr(self, f"residual_{k}").to(decoded.dtype)
            error = noise.fork("decoder", k).rows(rows).draws(count).like(decoded.flatten(0, 1)).view_as(decoded)
            total = (decoded.var(dim=0, correction=0) + residual).sqrt()
            features[name] = values.index_copy(0, rows, decoder(best[rows, k], time))
            std[name] = std[name].index_copy(0, rows, total)
            draws[name] = draws[name].index_copy(1, rows, decoded + residual.sqrt() * error)
        latents = {m.name: best[:, k] for k, m in enumerate(self.schema.modalities)}
        return Recovery(features, std, draws, latents)

    def recover(
        self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None, steps: int | None = None
    ) -> Recovery:
        """Every missing modality as features: decoded latents, once calibrated one part of the answer (``features``).

        Where all draws are of matched training rows, ``steps`` counts only as far as the point estimate depends on it.

        Raises:
            UsageError: the model was trained without decoders; or it is calibrated, and the device has no float64.
        """
        if not len(self.decoders):
            raise UsageError(
                "this model was trained without decoders, so it recovers latents only", "train with decoders = true"
            )
        if self.features is not None and self.features.calibrated and self._device.type in NO_FLOAT64:
            raise UsageError(
                f"a calibrated recovery needs float64, which device '{self._device.type}' does not have",
                "use --device cpu",
            )
        count, noise = draws or self.recover_draws, batch.noise(generator)
        if self.features is None:
            return self.decoded(batch, *self.draw_latents(batch, noise, steps, count), noise)
        source = self.draw_latents if self.features.walks(batch) else self.estimate_latents
        plain = self.decoded(batch, *source(batch, noise, steps, count), noise)
        return self.features.answer(batch, plain, count, noise)

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device

    def calibrate(self, training: Iterable[SequenceBatch], validation: Iterable[SequenceBatch]) -> Sequence[str]:
        """Fits how decoded features are answered with (``features``); predictions stay as they are.

        Latents are recovered once and kept, since a draw can take many network calls; what is decoded of them is not
        kept, since long sequences are large.

        Args:
            training: complete batches; rows of them are kept for the translation.
            validation: complete batches; see ``hidden_views``.

        Returns:
            What a person should know: which modalities were left as they were.
        """
        if self.features is None:
            return ()
        if self._device.type in NO_FLOAT64:
            return (
                f"not calibrated: device '{self._device.type}' has no float64. Recoveries are those of the decoder "
                "alone; train with trainer.device=cpu to calibrate them",
            )
        self.features.keep(training)
        matched = all(map(self.features.matched, range(len(self.schema.modalities))))
        source = self.estimate_latents if matched else self.draw_latents
        views = [(view, view.noise(seeded(0, "calibration"))) for view in self.hidden_views(validation)]
        latents = [source(view, noise, None, self.recover_draws) for view, noise in views]

        def decoded() -> Iterator[tuple[SequenceBatch, Recovery]]:
            for (view, noise), recovered in zip(views, latents):
                yield view, self.decoded(view, *recovered, noise)

        return self.features.fit(decoded)

    def hidden_views(self, validation: Iterable[SequenceBatch]) -> Iterator[SequenceBatch]:
        """Every batch under several drawn patterns: as many as ``views`` and ``pairs`` allow, one at least."""
        batches = list(validation)
        count = max(1, min(self.views, self.pairs // max(1, sum(b.size for b in batches))))
        for (number, batch), view in product(enumerate(batches), range(count)):
            hidden = draw_available(batch.present.cpu(), seeded(0, "calibration", number, view))
            yield batch.hide(hidden.to(batch.device))


def given_or_recovered(available: Bool[Tensor, "batch modality"]) -> Int[Tensor, "batch modality"]:
    """States of a recovery method: what is available is given, everything else recovered."""
    return torch.where(available, GIVEN, RECOVERED)
