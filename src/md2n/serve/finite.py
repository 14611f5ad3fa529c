"""An answer that is no number is an error."""

import numpy as np

from md2n.data.samples import Array
from md2n.errors import DivergenceError


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
