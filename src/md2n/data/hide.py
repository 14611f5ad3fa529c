"""Modalities hidden permanently from training and validation, at a rate for each modality.

A method then learns from data in which they are missing, as where a sensor failed: no epoch, no comparison of a
recovery and no normalisation uses them.  The test split stays whole; there the protocol hides modalities.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from md2n.data.samples import SPLITS, Array, Ragged, Samples
from md2n.errors import UsageError
from md2n.missing import hide_at_rates

HIDDEN_IN = ("train", "valid")


def hide_for_good(samples: Samples, rates: Mapping[str, float], seed: int) -> Samples:
    """The same samples without what ``md2n.missing.hide_at_rates`` hides from training and validation.

    Args:
        samples: the data; their features are not copied.
        rates: modality -> rate in [0, 1], for each of the two splits.
        seed: of the drawing.

    Raises:
        UsageError: no such modality, a rate out of range, or no training sample would keep a modality.
    """
    if not rates:
        return samples
    present = samples.present
    left = present.copy()
    for split in HIDDEN_IN:
        rows = samples.rows(split)
        left[rows] = hide_at_rates(present[rows], samples.names, samples.ids[rows], rates, seed)
    trained = samples.rows(SPLITS[0])
    for k, name in enumerate(samples.names):
        if present[trained, k].any() and not left[trained, k].any():
            others = [n for n in samples.names if n != name]
            raise UsageError(
                f"hide {name}={rates[name]:g}: no training sample would keep '{name}'",
                f'give a lower rate, or leave it out: --set "data.modalities={others}"',
            )
    hidden = present & ~left
    return replace(
        samples, modalities={n: _without(r, hidden[:, k]) for k, (n, r) in enumerate(samples.modalities.items())}
    )


def hidden_counts(before: Samples, after: Samples) -> dict[str, dict[str, list[int]]]:
    """Modality -> split -> samples it was hidden from, and samples that had it; where it was hidden from any."""
    counts: dict[str, dict[str, list[int]]] = {}
    held, left = before.present, after.present
    for k, name in enumerate(before.names):
        if (held[:, k] != left[:, k]).any():
            rows = {split: before.rows(split) for split in HIDDEN_IN}
            counts[name] = {s: [int((held & ~left)[r, k].sum()), int(held[r, k].sum())] for s, r in rows.items()}
    return counts


def _without(ragged: Ragged, hidden: Array) -> Ragged:
    """No frame of the hidden samples is valid; the features themselves, which may be a map of a file, stay."""
    if not hidden.any():
        return ragged
    valid = np.array(ragged.valid)
    valid[np.repeat(hidden, ragged.lengths)] = False
    return replace(ragged, valid=valid)
