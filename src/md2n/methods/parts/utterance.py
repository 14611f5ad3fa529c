"""Encoders of a modality to one vector ``[W]``: a recurrent network, convolutions over words, a perceptron for vectors.

They read valid frames only.  Invalid frames are removed first, so the frames around them become neighbours.
"""

import torch
from torch import nn

from md2n.modality import Modality
from md2n.shapes import Bool, Float, Tensor

KERNELS = (3, 4, 5)  # in words (Kim: Convolutional Neural Networks for Sentence Classification. EMNLP 2014)


class RecurrentEncoder(nn.Module):
    """An LSTM over the frames and the maximum of each unit over time."""

    def __init__(self, dim: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(dim, width, batch_first=True)

    def forward(
        self, x: Float[Tensor, "batch time dim"], frames: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch width"]:
        x, frames = compact(x, frames)
        # Padding follows the last frame, so it does not affect the states that are read.
        states, _ = self.lstm(self.dropout(x))
        return maximum_over_time(states, frames)


class WordEncoder(nn.Module):
    """Convolutions over 3, 4 and 5 words, the maximum of each channel over time, and one linear layer."""

    def __init__(self, dim: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, width, k, padding=k // 2) for k in KERNELS)
        self.out = nn.Sequential(nn.Linear(len(KERNELS) * width, width), nn.ReLU())

    def forward(
        self, x: Float[Tensor, "batch time dim"], frames: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch width"]:
        x, frames = compact(x, frames)
        words = self.dropout(x).transpose(1, 2)
        time = x.shape[1]
        maxima = [maximum_over_time(c(words)[..., :time].relu().transpose(1, 2), frames) for c in self.convolutions]
        embedding: Tensor = self.out(self.dropout(torch.cat(maxima, dim=1)))
        return embedding


class VectorEncoder(nn.Module):
    """A perceptron with two layers."""

    def __init__(self, dim: int, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(dim, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width)
        )

    def forward(self, x: Float[Tensor, "batch 1 dim"], frames: Bool[Tensor, "batch 1"]) -> Float[Tensor, "batch width"]:
        embedding: Tensor = self.layers(x[:, 0])
        return embedding


def make_utterance_encoder(
    modality: Modality, words: bool, width: int, dropout: float
) -> RecurrentEncoder | WordEncoder | VectorEncoder:
    """The encoder of one modality.

    Args:
        modality: gives dim and kind (vector or sequence).
        words: whether a sequence is encoded by convolutions instead of an LSTM.
        width: W.
        dropout: of the features.
    """
    if modality.is_vector:
        return VectorEncoder(modality.input_dim, width, dropout)
    return (WordEncoder if words else RecurrentEncoder)(modality.input_dim, width, dropout)


def compact(
    x: Float[Tensor, "batch time dim"], frames: Bool[Tensor, "batch time"]
) -> tuple[Float[Tensor, "batch longest dim"], Bool[Tensor, "batch longest"]]:
    """Moves the valid frames of every sample to its beginning, in order, followed by zeros; and the new flags."""
    count = frames.sum(dim=1, keepdim=True)
    longest = int(count.max().clamp(min=1))
    order = (~frames).long().argsort(dim=1, stable=True)[:, :longest]
    flags = torch.arange(longest, device=x.device) < count
    return torch.where(flags[..., None], x.gather(1, order[..., None].expand(-1, -1, x.shape[2])), 0.0), flags


def maximum_over_time(
    x: Float[Tensor, "batch time width"], frames: Bool[Tensor, "batch time"]
) -> Float[Tensor, "batch width"]:
    """The maximum over the valid frames; every sample has at least one."""
    return torch.where(frames[..., None], x, -torch.inf).amax(dim=1)
