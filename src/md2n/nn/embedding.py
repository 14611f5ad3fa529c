"""Positions and times as vectors."""

import math

import torch
from torch import nn

from md2n.shapes import Float, Tensor


def sinusoidal(position: Float[Tensor, "*batch"], width: int, period: float = 10_000.0) -> Float[Tensor, "*batch w"]:
    """Sines and cosines of a real position at geometrically spaced frequencies.

    Args:
        position: any real number (a frame index, a diffusion step).
        width: even; the first half are sines.
        period: the longest wavelength is ``2 pi period``.
    """
    half = width // 2
    frequency = torch.exp(-math.log(period) * torch.arange(half, device=position.device) / half).to(position.dtype)
    angle = position[..., None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class PositionEmbedding(nn.Module):
    """Sinusoidal positions with a learned gain, added to ``[batch, time, width]`` of any length.

    Sinusoidal rather than learned, so that a sequence longer than any seen in training is still well placed.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.gain = nn.Parameter(torch.full((), 0.5))

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        position = torch.arange(x.shape[1], device=x.device, dtype=x.dtype)
        return x + self.gain * sinusoidal(position, self.width)
