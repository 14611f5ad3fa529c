"""Modalities at a few positions in time: the inputs and outputs of recurrent networks and Transformers.

The longest length in the data is divided into S equal intervals.  A position of a sequence is the mean of the valid
frames in one interval; if the longest length is at most S, each frame is a position.  A vector has one position as a
target.  As a source it is split into several.
"""

import torch
import torch.nn.functional as F
from torch import nn

from md2n.batch import SequenceBatch
from md2n.coders.decoder import gap_to
from md2n.coders.encoder import VectorEncoder, stretches
from md2n.modality import Modality
from md2n.shapes import Bool, Float, Int, Tensor

HIDDEN = 128  # width of the perceptron that splits a vector


def position_count(modality: Modality, limit: int) -> int:
    """Number of positions of a translated modality: its frames, at most ``limit``; one for a vector."""
    return min(modality.length, limit)


def at_positions(
    x: Float[Tensor, "batch time dim"], frames: Bool[Tensor, "batch time"], length: int, positions: int
) -> tuple[Float[Tensor, "batch _position dim"], Bool[Tensor, "batch _position"]]:
    """Means over the valid frames of each of ``positions`` equal intervals of ``[0, length)``.

    Args:
        x: finite everywhere.
        frames: True for valid frames.
        length: longest length in the data.
        positions: number of intervals; frames are repeated if it exceeds ``length``.

    Returns:
        The means, zero for an interval without a valid frame; and True for each interval that has one.
    """
    weights = stretches(frames, length, positions).to(x.dtype)
    return weights @ x, weights.any(dim=2)


def truth_at_positions(
    batch: SequenceBatch, modality: Modality, positions: int
) -> tuple[Float[Tensor, "batch _position dim"], Bool[Tensor, "batch _position"]]:
    """Everything in the data of one modality, at its positions, NaN for unknown features.  For losses only."""
    complete = batch.complete()
    x, frames = complete.readable(modality.name), complete.frames(modality.name)
    if modality.name not in batch.cells:
        return at_positions(x, frames, modality.length, positions)
    weights = stretches(frames, modality.length, positions).to(x.dtype)
    share = weights @ complete.known(modality.name).to(x.dtype)
    return torch.where(share > 0, weights @ x / share, torch.nan), weights.any(dim=2)


def over_frames(x: Float[Tensor, "batch position dim"], length: int, time: int) -> Float[Tensor, "batch _time dim"]:
    """The inverse of ``at_positions``: each of ``time`` frames gets the position of the interval in which it begins."""
    frame = torch.arange(time, device=x.device).clamp(max=length - 1)
    return x[:, frame * x.shape[1] // length]


class PositionEncoder(nn.Module):
    """Encodes the features of one modality as one token per position.

    Args:
        modality: gives dim and length.
        positions: number of tokens; a vector is split into as many.
        width: width of a token.
        dropout: of the features.
    """

    def __init__(self, modality: Modality, positions: int, width: int, dropout: float) -> None:
        super().__init__()
        self.modality, self.positions = modality, positions
        self.split = (
            VectorEncoder(modality.input_dim, positions, width, HIDDEN, dropout) if modality.is_vector else None
        )
        self.frames = (
            None if modality.is_vector else nn.Sequential(nn.Dropout(dropout), nn.Linear(modality.input_dim, width))
        )

    def forward(
        self, x: Float[Tensor, "batch time dim"], frames: Bool[Tensor, "batch time"]
    ) -> tuple[Float[Tensor, "batch token width"], Bool[Tensor, "batch token"]]:
        """Tokens of the valid frames, and which tokens have a valid frame."""
        if self.split is not None:
            return self.split(x, frames), frames.expand(-1, self.positions)
        assert self.frames is not None
        features, readable = at_positions(x, frames, self.modality.length, self.positions)
        return self.frames(features), readable

    def encode_translation(self, x: Float[Tensor, "batch position dim"]) -> Float[Tensor, "batch token width"]:
        """Tokens of a translation, whose features are already at positions; all positions are valid."""
        x = F.pad(x, (0, self.modality.input_dim - self.modality.dim))
        if self.split is not None:
            tokens: Tensor = self.split(x, torch.ones_like(x[..., 0], dtype=torch.bool))
            return tokens
        assert self.frames is not None
        tokens = self.frames(over_frames(x, self.positions, self.positions))
        return tokens  # noqa: RET504 - named for its type


def mean_square(
    features: Float[Tensor, "batch position dim"],
    truth: Float[Tensor, "batch position dim"],
    where: Bool[Tensor, "batch position"],
) -> tuple[Float[Tensor, ""], Int[Tensor, ""]]:
    """The squared error, a mean over features and a sum over the flagged positions; and the number of these positions.

    The error of a feature with unknown truth (NaN) is zero.
    """
    return (gap_to(truth, features).square().mean(dim=2) * where).sum(), where.sum()
