"""Transformer blocks steered by a context vector (a time, a condition): adaptive layer norm.

``norm(x) (1 + scale(c)) + shift(c)`` before attention to oneself, attention to a source and feed-forward (Peebles and
Xie 2023, Sec. 3.2).  Scale and shift begin at zero, where the block is a plain pre-norm block that ignores the context.
"""

import torch.nn.functional as F
from torch import nn

from md2n.nn.attention import Attention, FeedForward, KeysValues
from md2n.shapes import Bool, Float, Tensor


class AdaptiveNorm(nn.Module):
    """Layer norm whose scale and shift are a linear function of the context."""

    def __init__(self, width: int, context_width: int) -> None:
        super().__init__()
        self.steer = nn.Linear(context_width, 2 * width)
        nn.init.zeros_(self.steer.weight)
        nn.init.zeros_(self.steer.bias)

    def forward(
        self, x: Float[Tensor, "batch token width"], context: Float[Tensor, "batch context"]
    ) -> Float[Tensor, "batch token width"]:
        scale, shift = self.steer(context)[:, None, :].chunk(2, dim=-1)
        steered: Tensor = F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift
        return steered


class AdaptiveBlock(nn.Module):
    """Attention to oneself, attention to a source whose keys and values are given, feed-forward; each added back.

    Args:
        width: residual width; the context has the same.
        heads: divides ``width``.
        dropout: on attention and feed-forward.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.self_norm = AdaptiveNorm(width, width)
        self.self_attention = Attention(width, heads, dropout=dropout)
        self.cross_norm = AdaptiveNorm(width, width)
        self.cross_attention = Attention(width, heads, dropout=dropout)
        self.feed_norm = AdaptiveNorm(width, width)
        self.feed = FeedForward(width, dropout)

    def keys_values(self, source: Float[Tensor, "batch key width"]) -> KeysValues:
        """Of the source, for any number of calls."""
        return self.cross_attention.keys_values(source)

    def forward(
        self,
        x: Float[Tensor, "batch token width"],
        context: Float[Tensor, "batch width"],
        source: KeysValues,
        readable: Bool[Tensor, "batch key"],
    ) -> Float[Tensor, "batch token width"]:
        """The block's output.

        Args:
            x: tokens.
            context: steers the norms.
            source: ``keys_values`` of what is attended to.
            readable: True at keys that may be read; a row without any is moved by itself alone.
        """
        own = self.self_norm(x, context)
        x = x + self.self_attention(own, own)
        x = x + self.cross_attention.attend(self.cross_norm(x, context), source, readable)
        result: Tensor = x + self.feed(self.feed_norm(x, context))
        return result
