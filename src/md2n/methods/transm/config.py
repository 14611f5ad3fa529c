"""Settings of TransM.  No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from md2n.errors import ConfigError


@dataclass(frozen=True)
class TransMConfig:
    """TransM.

    Args:
        width: residual width of every Transformer.
        layers: blocks of every encoder and of every decoder.
        heads: attention heads; divides ``width``.
        steps: largest number of positions in time at which a sequence is read and translated.
        tokens: number of positions that a vector is split into.
        translation: weight of the squared errors of the translations in both directions.
        dropout: of the features and inside the head; the Transformers have a third of it.
        head: loss and output of the prediction, as in ``FusionConfig``.
    """

    width: Annotated[int, Gt(0)] = 32
    layers: Annotated[int, Gt(0)] = 2
    heads: Annotated[int, Gt(0)] = 8
    steps: Annotated[int, Gt(0)] = 16
    tokens: Annotated[int, Gt(0)] = 4
    translation: Annotated[float, Ge(0)] = 0.1
    dropout: Annotated[float, Ge(0), Le(0.9)] = 0.3
    head: Literal["auto", "l1", "cross_entropy", "seven_class"] = "auto"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"{self.heads} heads do not divide width {self.width}", "choose a divisor of the width")
