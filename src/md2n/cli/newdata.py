"""Opening data for ``predict`` and ``recover``: a ready name, store or feature file, some modalities hidden."""

from dataclasses import replace

import numpy as np

from md2n.data.samples import Ragged, Samples
from md2n.errors import UsageError, did_you_mean


def open_new(data: str, known: tuple[str, ...], split: str, hide: tuple[str, ...]) -> Samples:
    """The samples of ``data`` (one split of them), with the modalities in ``hide`` emptied.

    Args:
        data: ready name, store or feature file.
        known: modality names of the model, for the message about a name to hide.
        split: train, valid, test, or "" for all rows.
        hide: modality names.

    Raises:
        UsageError: a modality to hide that the model does not have.
        DataError: the data cannot be read.
    """
    from md2n.data.ready import load

    for name in hide:
        if name not in known:
            raise UsageError(f"there is no modality '{name}' to hide", did_you_mean(name, known))
    samples = load(data)
    if split:
        samples = samples.select(samples.rows(split))
    kept = {k: emptied(r) if k in hide else r for k, r in samples.modalities.items()}
    return replace(samples, modalities=kept)


def emptied(ragged: Ragged) -> Ragged:
    """The same number of samples, none of them present."""
    return Ragged(
        np.zeros((0, ragged.dim), ragged.values.dtype), np.zeros(len(ragged) + 1, np.int64), np.zeros(0, np.bool_)
    )
