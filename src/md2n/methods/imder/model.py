r"""IMDer: what is missing is drawn by a score-based diffusion model, conditioned on what is there.

A missing latent starts from noise and is led back along ``dx = sigma^t dw`` (``variance_exploding``) by the score
network of its modality (``score_net``); the condition is the available latent, or a 1x1 convolution of several side by
side.  With ``x_t = x_0 + std(t) z``,

    L = L_task + 0.1 ( L_score + |x_m - x_m^true|^2 ),      L_score = mean | std(t) score(x_t, t | condition) + z |^2,

x_m the refined draw.  Drawing takes a call of the network per step, also inside every training step, where it carries
no gradient; the refiner and what follows are trained on what comes out.

*Differences.*  The mean in L_score is over all numbers of a latent; the original sums over them and takes the mean over
samples (``score_reduction="sum"``).  The original adds noise to the condition: in training the latent's own, when
sampling another (``condition_noise="shared"``).  What the network learns to read off noise that both share misleads it
when they do not, so here the condition is clean.  A step learns a latent's score at four times (``score_draws``), the
original at one.  In training the sampler takes ten steps, in use the original's hundred.  Squares are means over all
pairs of a sample and a modality that it misses, in the public code sums over modalities.  Encoders go on learning after
the first phase, the original's do not.  Decoders lead back to features.
"""

import itertools
from typing import ClassVar

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.methods.base import Card
from md2n.methods.imder.config import IMDerConfig
from md2n.methods.imder.score_net import ScoreNet
from md2n.methods.imder.variance_exploding import FIRST_TRAINED, VarianceExploding
from md2n.methods.parts.refined import Flags, Latents, RefinedRecovery
from md2n.methods.parts.side import Mix
from md2n.modality import Schema
from md2n.noise import Noise
from md2n.shapes import Float, Tensor


class IMDer(RefinedRecovery):
    """Incomplete multimodality-diffused emotion recognition."""

    card: ClassVar[Card] = Card(
        title="IMDer",
        paper="Wang, Li, Cui: Incomplete Multimodality-Diffused Emotion Recognition. NeurIPS 2023",
        year=2023,
        family="recovery",
        differences="Inside a training step recovery takes 10 calls of each score network (the original: 100); in use "
        "it takes the original's 100. Smaller networks, over MD2N's latents. The score loss is a mean over a latent's "
        "numbers, not a sum, and moves no encoder by its target; it and the refined draw's error are means over what "
        "is missing, not sums over modalities; the condition is not noised. Encoders go on learning after their own "
        "phase (train_encoders). MD2N's fusion, which is told what was recovered, in place of MulT. AdamW, a cosine "
        "and a bound on the gradient's norm, where the original has Adam, a rate halved on plateaus and clipped "
        "values. Any number of modalities; decoders, so that it gives features back. The preset 'imder_original' has "
        "the original's sizes, calls and sum.",
        recovers=True,
    )

    def __init__(self, schema: Schema, config: IMDerConfig) -> None:
        super().__init__(schema, config)
        self.config = config
        width, count = config.fusion.latent.width, len(schema.modalities)
        self.process = VarianceExploding(config.sigma)
        tokens = self.backbone.tokens
        self.scores = nn.ModuleList(ScoreNet(width, tokens, config.network, self.process) for _ in schema.modalities)
        self.mixes = nn.ModuleList(Mix(count - 1, width) for _ in schema.modalities)

    def _score(self, k: int) -> ScoreNet:
        network = self.scores[k]
        assert isinstance(network, ScoreNet)
        return network

    def condition(self, latents: Latents, available: Flags, target: int) -> Float[Tensor, "batch width token"]:
        """What the score of ``target`` is told of; read only where available, never at the target."""
        others = [k for k in range(latents.shape[1]) if k != target]
        mixed: Tensor = self.mixes[target](latents[:, others].transpose(2, 3), available[:, others])
        return mixed

    def method_losses(
        self, clean: Latents, batch: SequenceBatch, generator: torch.Generator
    ) -> dict[str, Float[Tensor, ""]]:
        config = self.config
        gap = batch.present & batch.missing
        squares = [
            self._squares(clean[rows], batch.available[rows], k, generator)
            for k in range(clean.shape[1])
            if len(rows := gap[:, k].nonzero()[:, 0].repeat(config.score_draws))
        ]
        # Attached to a weight even where nothing is missing.
        score = torch.cat(squares).mean() if squares else 0.0 * self._score(0).leave.weight.sum()
        if config.score_reduction == "sum":
            score = score * clean[0, 0].numel()
        return {"score": config.score * score}

    def _squares(self, clean: Latents, available: Flags, k: int, generator: torch.Generator) -> Float[Tensor, " row"]:
        """``|std(t) score + z|^2`` of modality k, a mean over the numbers of each row's latent."""
        truth = clean[:, k].detach().transpose(1, 2)
        condition = self.condition(clean, available, k)
        device, dtype = truth.device, truth.dtype
        t = torch.rand(len(truth), generator=generator, device=device, dtype=dtype)
        t = FIRST_TRAINED + (1 - FIRST_TRAINED) * t
        std = self.process.std(t)[:, None, None]
        z = torch.randn(truth.shape, generator=generator, device=device, dtype=dtype)
        if self.config.condition_noise == "shared":
            condition = condition + std * z
        elif self.config.condition_noise == "own":
            condition = condition + std * torch.randn(z.shape, generator=generator, device=device, dtype=dtype)
        network = self._score(k)
        score: Tensor = network(truth + std * z, t, network.encode(condition))
        return (std * score + z).square().mean(dim=(1, 2))

    @torch.no_grad()
    def generate_in_training(self, latents: Latents, available: Flags, noise: Noise) -> Latents:
        """Fewer calls than in use, and no gradient through them."""
        return self.generate(latents, available, noise, self.config.train_steps)

    def generate(self, latents: Latents, available: Flags, noise: Noise, steps: int | None = None) -> Latents:
        columns = list(torch.where(available[:, :, None, None], latents, 0.0).unbind(dim=1))
        for k in range(latents.shape[1]):
            rows = (~available[:, k]).nonzero()[:, 0]
            if len(rows):
                condition = self.condition(latents[rows], available[rows], k)
                own = noise.rows(rows).fork(k)
                latent = self._one(k, condition, own, steps or self.config.steps).transpose(1, 2)
                columns[k] = columns[k].index_copy(0, rows, latent.to(latents.dtype))
        return torch.stack(columns, dim=1)

    def _one(
        self,
        k: int,
        condition: Float[Tensor, "row width token"],
        noise: Noise,
        steps: int,
    ) -> Float[Tensor, "row width token"]:
        network, noised = self._score(k), self.config.condition_noise != "none"
        encoded, calls = [] if noised else network.encode(condition), itertools.count()

        def score(x: Tensor, t: Tensor) -> Tensor:
            encoding = encoded
            if noised:
                encoding = network.encode(
                    condition + self.process.std(t) * noise.like(condition, "condition", next(calls))
                )
            answer: Tensor = network(x, t, encoding)
            return answer

        return self.process.sample(score, noise.like(condition, "first state"), noise, steps)

    @property
    def predict_draws(self) -> int:
        return self.config.predict_draws
