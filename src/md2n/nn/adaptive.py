"""Transformer blocks steered by a context vector (a time, a condition): adaptive layer norm.

``norm(x) (1 + scale(c)) + shift(c)`` before attention and before feed-forward (Peebles and Xie 2023, Sec. 3.2).  Scale
and shift begin at zero, where the block is a plain pre-norm block that ignores the context.

A block attends once, to its own tokens and to those of a source together.  Two attentions, one to each, cost a third
more at 48 tokens and twice as much at 8, where what is paid is the call and not the arithmetic.
"""

import torch
import torch.nn.functional as F
from torch import nn

from md2n.nn.attention import FeedForward, KeysValues
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
    """Attention to oneself and to a source whose keys and values are given, then feed-forward; each added back.

    Args:
        width: residual width; the context has the same.
        heads: divides ``width``.
        dropout: in the feed-forward.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = AdaptiveNorm(width, width)
        self.own = nn.Linear(width, 3 * width)
        self.source = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.feed_norm = AdaptiveNorm(width, width)
        self.feed = FeedForward(width, dropout, factor=2)

    def keys_values(self, source: Float[Tensor, "batch key width"]) -> KeysValues:
        """Of the source, for any number of calls."""
        batch, length, _ = source.shape
        split = self.source(source).view(batch, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        return split[0], split[1]

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
            readable: True at keys of the source that may be read; a row without any reads itself alone.
        """
        batch, length, _ = x.shape
        own = self.own(self.attention_norm(x, context)).view(batch, length, 3, self.heads, -1)
        query, key, value = own.permute(2, 0, 3, 1, 4)
        key, value = torch.cat([key, source[0]], dim=2), torch.cat([value, source[1]], dim=2)
        allowed = F.pad(readable, (length, 0), value=True)[:, None, None, :]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        result: Tensor = x + self.feed(self.feed_norm(x, context))
        return result
