"""Settings of IMDer.  No torch here."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from md2n.errors import ConfigError
from md2n.methods.parts.refined_config import RefinedConfig


@dataclass(frozen=True)
class ScoreNetConfig:
    """A score network of IMDer: a 1-D U-Net over the positions of a latent.

    Args:
        channels: of its levels; halving the positions at every level but the first.
        layers: of the cross-attention to the condition after each convolution.
        heads: of the attention; divides every number of channels.
        features: Gaussian Fourier features of the time, even.
    """

    channels: tuple[int, ...] = (64, 128)
    layers: Annotated[int, Gt(0)] = 1
    heads: Annotated[int, Gt(0)] = 4
    features: Annotated[int, Gt(0)] = 64

    def __post_init__(self) -> None:
        if not self.channels or any(c < 1 or c % self.heads for c in self.channels):
            raise ConfigError(
                f"{self.heads} heads do not divide the channels {list(self.channels)}",
                "give one or more numbers of channels, each a multiple of heads, e.g. 64, 128",
            )
        if self.features % 2:
            raise ConfigError(f"features = {self.features} is odd", "half of them are sines: give an even number")


@dataclass(frozen=True)
class IMDerConfig(RefinedConfig):
    """IMDer.

    Args:
        fusion: see ``RefinedConfig``, as all down to ``recover_draws``.
        refiner_blocks: the original has 20.
        recovery: lambda, the original's.
        decoding: of features, which the original does not give.
        pretraining: see there.
        train_encoders: see there.
        complete_view_distillation: see there.
        complete_task: see there.
        recover_draws: latents drawn for a recovery's mean and spread.
        network: of each score.
        sigma: of dx = sigma^t dw.
        score: weight of the score loss.
        score_reduction: of its squares over a latent: ``mean``, or the original's ``sum``, L D times as much.
        score_draws: times and noises that a latent's score is learned at in a step; the original draws one.
        condition_noise: what the condition is noised with: ``none``; ``own`` noise; ``shared``, the original's: that of
            the latent in training, its own when sampling.
        steps: calls of a network for one recovered latent.
        train_steps: the same inside a training step; the original has as many as in use.  Fewer than 2 ln(sigma)
            overshoot.
        predict_draws: recoveries behind a prediction.
    """

    network: ScoreNetConfig = field(default_factory=ScoreNetConfig)
    sigma: Annotated[float, Gt(1)] = 25.0
    score: Annotated[float, Ge(0)] = 0.1
    score_reduction: Literal["mean", "sum"] = "mean"
    score_draws: Annotated[int, Gt(0)] = 4
    condition_noise: Literal["none", "own", "shared"] = "none"
    steps: Annotated[int, Gt(0)] = 100
    train_steps: Annotated[int, Gt(0)] = 10
    predict_draws: Annotated[int, Gt(0)] = 1
