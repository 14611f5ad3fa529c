"""Pre-norm Transformer blocks: self-attention, and cross-attention from one sequence to another."""

from torch import nn

from md2n.nn.attention import Attention, FeedForward
from md2n.shapes import Bool, Float, Tensor


class Block(nn.Module):
    """Attention then feed-forward, each on a normalised copy and added back.

    With ``source`` the attention goes to that sequence (a crossmodal block, Tsai et al. 2019, Sec. 3.2); without, to
    the queries themselves.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0, cross: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.source_norm = nn.LayerNorm(width) if cross else None
        self.attention = Attention(width, heads, dropout=dropout)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = FeedForward(width, dropout)

    def forward(
        self,
        x: Float[Tensor, "batch query width"],
        readable: Bool[Tensor, "batch key"] | None = None,
        source: Float[Tensor, "batch key width"] | None = None,
        first: int | None = None,
    ) -> Float[Tensor, "batch _first width"]:
        """The tokens after the block.

        Args:
            x: tokens.
            readable: flags the keys: of ``source`` where it is given, else of ``x``.
            source: what is attended to.
            first: how many tokens to give, from the first on; None for all.  The others are keys only.
        """
        queries, length = self.norm(x), x.shape[1]
        keys = queries if source is None or self.source_norm is None else self.source_norm(source)
        x = x[:, :first] + self.attention(queries[:, :first], keys, readable, length)
        result: Tensor = x + self.feed(self.feed_norm(x), length)
        return result


class Transformer(nn.Module):
    """``layers`` blocks and a closing norm; ``cross`` blocks all attend to the same source."""

    def __init__(self, width: int, heads: int, layers: int, dropout: float = 0.0, cross: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, dropout, cross) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        x: Float[Tensor, "batch query width"],
        readable: Bool[Tensor, "batch key"] | None = None,
        source: Float[Tensor, "batch key width"] | None = None,
        first: int | None = None,
    ) -> Float[Tensor, "batch _first width"]:
        """See ``Block``; the last block alone gives no more than the ``first`` tokens."""
        *blocks, last = self.blocks
        for block in blocks:
            x = block(x, readable, source)
        x = last(x, readable, source, first)
        result: Tensor = self.norm(x)
        return result
