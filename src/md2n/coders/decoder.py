"""Decoders D_k: a latent ``[L, D]`` back to the modality's own features ``[T_k, d_k]`` (Eq. 16)."""

import torch
from torch import nn

from md2n.modality import Modality
from md2n.nn.attention import Attention
from md2n.nn.embedding import sinusoidal
from md2n.shapes import Float, Tensor


class VectorDecoder(nn.Module):
    """L tokens to a vector."""

    def __init__(self, dim: int, tokens: int, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(tokens * width, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.skip = nn.Linear(tokens * width, dim, bias=False)

    def forward(self, latent: Float[Tensor, "batch token width"], time: int) -> Float[Tensor, "batch 1 dim"]:
        flat = latent.flatten(1)
        features: Tensor = self.layers(flat) + self.skip(flat)
        return features[:, None, :]


class SequenceDecoder(nn.Module):
    """One query per frame, from its place in the clip, attends to the L tokens; a linear map of all of them is added.

    The place is the frame's number, so a missing modality can be decoded to any length, and its unknown true length
    is never read.
    """

    def __init__(self, dim: int, tokens: int, width: int, hidden: int, heads: int = 4) -> None:
        super().__init__()
        self.inner = max(hidden // 2 // heads * heads, heads * 2)
        self.place = nn.Linear(self.inner, self.inner)
        self.whole = nn.Linear(tokens * width, self.inner)
        self.token_place = nn.Embedding(tokens, width)
        self.attention = Attention(self.inner, heads, source_width=width)
        self.layers = nn.Sequential(
            nn.LayerNorm(self.inner), nn.Linear(self.inner, hidden), nn.GELU(), nn.Linear(hidden, dim)
        )

    def forward(self, latent: Float[Tensor, "batch token width"], time: int) -> Float[Tensor, "batch _time dim"]:
        number = torch.arange(time, device=latent.device, dtype=latent.dtype)
        queries = self.place(sinusoidal(number, self.inner)).expand(len(latent), -1, -1)
        whole = self.whole(latent.flatten(1))[:, None]
        mixed = queries + whole + self.attention(queries, latent + self.token_place.weight)
        features: Tensor = self.layers(mixed)
        return features


def make_decoder(modality: Modality, tokens: int, width: int, hidden: int) -> VectorDecoder | SequenceDecoder:
    """D_k for one modality.

    Args:
        modality: its dim and whether it is a vector.
        tokens: L.
        width: D.
        hidden: inner width.
    """
    chosen = VectorDecoder if modality.is_vector else SequenceDecoder
    return chosen(modality.dim, tokens, width, hidden)


def gap_to(truth: Float[Tensor, "*shape"], decoded: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """``decoded - truth``, zero where the truth is unknown (NaN)."""
    return torch.where(truth.isnan(), 0.0, decoded - truth)
