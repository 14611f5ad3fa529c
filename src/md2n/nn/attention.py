"""Attention that reads only what it may: keys are flagged; a query with nothing to read gets zero."""

from typing import cast

import torch.nn.functional as F
from torch import nn

from md2n.shapes import Bool, Float, Tensor

KeysValues = tuple[Float[Tensor, "batch head key dim"], Float[Tensor, "batch head key dim"]]


def drop_first(
    dropout: nn.Dropout, x: Float[Tensor, "batch first width"], length: int | None
) -> Float[Tensor, "batch first width"]:
    """Drops of the first tokens of a sequence what ``dropout`` would drop of them in the whole sequence.

    So a model that reads only the first tokens trains as one that reads all of them.

    Args:
        dropout: in use it drops nothing.
        x: the first tokens.
        length: of the whole sequence; None where ``x`` is the whole.
    """
    if length in (None, x.shape[1]) or not dropout.training:
        whole: Tensor = dropout(x)
        return whole
    factor: Tensor = dropout(x.new_ones(len(x), length, x.shape[2]))
    return x * factor[:, : x.shape[1]]


class Attention(nn.Module):
    """Multi-head attention from ``queries`` to ``source``.

    Args:
        width: of the queries and of the result.
        heads: divides ``width``.
        source_width: of what is attended to; ``width`` if not given.
        dropout: on the result.
    """

    def __init__(self, width: int, heads: int, source_width: int | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(source_width or width, 2 * width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def keys_values(self, source: Float[Tensor, "batch key source_width"]) -> KeysValues:
        """Projected keys and values, computed once for a source that is attended to many times."""
        batch, length, _ = source.shape
        split = self.key_value(source).view(batch, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        return split[0], split[1]

    def attend(
        self,
        queries: Float[Tensor, "batch query width"],
        keys_values: KeysValues,
        readable: Bool[Tensor, "batch key"] | None = None,
        of: int | None = None,
    ) -> Float[Tensor, "batch query width"]:
        """Attention to keys and values from ``keys_values``.

        Args:
            queries: what asks.
            keys_values: of the source.
            readable: True at keys that may be read; all if not given.  A row without any gets zeros.
            of: length of the sequence whose first tokens ask (``drop_first``).
        """
        batch, count, width = queries.shape
        q = self.query(queries).view(batch, count, self.heads, -1).transpose(1, 2)
        k, v = keys_values
        if readable is None:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            # A row with nothing to read would be a softmax over nothing: NaN. Let it read everything, then drop it.
            some = readable.any(dim=1)
            allowed = readable | ~some[:, None]
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed[:, None, None, :])
        result = drop_first(self.dropout, self.out(mixed.transpose(1, 2).reshape(batch, count, width)), of)
        return result if readable is None else result * some[:, None, None]

    def forward(
        self,
        queries: Float[Tensor, "batch query width"],
        source: Float[Tensor, "batch key source_width"],
        readable: Bool[Tensor, "batch key"] | None = None,
        of: int | None = None,
    ) -> Float[Tensor, "batch query width"]:
        """Attention to a source as it is; unreadable keys must be finite, for zero weight times NaN is NaN."""
        return self.attend(queries, self.keys_values(source), readable, of)


class FeedForward(nn.Sequential):
    """Two linear maps with a GELU between them, four times as wide inside."""

    def __init__(self, width: int, dropout: float = 0.0, factor: int = 4) -> None:
        super().__init__(
            nn.Linear(width, factor * width), nn.GELU(), nn.Linear(factor * width, width), nn.Dropout(dropout)
        )

    def forward(
        self, x: Float[Tensor, "batch first width"], of: int | None = None
    ) -> Float[Tensor, "batch first width"]:
        """The two maps of every token; ``of``: length of the sequence whose first tokens they are (``drop_first``)."""
        widen, bend, narrow, dropout = self
        return drop_first(cast(nn.Dropout, dropout), narrow(bend(widen(x))), of)
