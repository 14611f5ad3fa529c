"""A valid cell holds a finite number."""

from collections.abc import Callable

import numpy as np

from md2n.data.samples import Array
from md2n.errors import DataError

CHUNK = 1 << 14  # frames looked at together


def require_finite(name: str, values: Array, valid: Array | None, sample_of: Callable[[int], str]) -> None:
    """Refuses a NaN or an infinity among valid values: no prediction can be made from them.

    Args:
        name: of the modality.
        values: ``[n, d]`` frames.
        valid: ``[n]`` of frames or ``[n, d]`` of cells; all are valid if not given.
        sample_of: position of a frame -> id of its sample.

    Raises:
        DataError: naming the modality and the first such sample.
    """
    broken, first = 0, -1
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK]
        if np.isfinite(part).all():
            continue
        meant = np.ones(len(part), bool) if valid is None else np.asarray(valid[start : start + CHUNK])
        wrong = np.flatnonzero((~np.isfinite(part) & (meant if meant.ndim == 2 else meant[:, None])).any(axis=1))
        if len(wrong) and not broken:
            first = start + int(wrong[0])
        broken += len(wrong)
    if broken:
        raise DataError(
            f"modality '{name}' holds a NaN or an infinity in {broken} frames that are called valid, the first of "
            f"them of sample '{sample_of(first)}'",
            "the data are damaged: import them again; what is missing has to be marked invalid",
        )
