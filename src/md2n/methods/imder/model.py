r"""IMDer: a score-based diffusion model samples missing latents, conditioned on the available latents.

Sampling starts from noise and reverses the process ``dx = sigma^t dw`` (``md2n.methods.imder.variance_exploding``) with
the score network of the missing modality (``md2n.methods.imder.score_net``).  The condition is the available latent, or
a 1x1 convolution of several concatenated latents.  With ``x_t = x_0 + std(t) z`` and the refined sample x_m,

    L = L_task + 0.1 ( L_score + |x_m - x_m^true|^2 ),      L_score = mean | std(t) score(x_t, t | condition) + z |^2.

Sampling takes one network call per step.  It also happens in every training step, there without gradients; the refiner
and the later modules are trained on the samples.

*Differences.*  L_score is a mean over the numbers of a latent.  The public code sums over them and takes the mean over
samples (``score_reduction="sum"``).  The public code adds noise to the condition: in training the noise of the latent,
in sampling other noise (``condition_noise="shared"``).  What the network learns from shared noise misleads it when the
noise is not shared, so our condition has no noise.  A training step draws four times t for each latent
(``score_draws``), the public code one.  The sampler takes ten steps in training and a hundred in use; the public code
always takes a hundred.  Squared errors are means over all pairs of a sample and one of its missing modalities; in the
public code they are sums over modalities.  Our encoders are trained after the first phase, too; those of the public
code are not.  We add decoders, which lead back to features; these are shrunk and scaled as validation
samples say.
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

    views: ClassVar[int] = 4  # few, for a draw takes a hundred calls
    pairs: ClassVar[int] = 512

    card: ClassVar[Card] = Card(
        title="IMDer",
        paper="Wang, Li, Cui: Incomplete Multimodality-Diffused Emotion Recognition. NeurIPS 2023",
        year=2023,
        family="recovery",
        differences="Recovery takes 10 calls of each score network in a training step (public code: 100) and 100 "
        "calls in use, as in the public code. Networks are smaller and work on MD2N's latents. The score loss is a "
        "mean over the numbers of a latent, not a sum, and gives the encoders of its target no gradient. The score "
        "loss and the error of the refined sample are means over what is missing, not sums over modalities. The "
        "condition has no noise. Encoders are trained after the first phase, too (train_encoders). MD2N's fusion, "
        "which receives a flag for recovered modalities, replaces MulT. AdamW, a cosine schedule and a bound on the "
        "norm of the gradient replace Adam, a rate halved on plateaus and clipped values. Any number of modalities. "
        "Decoders are added, so features are recovered; after training these are shrunk and their draws are scaled, as "
        "validation samples say (calibration). The preset 'imder_original' has the sizes, calls and sum of the public "
        "code, and no calibration.",
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
        """The condition of the score network of ``target``.  The latent of the target is never read."""
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
        # The zero keeps the loss differentiable if nothing is missing.
        score = torch.cat(squares).mean() if squares else 0.0 * self._score(0).leave.weight.sum()
        if config.score_reduction == "sum":
            score = score * clean[0, 0].numel()
        return {"score": config.score * score}

    def _squares(self, clean: Latents, available: Flags, k: int, generator: torch.Generator) -> Float[Tensor, " row"]:
        """``|std(t) score + z|^2`` of modality k, a mean over the numbers of the latent of each row."""
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
        """Generation with fewer network calls than in use, and without gradients."""
        return self.generate(latents, available, noise, self.config.train_steps)

    def generate(self, latents: Latents, available: Flags, noise: Noise, steps: int | None = None) -> Latents:
        columns = list(torch.where(available[:, :, None, None], latents, 0.0).unbind(dim=1))
        for k in range(latents.shape[1]):
            rows = (~available[:, k]).nonzero()[:, 0]
            if len(rows):
                condition = self.condition(latents[rows], available[rows], k)
                row_noise = noise.rows(rows).fork(k)
                latent = self._sample(k, condition, row_noise, steps or self.config.steps).transpose(1, 2)
                columns[k] = columns[k].index_copy(0, rows, latent.to(latents.dtype))
        return torch.stack(columns, dim=1)

    def _sample(
        self,
        k: int,
        condition: Float[Tensor, "row width token"],
        noise: Noise,
        steps: int,
    ) -> Float[Tensor, "row width token"]:
        network, noisy = self._score(k), self.config.condition_noise != "none"
        encoded, calls = [] if noisy else network.encode(condition), itertools.count()

        def score(x: Tensor, t: Tensor) -> Tensor:
            encoding = encoded
            if noisy:
                encoding = network.encode(
                    condition + self.process.std(t) * noise.like(condition, "condition", next(calls))
                )
            answer: Tensor = network(x, t, encoding)
            return answer

        return self.process.sample(score, noise.like(condition, "first state"), noise, steps)

    @property
    def predict_draws(self) -> int:
        return self.config.predict_draws
