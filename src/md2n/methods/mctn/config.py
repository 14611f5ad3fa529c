"""Settings of MCTN.  No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True)
class MCTNConfig:
    """MCTN.

    Args:
        hidden: width of every LSTM and of the tokens it reads.  The two directions of an encoder are summed.
        steps: largest number of positions in time at which a sequence is read and translated.
        tokens: number of positions that a vector is split into where no modality is a sequence.
        translate: weight of the squared error of the translation.
        cycle: weight of the squared error of the way back.
        second: weight of the squared error of the second translation.
        dropout: of the features and inside the head.
        head: loss and output of the prediction, as in ``FusionConfig``.
    """

    hidden: Annotated[int, Gt(0)] = 64
    steps: Annotated[int, Gt(0)] = 16
    tokens: Annotated[int, Gt(0)] = 4
    translate: Annotated[float, Ge(0)] = 0.1
    cycle: Annotated[float, Ge(0)] = 0.1
    second: Annotated[float, Ge(0)] = 0.1
    dropout: Annotated[float, Ge(0), Le(0.9)] = 0.3
    head: Literal["auto", "l1", "cross_entropy", "seven_class"] = "auto"
