"""The size of a Transformer, as settings.  No torch here, so that help is fast."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from md2n.errors import ConfigError


@dataclass(frozen=True)
class TransformerConfig:
    """Size of a Transformer.

    Args:
        layers: number of blocks.
        heads: attention heads; must divide ``width``.
        width: width of the residual stream.
        dropout: of attention and feed-forward layers.
    """

    layers: Annotated[int, Gt(0)] = 2
    heads: Annotated[int, Gt(0)] = 4
    width: Annotated[int, Gt(0)] = 64
    dropout: Annotated[float, Ge(0), Le(0.9)] = 0.2

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"{self.heads} heads do not divide width {self.width}", "choose a divisor of the width")
