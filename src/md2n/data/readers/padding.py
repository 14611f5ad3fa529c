"""Frames of zeros alone at the ends of sequences: padding or measurements?

Files with sequences of many lengths in one array fill them up with zeros, behind or in front.  Some files also say how
many frames are real; that is believed where the array agrees.  Otherwise the zeros decide: everything before the first
and after the last frame that is not zero is padding.  Zeros between other frames are measurements.

The decision is part of the data as ``source["zeros"]``, modality -> ``padding`` or ``measurement``, and of a run that
was trained on them, so that arrays given to its model are treated in the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.data.samples import Array, Ragged, Samples, between_ends, offsets_of

PADDING, MEASUREMENT = "padding", "measurement"
ZEROS = "zeros"  # key of ``Samples.source``
CHUNK_NUMBERS = 1 << 24

Flags = npt.NDArray[np.bool_]


def nonzero_frames(cube: Array, *, nan: bool = True) -> Flags:
    """``[N, T]`` of ``[N, T, d]``: True where a frame holds anything but zeros; NaN counts as something if ``nan``."""
    count, time, dim = cube.shape
    flags = np.zeros((count, time), bool)
    step = max(1, CHUNK_NUMBERS // max(1, time * dim))
    for start in range(0, count, step):
        part = cube[start : start + step]
        some = part != 0
        if not nan:
            some &= ~np.isnan(part)
        flags[start : start + step] = some.any(axis=2)
    return flags


@dataclass(frozen=True)
class Agreement:
    """What became of frames that a file calls real.

    Args:
        valid: ``[N, T]``; the frames that are taken as real.
        front: samples whose padding is in front of what the file calls real.
        wrong: samples in which the array contradicts the file, so that the zeros decide.
        other: samples in which the file is believed although there is something other than zeros beyond.
    """

    valid: Flags
    front: int = 0
    wrong: int = 0
    other: int = 0

    __repr__ = brief


def agreement(cube: Array, claimed: Flags, impossible: Flags | None = None) -> Agreement:
    """Compares the frames that a file calls real with the array.

    Frames that are called real may be zeros (silence, no face), but beyond them nothing else may be.  Where this holds
    only after turning ``claimed`` around, the padding is in front; where it holds both ways, the sample follows the
    others. Where it holds neither way, the zeros decide.  An exception: if most such samples have no zeros at their
    ends, padding is not zeros here, and the file is believed.

    Args:
        cube: ``[N, T, d]`` features.
        claimed: ``[N, T]`` frames that the file calls real, counted from the front.
        impossible: ``[N]``; True where more frames are claimed than there are, which is never believed.
    """
    something = nonzero_frames(cube, nan=False)
    behind = ~(something & ~claimed).any(axis=1)
    turned = claimed[:, ::-1]
    front = ~(something & ~turned).any(axis=1)
    inner = between_ends(nonzero_frames(cube))
    exact = inner.sum(axis=1) == claimed.sum(axis=1)
    whole = inner.all(axis=1)
    never = np.zeros(len(cube), bool) if impossible is None or cube.shape[1] == 1 else impossible
    neither = ~behind & ~front & ~exact & ~never
    other = neither & whole if 2 * int((neither & whole).sum()) > int((~claimed.all(axis=1)).sum()) else neither & False
    front_rules = int((front & ~behind).sum()) > int((behind & ~front).sum())
    in_front = front & ~claimed.all(axis=1) & (~behind | front_rules) & ~never
    valid = np.where(in_front[:, None], turned, claimed)
    by_zeros = (~behind & ~front & ~other) | never
    valid = np.where(by_zeros[:, None], inner, valid)
    return Agreement(
        valid, int((in_front & claimed.any(axis=1)).sum()), int((neither & ~other).sum()), int(other.sum())
    )


def role_of_zeros(cube: Array, valid: Flags) -> str:
    """What frames of zeros at the ends are: ``padding``, ``measurement``, or "" where there are none.

    Args:
        cube: ``[N, T, d]`` features.
        valid: ``[N, T]``; the frames that are taken as real.
    """
    if cube.shape[1] == 1:
        return ""
    zeros = ~nonzero_frames(cube)
    if bool((zeros & ~between_ends(valid)).any()):
        return PADDING
    return MEASUREMENT if bool((zeros & ~between_ends(~zeros)).any()) else ""


def zero_ends(ragged: Ragged) -> Flags:
    """``[frames]``: True before the first and after the last frame of each sample that holds anything but zeros."""
    total = len(ragged.values)
    held = np.zeros(total, bool)
    step = max(1, CHUNK_NUMBERS // max(1, ragged.dim))
    for start in range(0, total, step):
        held[start : start + step] = np.asarray(ragged.values[start : start + step]).any(axis=1)
    places = np.flatnonzero(held & ragged.valid)
    at = np.searchsorted(places, ragged.offsets)
    first, last = ragged.offsets[1:].copy(), ragged.offsets[1:].copy()
    some = at[1:] > at[:-1]
    first[some], last[some] = places[at[:-1][some]], places[at[1:][some] - 1]
    index = np.arange(total)
    return np.asarray(
        (index < np.repeat(first, ragged.lengths)) | (index > np.repeat(last, ragged.lengths)),
    )


def drop_frames(ragged: Ragged, frames: Flags) -> Ragged:
    """The same samples without the flagged frames."""
    offsets = offsets_of(~frames)[ragged.offsets]
    # Every frame as a sample of its own: whatever belongs to a frame goes with it.
    apart = replace(ragged, offsets=np.arange(len(frames) + 1, dtype=np.int64))
    return replace(apart.select(np.flatnonzero(~frames)), offsets=offsets)


def zeros_of(source: Mapping[str, Any]) -> dict[str, str]:
    """Modality -> what its zeros at the ends are, as a data set's ``source`` has it."""
    table = source.get(ZEROS)
    return {str(k): str(v) for k, v in table.items()} if isinstance(table, Mapping) else {}


