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
        channels: channels of each level.  Every level but the first has half the positions of the one before it.
        layers: layers of cross-attention to the condition after each convolution.
        heads: attention heads; must divide every number of channels.
        features: number of Gaussian Fourier features of the time; even.
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
        network: size of each score network.
        sigma: base of the noise, dx = sigma^t dw.
        score: weight of the score loss.
        score_reduction: how the squares of a latent's score loss become one number: ``mean``, or ``sum`` as in the
            public code, which is L D times as large.
        score_draws: number of times and noises drawn for each latent in a training step; 1 in the public code.
        condition_noise: which noise is added to the condition: ``none``; ``own``, drawn for it; ``shared``, as in the
            public code: in training the noise of the latent, in use noise of its own.
        steps: network calls for one recovered latent in use.
        train_steps: network calls for one recovered latent in a training step; as many as ``steps`` in the public
            code.  With fewer than 2 ln(sigma) calls the recovery overshoots.
        predict_draws: number of recoveries behind a prediction.
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
