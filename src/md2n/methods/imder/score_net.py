r"""The score network of IMDer: a 1-D U-Net over the positions of a latent, with cross-attention to the condition.

Every level but the first halves the number of positions; the ascending path restores it.  Skip connections concatenate
the outputs of the descending path.  After every convolution but the last follow a bias that depends on the time,
cross-attention to the condition at that level, group norm and swish.  The condition has convolutions of its own.  The
time is encoded by random Fourier features ``sin(2 pi w t), cos(2 pi w t)`` with fixed ``w ~ N(0, 30^2)``.  The output
is divided by std(t), so that it has the scale of a score.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from md2n.methods.imder.config import ScoreNetConfig
from md2n.methods.imder.variance_exploding import VarianceExploding
from md2n.nn.attention import Attention, FeedForward
from md2n.shapes import Float, Tensor

FOURIER_SCALE = 30.0
GROUP = 4  # minimum number of channels in a group of the norm
GROUPS = 32  # maximum number of groups of the norm

KeysValues = tuple[Tensor, Tensor]
Encoded = list[list[KeysValues]]  # keys and values of the condition, per level and attention layer


class ConditionAttention(nn.Module):
    """Residual layers of attention from the positions of a level to those of the condition, each with a feed-forward.

    Embeddings of positions are learned; in the public code they are sinusoids.

    Args:
        channels: number of channels of the level.
        positions: number of positions of the level.
        layers: number of layers.
        heads: number of attention heads.
    """

    def __init__(self, channels: int, positions: int, layers: int, heads: int) -> None:
        super().__init__()
        self.place = nn.Parameter(0.1 * torch.randn(positions, channels))
        self.source_place = nn.Parameter(0.1 * torch.randn(positions, channels))
        self.source_norm = nn.LayerNorm(channels)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(layers))
        self.attentions = nn.ModuleList(Attention(channels, heads) for _ in range(layers))
        self.feeds = nn.ModuleList(nn.Sequential(nn.LayerNorm(channels), FeedForward(channels)) for _ in range(layers))

    def keys_values(self, source: Tensor) -> list[KeysValues]:
        """Keys and values of the condition ``[row, channel, position]`` for every layer."""
        tokens = self.source_norm(source.transpose(1, 2) + self.source_place)
        return [attention.keys_values(tokens) for attention in self.attentions]  # type: ignore[operator]

    def forward(self, x: Tensor, source: list[KeysValues]) -> Tensor:
        """The output ``[row, channel, position]``, in the shape of ``x``."""
        tokens = x.transpose(1, 2) + self.place
        for norm, attention, feed, keys_values in zip(self.norms, self.attentions, self.feeds, source):
            tokens = tokens + attention.attend(norm(tokens), keys_values)  # type: ignore[operator]
            tokens = tokens + feed(tokens)
        output: Tensor = tokens.transpose(1, 2)
        return output


class Level(nn.Module):
    """The layers after a convolution: bias that depends on the time, cross-attention, group norm, swish."""

    def __init__(self, channels: int, positions: int, config: ScoreNetConfig) -> None:
        super().__init__()
        self.time = nn.Linear(config.features, channels)
        self.attention = ConditionAttention(channels, positions, config.layers, config.heads)
        self.norm = group_norm(channels)

    def forward(self, x: Tensor, time: Tensor, source: list[KeysValues]) -> Tensor:
        return F.silu(self.norm(self.attention(x + self.time(time)[..., None], source)))


class ScoreNet(nn.Module):
    """Estimates the score of a noisy latent given a condition.

    Args:
        width: D.
        positions: L.
        config: sizes.
        process: defines std(t).
    """

    frequencies: Tensor

    def __init__(self, width: int, positions: int, config: ScoreNetConfig, process: VarianceExploding) -> None:
        super().__init__()
        self.process = process
        self.register_buffer("frequencies", FOURIER_SCALE * torch.randn(config.features // 2))
        self.time = nn.Sequential(nn.Linear(config.features, config.features), nn.SiLU())
        channels = config.channels
        lengths = [positions]
        for _ in channels[1:]:
            lengths.append((lengths[-1] + 1) // 2)
        self.down = convolutions(width, channels)
        self.down_levels = nn.ModuleList(Level(c, n, config) for c, n in zip(channels, lengths))
        self.condition = convolutions(width, channels)
        self.condition_norms = nn.ModuleList(group_norm(c) for c in channels)
        # From the last level to the first; each input but the first is concatenated with the skip connection.
        ascending = channels[::-1]
        self.up = nn.ModuleList(
            nn.ConvTranspose1d(before if i == 0 else 2 * before, after, 3, stride=2, padding=1, bias=False)
            for i, (before, after) in enumerate(pairwise(ascending))
        )
        self.up_levels = nn.ModuleList(Level(c, n, config) for c, n in zip(ascending[1:], lengths[-2::-1]))
        entering = channels[0] if len(channels) == 1 else 2 * channels[0]
        self.leave = nn.ConvTranspose1d(entering, width, 3, padding=1)

    def encode(self, condition: Float[Tensor, "row width position"]) -> Encoded:
        """Keys and values of the condition, first for the descending, then for the ascending path."""
        sources, x = [], condition
        for convolution, norm in zip(self.condition, self.condition_norms):
            x = F.silu(norm(convolution(x)))
            sources.append(x)
        levels = [*self.down_levels, *self.up_levels]
        return [level.attention.keys_values(s) for level, s in zip(levels, sources + sources[-2::-1])]

    def forward(
        self, x: Float[Tensor, "row width position"], t: Float[Tensor, " time"], encoded: Encoded
    ) -> Float[Tensor, "row width position"]:
        """The score.

        Args:
            x: noisy latents.
            t: one time for all rows, or one per row.
            encoded: result of ``encode`` for the condition.
        """
        angle = 2 * math.pi * t[:, None] * self.frequencies
        time = self.time(torch.cat([angle.sin(), angle.cos()], dim=1))
        depth, skips = len(self.down), []
        h = x
        for convolution, level, source in zip(self.down, self.down_levels, encoded):
            h = level(convolution(h), time, source)
            skips.append(h)
        for i, (convolution, level, source) in enumerate(zip(self.up, self.up_levels, encoded[depth:])):
            skip = skips[depth - 2 - i]
            h = level(convolution(h, output_size=[skip.shape[2]]), time, source)
            h = torch.cat([h, skip], dim=1)
        score: Tensor = self.leave(h) / self.process.std(t)[:, None, None]
        return score


def convolutions(width: int, channels: tuple[int, ...]) -> nn.ModuleList:
    """The convolutions of the descending path, with kernel 3.

    The first keeps the number of positions, the others halve it, rounded up.
    """
    return nn.ModuleList(
        nn.Conv1d(before, after, 3, stride=1 if i == 0 else 2, padding=1, bias=False)
        for i, (before, after) in enumerate(pairwise((width, *channels)))
    )


def group_norm(channels: int) -> nn.GroupNorm:
    """Group norm with at most 32 groups of at least four channels."""
    groups = max(g for g in range(1, GROUPS + 1) if channels % g == 0 and (channels // g >= GROUP or g == 1))
    return nn.GroupNorm(groups, channels)
