"""The refiner of DiCMoR and IMDer: a residual group of channel-attention blocks over a recovered latent.

A 1x1 convolution doubles the channels.  A residual group follows: ``blocks`` blocks and a convolution, whose output is
added to their input.  A second 1x1 convolution restores the number of channels.  A block is (Zhang et al. 2018, *RCAN*,
Eq. 9-13)

    x + s(u) u,     u = conv(relu(conv(x))),     s(u) = sigmoid(W_2 relu(W_1 mean_position(u)))
"""

import torch
from torch import nn

from md2n.shapes import Float, Tensor

REDUCTION = 16  # factor by which W_1 reduces the channels, as in RCAN


class ChannelAttention(nn.Module):
    """Scales every channel by a number in (0, 1), computed from the means of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // REDUCTION)
        self.gate = nn.Sequential(nn.Linear(channels, inner), nn.ReLU(), nn.Linear(inner, channels), nn.Sigmoid())

    def forward(self, x: Float[Tensor, "row channel position"]) -> Float[Tensor, "row channel position"]:
        scaled: Tensor = x * self.gate(x.mean(dim=2))[..., None]
        return scaled


class AttentionBlock(nn.Module):
    """Two convolutions and channel attention with a residual connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(channels, channels, 3, padding=1),
            ChannelAttention(channels),
        )

    def forward(self, x: Float[Tensor, "row channel position"]) -> Float[Tensor, "row channel position"]:
        added: Tensor = x + self.body(x)
        return added


class Refiner(nn.Module):
    """Maps a recovered latent to the latent that fusion reads.

    Args:
        width: D, the channels of a latent.
        blocks: number of blocks in the residual group.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(width, 2 * width, 1)
        self.group = nn.Sequential(
            *(AttentionBlock(2 * width) for _ in range(blocks)), nn.Conv1d(2 * width, 2 * width, 3, padding=1)
        )
        self.leave = nn.Conv1d(2 * width, width, 1)

    def forward(self, latent: Float[Tensor, "row token width"]) -> Float[Tensor, "row token width"]:
        hidden = self.enter(latent.transpose(1, 2))
        refined: Tensor = self.leave(hidden + self.group(hidden)).transpose(1, 2)
        return refined


def refine_missing(
    refiners: nn.ModuleList,
    latents: Float[Tensor, "row modality token width"],
    missing: Tensor,
) -> Float[Tensor, "row modality token width"]:
    """Applies the refiner of each modality to its missing latents; the other latents are unchanged."""
    columns = list(latents.unbind(dim=1))
    for k, refiner in enumerate(refiners):
        rows = missing[:, k].nonzero()[:, 0]
        if len(rows):
            columns[k] = columns[k].index_copy(0, rows, refiner(columns[k][rows]).to(latents.dtype))
    return torch.stack(columns, dim=1)
