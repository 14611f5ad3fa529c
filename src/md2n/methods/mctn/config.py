"""Settings of MCTN.  No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True)
class MCTNConfig:
    """MCTN.

    Args:
        hidden: width of every LSTM, both directions of an encoder summed; also of the tokens they read.
        steps: most positions along time that a sequence is read and translated at.
        tokens: positions that a vector is split into where no modality is a sequence.
        translate: weight of the translation's squared error.
        cycle: weight of the squared error of the way back.
        second: weight of the second translation's squared error.
        dropout: on the features and in the head.
        head: as in ``FusionConfig``.
    """

    hidden: Annotated[int, Gt(0)] = 64
    steps: Annotated[int, Gt(0)] = 16
    tokens: Annotated[int, Gt(0)] = 4
    translate: Annotated[float, Ge(0)] = 0.1
    cycle: Annotated[float, Ge(0)] = 0.1
    second: Annotated[float, Ge(0)] = 0.1
    dropout: Annotated[float, Ge(0), Le(0.9)] = 0.3
    head: Literal["auto", "l1", "cross_entropy", "seven_class"] = "auto"
