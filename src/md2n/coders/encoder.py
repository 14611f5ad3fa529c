"""Encoders E_k: features ``[T_k, d_k]`` of one modality, with validity, to a latent ``[L, D]``, normalised per token.

Three ways in, one way out:

- a *vector* (T_k = 1) is split into L tokens by a two-layer perceptron;
- *query*: L learned queries attend to the frames, so any length, alignment and gap is served;
- *convolution*: kernel 3 along time as in the paper's peers, then resampled to L positions.

Each ends in a parameter-free layer norm over the width: every token has zero mean and unit scale, so the noise
schedule means the same for every modality and cannot be escaped by shrinking the latent.
"""

import torch
import torch.nn.functional as F
from torch import nn

from md2n.modality import Modality
from md2n.nn.attention import Attention, FeedForward
from md2n.nn.embedding import PositionEmbedding
from md2n.shapes import Bool, Float, Tensor


def unit_tokens(x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
    """Zero mean and unit scale over the width of every token."""
    return F.layer_norm(x, x.shape[-1:])


class VectorEncoder(nn.Module):
    """A vector to L tokens."""

    def __init__(self, dim: int, tokens: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.tokens = tokens
        self.layers = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(dim, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, tokens * width),
        )

    def forward(
        self, x: Float[Tensor, "batch 1 dim"], valid: Bool[Tensor, "batch 1"]
    ) -> Float[Tensor, "batch token width"]:
        tokens: Tensor = self.layers(x[:, 0]).unflatten(1, (self.tokens, -1))
        return unit_tokens(tokens)


class QueryEncoder(nn.Module):
    """L learned queries attend to the valid frames (with their positions), then a feed-forward."""

    def __init__(self, dim: int, tokens: int, width: int, hidden: int, dropout: float, heads: int = 4) -> None:
        super().__init__()
        inner = max(hidden // heads * heads, heads)
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(dim, inner)
        self.position = PositionEmbedding(inner)
        self.mix = nn.Conv1d(inner, inner, 3, padding=1, groups=inner)
        self.norm = nn.LayerNorm(inner)
        self.queries = nn.Parameter(torch.randn(tokens, inner) * 0.5)
        self.attention = Attention(inner, heads, dropout=dropout)
        self.feed_norm = nn.LayerNorm(inner)
        self.feed = FeedForward(inner, dropout, factor=2)
        self.out = nn.Linear(inner, width)

    def forward(
        self, x: Float[Tensor, "batch time dim"], valid: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch token width"]:
        frames = self.project(self.dropout(x)) * valid[..., None]
        frames = frames + F.gelu(self.mix(frames.transpose(1, 2))).transpose(1, 2) * valid[..., None]
        frames = self.norm(self.position(frames))
        queries = self.queries.expand(len(x), -1, -1)
        tokens = queries + self.attention(queries, frames, valid)
        tokens = tokens + self.feed(self.feed_norm(tokens))
        return unit_tokens(self.out(tokens))


class ConvolutionEncoder(nn.Module):
    """A convolution along time, as in MulT, DiCMoR and IMDer; then each of L positions averages its stretch of time.

    The peers cut or pad every sequence to one length and convolve over it.  Here position l is the time
    ``[l T / L, (l + 1) T / L)``, T the longest length in the data: the identity where T = L.  A stretch without a valid
    frame gives a token of zeros.
    """

    def __init__(self, dim: int, length: int, tokens: int, width: int, dropout: float) -> None:
        super().__init__()
        self.length, self.tokens = length, tokens
        self.dropout = nn.Dropout(dropout)
        self.convolution = nn.Conv1d(dim, width, 3, padding=1, bias=False)

    def forward(
        self, x: Float[Tensor, "batch time dim"], valid: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch token width"]:
        frames = self.convolution(self.dropout(x * valid[..., None]).transpose(1, 2)).transpose(1, 2)
        return unit_tokens(stretches(valid, self.length, self.tokens).to(frames.dtype) @ frames)


def stretches(valid: Bool[Tensor, "batch time"], length: int, tokens: int) -> Float[Tensor, "batch token time"]:
    """Weights that average the valid frames inside each of ``tokens`` equal stretches of ``[0, length)``.

    A row sums to one, or to zero where its stretch holds no valid frame.  Frames past ``length`` belong to the last
    stretch.  Where ``tokens`` exceeds ``length`` several positions share a frame.
    """
    frame = torch.arange(valid.shape[1], device=valid.device, dtype=torch.float32).clamp(max=length - 1)
    edge = torch.arange(tokens, device=valid.device, dtype=torch.float32)[:, None] * length / tokens
    overlap = (torch.minimum(frame + 1, edge + length / tokens) - torch.maximum(frame, edge)).clamp(min=0)
    weights = overlap[None] * valid[:, None, :]
    return weights / weights.sum(dim=2, keepdim=True).clamp(min=1e-6)


class LinearEncoder(nn.Module):
    """No E_k (Table 4): frames averaged into L stretches and mapped linearly to the width."""

    def __init__(self, dim: int, length: int, tokens: int, width: int) -> None:
        super().__init__()
        self.length, self.tokens = length, tokens
        self.project = nn.Linear(dim, width, bias=False)

    def forward(
        self, x: Float[Tensor, "batch time dim"], valid: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch token width"]:
        frames = stretches(valid, self.length, self.tokens).to(x.dtype) @ (x * valid[..., None])
        return unit_tokens(self.project(frames))


def make_encoder(
    modality: Modality, kind: str, tokens: int, width: int, hidden: int, dropout: float
) -> VectorEncoder | QueryEncoder | ConvolutionEncoder | LinearEncoder:
    """E_k for one modality.

    Args:
        modality: its dim and whether it is a vector.
        kind: ``auto``, ``convolution``, ``query`` or ``linear``; vectors are split into tokens unless ``linear``.
        tokens: L.
        width: D.
        hidden: inner width.
        dropout: on the features.

    Paper: Sec. 3.3.
    """
    if kind == "linear":
        return LinearEncoder(modality.input_dim, modality.length, tokens, width)
    if modality.is_vector:
        return VectorEncoder(modality.input_dim, tokens, width, hidden, dropout)
    if kind == "convolution":
        return ConvolutionEncoder(modality.input_dim, modality.length, tokens, width, dropout)
    return QueryEncoder(modality.input_dim, tokens, width, hidden, dropout)