def describe_zeros(ragged: Ragged, ends: Flags) -> str:
    """Words for the zeros at the ends, such as ``84 frames of zeros alone at the ends of 20 samples``, or ""."""
    inside, others = ragged.count(ends & ragged.valid), ragged.count(ragged.valid & ~ends)
    frames, samples, alone = int(inside.sum()), int((inside > 0).sum()), int(((inside > 0) & (others == 0)).sum())
    if not frames:
        return ""
    if int(ragged.lengths.max(initial=0)) == 1:
        return f"{frames} samples of zeros alone"
    whole = f" ({alone} of them hold nothing else)" if alone else ""
    return f"{frames} frames of zeros alone at the start or end of {samples} samples{whole}"


def treat_zeros_as_trained(samples: Samples, trained: Mapping[str, str]) -> tuple[Samples, tuple[str, ...]]:
    """New data in which zeros at the ends mean what they meant in training, and notes where there are any.

    Args:
        samples: the data; what their reader took for padding is gone already.
        trained: modality -> ``padding`` or ``measurement`` in the training data; neither where they had none.
    """
    settled = zeros_of(samples.source)
    modalities, notes = dict(samples.modalities), []
    for name, ragged in samples.modalities.items():
        role = trained.get(name, "")
        if settled.get(name) == PADDING:
            if role == MEASUREMENT:
                notes.append(
                    f"'{name}': zeros at the ends are padding in these data, but were measurements in training"
                )
            continue
        ends = zero_ends(ragged)
        words = describe_zeros(ragged, ends)
        if words and role == PADDING:
            modalities[name] = drop_frames(ragged, ends)
            notes.append(f"'{name}': {words} were taken for padding, as in the training data")
        elif words:
            reason = "as in the training data" if role == MEASUREMENT else "give NaN or None where they are none"
            notes.append(f"'{name}': {words} were taken for measurements; {reason}")
    return replace(samples, modalities=modalities), tuple(notes)
