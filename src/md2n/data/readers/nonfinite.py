"""What every reader does with NaN and infinities, and what no reader accepts.

A NaN or an infinity makes its cell unknown: it is counted in the notes and never read.  A frame of NaN alone usually
means "absent", so it is counted apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from md2n.brief import first_few
from md2n.data.samples import Array, Ragged, Samples, offsets_of
from md2n.errors import DataError

CHUNK_BYTES = 1 << 26


@dataclass(frozen=True)
class NonFinite:
    """Counts of NaN and infinities in the frames of a modality.

    Args:
        nan: NaN in frames that hold other numbers too.
        infinite: infinities.
        frames: frames that hold a NaN or an infinity and something else; their other numbers are used.
        empty: frames of NaN alone; they are invalid and mean that nothing is there.
    """

    nan: int = 0
    infinite: int = 0
    frames: int = 0
    empty: int = 0

    def __add__(self, other: "NonFinite") -> "NonFinite":
        return NonFinite(
            self.nan + other.nan,
            self.infinite + other.infinite,
            self.frames + other.frames,
            self.empty + other.empty,
        )

    def note(self, name: str) -> str:
        """One sentence for the notes, or ``""`` where nothing was counted."""
        parts = []
        if self.frames:
            parts.append(
                f"{self.nan} NaN and {self.infinite} infinite values in {self.frames} frames are unknown (not zero)"
            )
        if self.empty:
            parts.append(f"{self.empty} frames hold NaN alone and count as not there")
        return f"{name}: {'; '.join(parts)}" if parts else ""


def count_nonfinite(frames: Array, claimed: npt.NDArray[np.bool_] | None = None) -> NonFinite:
    """Count over ``[T, d]`` frames, a chunk at a time.

    Args:
        frames: ``[T, d]``.
        claimed: ``[T]``; frames that are said to hold something (all, if not given); padding is not counted.
    """
    if frames.dtype.kind not in "fc" or frames.size == 0:
        return NonFinite()
    total = NonFinite()
    step = max(1, CHUNK_BYTES // max(1, frames.shape[1] * frames.dtype.itemsize))
    for start in range(0, len(frames), step):
        part = frames[start : start + step]
        relevant = np.ones(len(part), bool) if claimed is None else claimed[start : start + step]
        if np.isfinite(part).all() or not relevant.any():
            continue
        nan = np.isnan(part)
        infinite = np.isinf(part)
        empty = nan.all(axis=1) & relevant
        broken = (nan | infinite).any(axis=1) & ~empty & relevant
        total += NonFinite(int(nan[broken].sum()), int(infinite[broken].sum()), int(broken.sum()), int(empty.sum()))
    return total


def concat(parts: Sequence[Ragged]) -> Ragged:
    """The samples of several ragged arrays, one after another.

    Raises:
        DataError: feature sizes differ.
    """
    dims = sorted({p.dim for p in parts})
    if len(dims) > 1:
        raise DataError(f"feature sizes differ: {', '.join(map(str, dims))}", "one modality has one feature size")
    partly = any(p.cells is not None for p in parts)
    return Ragged(
        np.concatenate([p.values for p in parts]),
        offsets_of(np.concatenate([p.lengths for p in parts])),
        np.concatenate([p.valid for p in parts]),
        np.concatenate([p.known() for p in parts]) if partly else None,
    )


def _absent(name: str, counted: NonFinite) -> DataError:
    if counted.empty or counted.frames:
        return DataError(
            f"modality '{name}' holds no usable number: {counted.empty} frames are NaN alone, {counted.frames} "
            "hold a NaN or an infinity",
            f"leave '{name}' out, or export its features again",
        )
    return DataError(f"modality '{name}' is in no sample", f"leave '{name}' out, or check where it was read from")


def finish(
    samples: Samples,
    counted: Mapping[str, NonFinite],
    *,
    drop_empty: bool = False,
    may_be_absent: frozenset[str] = frozenset(),
) -> Samples:
    """The last step of every reader: refuses what cannot be used, and notes what was counted.

    Args:
        samples: as read.
        counted: counts of NaN and infinities, by modality.
        drop_empty: leave out samples without any modality instead of refusing them.
        may_be_absent: modalities that may be in no sample.

    Raises:
        DataError: no modality at all, no sample, a modality in no sample, a sample without any modality.
    """
    if not samples.names:
        raise DataError(f"'{samples.name}' holds no modality", "check that it is the right file")
    if len(samples) == 0:
        raise DataError(f"'{samples.name}' holds no sample", "check that it is the right file")
    present = samples.present
    for name, column in zip(samples.names, present.T):
        if name not in may_be_absent and not column.any():
            raise _absent(name, counted.get(name, NonFinite()))
    notes = [*samples.notes, *filter(None, (c.note(name) for name, c in counted.items()))]
    alone = ~present.any(axis=1)
    if alone.any() and not drop_empty:
        raise DataError(
            f"{int(alone.sum())} of {len(samples)} samples have no modality at all ({first_few(samples.ids[alone])})",
            "remove them, or read with drop_empty (--drop-empty)",
        )
    nonfinite = {k: vars(c) for k, c in counted.items() if c != NonFinite()}
    source = {**samples.source, **({"nonfinite": nonfinite} if nonfinite else {})}
    if alone.any():
        notes.append(f"{int(alone.sum())} samples without any modality were left out")
        samples = samples.select(np.flatnonzero(~alone))
    return replace(samples, notes=tuple(notes), source=source)
