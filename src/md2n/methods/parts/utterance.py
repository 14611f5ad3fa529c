"""Encoders of a whole modality to one vector ``[W]``: by a recurrent network, by convolution over words, of a vector.

They read valid frames only, closed up: where a sequence holds invalid frames, the ones around them become neighbours.
"""

import torch
from torch import nn

from md2n.modality import Modality
from md2n.shapes import Bool, Float, Tensor

KERNELS = (3, 4, 5)  # words at once (Kim: Convolutional Neural Networks for Sentence Classification. EMNLP 2014)


class RecurrentEncoder(nn.Module):
    """An LSTM over the frames, the largest value of each unit over time."""

    def __init__(self, dim: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(dim, width, batch_first=True)

    def forward(
        self, x: Float[Tensor, "batch time dim"], frames: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch width"]:
        x, frames = closed_up(x, frames)
        # Padding stands after the last frame, so nothing that is read has seen it.
        states, _ = self.lstm(self.dropout(x))
        return largest(states, frames)


class WordEncoder(nn.Module):
    """Convolutions over 3, 4 and 5 words, the largest value of each channel over time, one layer."""

    def __init__(self, dim: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, width, k, padding=k // 2) for k in KERNELS)
        self.out = nn.Sequential(nn.Linear(len(KERNELS) * width, width), nn.ReLU())

    def forward(
        self, x: Float[Tensor, "batch time dim"], frames: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch width"]:
        x, frames = closed_up(x, frames)
        words = self.dropout(x).transpose(1, 2)
        time = x.shape[1]
        maxima = [largest(c(words)[..., :time].relu().transpose(1, 2), frames) for c in self.convolutions]
        embedding: Tensor = self.out(self.dropout(torch.cat(maxima, dim=1)))
        return embedding


class VectorEncoder(nn.Module):
    """A perceptron of two layers."""

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
        modality: its dim and whether it is a vector.
        words: True convolves over a sequence's frames instead of running through them.
        width: W.
        dropout: on the features.
    """
    if modality.is_vector:
        return VectorEncoder(modality.input_dim, width, dropout)
    return (WordEncoder if words else RecurrentEncoder)(modality.input_dim, width, dropout)


def closed_up(
    x: Float[Tensor, "batch time dim"], frames: Bool[Tensor, "batch time"]
) -> tuple[Float[Tensor, "batch longest dim"], Bool[Tensor, "batch longest"]]:
    """The flagged frames of every sample at its beginning, in their order, zeros after them; and which they are."""
    count = frames.sum(dim=1, keepdim=True)
    longest = int(count.max().clamp(min=1))
    order = (~frames).long().argsort(dim=1, stable=True)[:, :longest]
    flags = torch.arange(longest, device=x.device) < count
    return torch.where(flags[..., None], x.gather(1, order[..., None].expand(-1, -1, x.shape[2])), 0.0), flags


def largest(x: Float[Tensor, "batch time width"], frames: Bool[Tensor, "batch time"]) -> Float[Tensor, "batch width"]:
    """The largest value over the flagged frames, of which every sample has one."""
    return torch.where(frames[..., None], x, -torch.inf).amax(dim=1)
