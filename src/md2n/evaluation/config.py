"""Settings of measuring a run; they shape no weights, so a run may be measured again under others."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt


@dataclass(frozen=True)
class EvaluationConfig:
    """How a run is measured where the command does not say.

    Args:
        protocols: ``fixed`` (every pattern in turn), ``random`` (missing rates 0 to 0.7), ``inside`` (single
            numbers hidden inside what is there); any of them.
        draws: number of draws that a prediction averages; 0 is the method's own number.
        recover_draws: number of draws of a recovery, for its mean and standard deviation; 0 is the method's own number.
        recover_steps: network calls of a recovery; 0 is the method's own number.
        seed: of the random protocol's masks and of every draw; the same for all methods and training seeds.
        batch_size: samples in a batch.
    """

    protocols: tuple[Literal["fixed", "random", "inside"], ...] = ("fixed",)
    draws: Annotated[int, Ge(0)] = 0
    recover_draws: Annotated[int, Ge(0)] = 0
    recover_steps: Annotated[int, Ge(0)] = 0
    seed: Annotated[int, Ge(0)] = 0
    batch_size: Annotated[int, Gt(0)] = 128
