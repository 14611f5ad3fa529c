"""Settings of GCNet.  No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True)
class GCNetConfig:
    """GCNet.

    Args:
        hidden: width of each direction of the LSTMs, and of the graph's layers.
        window: how many places before and after an utterance its neighbours may stand.
        reconstruction: weight of the squared error of what is missing, reconstructed.
        dropout: on the features, between the LSTMs' layers and in the head.
        head: as in ``FusionConfig``.
    """

    hidden: Annotated[int, Gt(0)] = 100
    window: Annotated[int, Gt(0)] = 2
    reconstruction: Annotated[float, Ge(0)] = 1.0
    dropout: Annotated[float, Ge(0), Le(0.9)] = 0.3
    head: Literal["auto", "l1", "cross_entropy", "seven_class"] = "auto"
