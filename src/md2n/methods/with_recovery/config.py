"""Settings of a method with another method's recovery.  No torch here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Gt, Lt


@dataclass(frozen=True)
class WithRecoveryConfig:
    """Which method sees filled samples, and which one fills them.

    Args:
        method: name of the method that predicts.
        recovery: name of the method that fills what is missing.
        method_settings: what differs from the defaults of ``method``.
        recovery_settings: what differs from the defaults of ``recovery``; a calibration after training is left out,
            for training must see what use will see.
        share: of the epochs, those that train the recovery; the others train the method.
        unfilled: weight of the method's own loss on samples with something missing, relative to its loss on filled
            ones.  With 0 the method sees filled samples alone, and what it does about missing ones is not trained.
        steps: network calls of a recovery.
        frames: of a recovered sequence, at most the longest in the data.
    """

    method: str = "mctn"
    recovery: str = "md2n"
    method_settings: Mapping[str, Any] = field(default_factory=dict)
    recovery_settings: Mapping[str, Any] = field(default_factory=dict)
    share: Annotated[float, Gt(0), Lt(1)] = 0.5
    unfilled: Annotated[float, Ge(0)] = 1.0
    steps: Annotated[int, Gt(0)] = 1
    frames: Annotated[int, Gt(0)] = 16
