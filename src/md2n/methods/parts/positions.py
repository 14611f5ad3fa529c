"""Modalities at a few positions: what recurrent networks and Transformers run over, and what they translate to.

A sequence is read at S equal stretches of the longest length in the data, each the mean of its valid frames; where it
is no longer than S, frames are positions.  A vector is one position as a target, and split into several as a source.
"""

import torch
import torch.nn.functional as F
from torch import nn

from md2n.batch import SequenceBatch
from md2n.coders.decoder import gap_to
from md2n.coders.encoder import VectorEncoder, stretches
from md2n.modality import Modality
from md2n.shapes import Bool, Float, Int, Tensor

HIDDEN = 128  # of the perceptron that splits a vector


def steps_of(modality: Modality, most: int) -> int:
    """Positions that a modality is translated at: its frames, at most ``most``; one for a vector."""
    return min(modality.length, most)


def at_positions(
    x: Float[Tensor, "batch time dim"], frames: Bool[Tensor, "batch time"], length: int, positions: int
) -> tuple[Float[Tensor, "batch _position dim"], Bool[Tensor, "batch _position"]]:
    """Means over the flagged frames of each stretch of ``[0, length)``, zeros where it has none; and where it has some.

    Args:
        x: zeros (or anything finite) at frames that are not flagged.
        frames: which count.
        length: the longest in the data.
        positions: how many; more than ``length`` repeats frames.
    """
    weights = stretches(frames, length, positions).to(x.dtype)
    return weights @ x, weights.any(dim=2)


def truth_at_positions(
    batch: SequenceBatch, modality: Modality, positions: int
) -> tuple[Float[Tensor, "batch _position dim"], Bool[Tensor, "batch _position"]]:
    """What the data hold of a modality, at its positions, NaN at unknown features: for losses only."""
    whole = batch.complete()
    x, frames = whole.readable(modality.name), whole.frames(modality.name)
    if modality.name not in batch.cells:
        return at_positions(x, frames, modality.length, positions)
    weights = stretches(frames, modality.length, positions).to(x.dtype)
    share = weights @ whole.known(modality.name).to(x.dtype)
    return torch.where(share > 0, weights @ x / share, torch.nan), weights.any(dim=2)


def over_frames(x: Float[Tensor, "batch position dim"], length: int, time: int) -> Float[Tensor, "batch _time dim"]:
    """The way back: each of ``time`` frames gets the position whose stretch of ``[0, length)`` it begins in."""
    frame = torch.arange(time, device=x.device).clamp(max=length - 1)
    return x[:, frame * x.shape[1] // length]


class PositionEncoder(nn.Module):
    """Features of one modality at its positions, to tokens that a network reads.

    Args:
        modality: its dim and length.
        positions: tokens; a vector is split into as many.
        width: of a token.
        dropout: on the features.
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
        """Tokens of what is flagged, and which of them stand for something."""
        if self.split is not None:
            return self.split(x, frames), frames.expand(-1, self.positions)
        assert self.frames is not None
        features, some = at_positions(x, frames, self.modality.length, self.positions)
        return self.frames(features), some

    def again(self, x: Float[Tensor, "batch position dim"]) -> Float[Tensor, "batch token width"]:
        """Tokens of features that already stand at positions: of a translation, which is whole always."""
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
    """Sum over the flagged positions of the mean over features of the squared error; and how many they are.

    A feature whose truth is unknown (NaN) is no error.
    """
    return (gap_to(truth, features).square().mean(dim=2) * where).sum(), where.sum()
