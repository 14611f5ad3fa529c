"""What a predictor requires: a method that recovers, counts of 1 or more, answers that are numbers."""

import numpy as np

from md2n.data.samples import Array
from md2n.errors import DivergenceError, UsageError
from md2n.methods.base import MultimodalModel, Recovers


def require_finite(what: str, values: Array, ids: Array) -> Array:
    """The values, where all are numbers.

    Args:
        what: they are, for the message.
        values: ``[N, ...]``, one or more per sample.
        ids: ``[N]`` of the samples.

    Raises:
        DivergenceError: naming the first sample with another value.
    """
    wrong = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if len(wrong):
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise DivergenceError(
            f"{what} of sample '{ids[wrong[0]]}'{more} is not a finite number",
            "look for values of it that are far out of the ordinary; where there are none, train again",
        )
    return values


def require_positive(what: str, number: int | None) -> None:
    """Refuses a number of draws or steps below 1.

    Raises:
        UsageError: naming it.
    """
    if number is not None and number < 1:
        raise UsageError(f"{number} {what} are none", "give 1 or more, or leave it out for the model's own number")


def require_recovery(model: MultimodalModel) -> None:
    """Refuses a method that recovers nothing.

    Raises:
        UsageError: it recovers nothing.
    """
    if not isinstance(model, Recovers):
        raise UsageError(f"'{model.card.title}' does not recover modalities", "train 'md2n' or another recovery method")
