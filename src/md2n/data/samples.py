"""Data sets in arrays: ragged modalities, labels, splits, ids, groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.modality import Modality, Schema, Task

SPLITS = ("train", "valid", "test")
UNASSIGNED = 255  # split code of a row that belongs to no split (new data, unlabelled rows)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Ragged:
    """One modality of N samples, frames end to end; sample i is ``values[offsets[i]:offsets[i + 1]]``.

    Args:
        values: ``[sum_i T_i, d]`` float16 or float32, possibly memory-mapped.
        offsets: ``[N + 1]`` int64, rising from 0; an absent modality has no frames.
        valid: ``[sum_i T_i]`` bool; False where a frame holds nothing (NaN throughout, padding, no face).
        cells: ``[sum_i T_i, d]`` bool, False where a number is unknown (a NaN, an infinity, an empty cell); None where
            every number of every valid frame is known.  A valid frame has one known cell at least.
    """

    values: Array
    offsets: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]
    cells: npt.NDArray[np.bool_] | None = None

    __repr__ = brief

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise DataError(f"features have shape {self.values.shape}", "give [frames, features] per sample")
        if not len(self.offsets) or self.offsets[0] != 0 or bool((self.offsets[1:] < self.offsets[:-1]).any()):
            raise DataError("offsets do not rise from 0", "offset i is where sample i begins; write the store again")
        total = int(self.offsets[-1])
        if total != len(self.values) or total != len(self.valid):
            raise DataError(
                f"{len(self.values)} frames and {len(self.valid)} validity flags, but the offsets end at {total}",
                "the three must agree; write the store again",
            )
        if self.cells is not None and self.cells.shape != self.values.shape:
            raise DataError(
                f"features have shape {self.values.shape}, the flags of their cells {self.cells.shape}",
                "the two must agree; write the store again",
            )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def dim(self) -> int:
        """d_k."""
        return int(self.values.shape[1])

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """T_i of every sample (0 where absent)."""
        return np.diff(self.offsets)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """``[N]``; True where a sample has at least one valid frame."""
        return self.count(self.valid) > 0

    def count(self, frames: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """``[N]``; how many of the flagged ``frames`` each sample has."""
        totals = offsets_of(frames)
        return np.asarray(totals[self.offsets[1:]] - totals[self.offsets[:-1]])

    def sample(self, row: int) -> Array:
        """Frames ``[T_i, d]`` of one sample."""
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def known(self, rows: slice | npt.NDArray[np.int64] = slice(None)) -> npt.NDArray[np.bool_]:
        """``[frames, d]``; True where the number is known, at the frames ``rows`` or at all."""
        valid = self.valid[rows]
        if self.cells is None:
            return np.broadcast_to(valid[:, None], (len(valid), self.dim))
        return np.asarray(self.cells[rows] & valid[:, None])

    def all_absent(self) -> "Ragged":
        """As many samples, none of which has the modality."""
        none = np.zeros((0, self.dim), self.values.dtype)
        return Ragged(none, np.zeros(len(self) + 1, np.int64), np.zeros(0, np.bool_))

    @staticmethod
    def from_arrays(arrays: Sequence[Array | None], dim: int | None = None) -> "Ragged":
        """From one ``[T_i, d]`` (or ``[d]``) array per sample, ``None`` where absent.

        A NaN or an infinity makes its cell unknown, and a frame of nothing else invalid; both are stored as zeros,
        never read.

        Raises:
            DataError: feature sizes differ between samples, or nothing is present and ``dim`` is not given.
        """
        # An empty list means None.
        framed = [None if a is None or np.shape(a) == (0,) else as_frames(a, "a sample") for a in arrays]
        dims = {int(a.shape[1]) for a in framed if a is not None}
        if dim is not None:
            dims.add(dim)
        if len(dims) != 1:
            sizes = ", ".join(map(str, sorted(dims))) or "none"
            raise DataError(
                f"feature sizes differ between samples: {sizes}",
                "one modality has one feature size; say which one where no sample has the modality",
            )
        width = dims.pop()
        dtype = np.result_type(*[a.dtype for a in framed if a is not None], np.float16)
        offsets = offsets_of([0 if a is None else len(a) for a in framed])
        parts = [a.astype(dtype) for a in framed if a is not None and len(a)]
        values = np.concatenate(parts) if parts else np.zeros((0, width), dtype)
        return _with_cells(values, offsets, np.isfinite(values))

    @staticmethod
    def from_padded(values: Array, present: Array | None = None, valid: Array | None = None) -> "Ragged":
        """From ``[N, T, d]`` or ``[N, d]`` with flags ``present [N]`` and ``valid`` where there are any.

        ``valid`` is of frames, ``[N, T]``, or of cells, in the shape of the values.  Frames before the first and after
        the last valid one are dropped; invalid ones between them are kept, flagged.

        Raises:
            DataError: another shape, no numbers, or flags that do not fit the values.
        """
        cube = as_features(values[:, None, :] if values.ndim == 2 else values, "the array")
        if cube.ndim != 3:
            raise DataError(
                f"features have shape {values.shape}", "give [samples, features] or [samples, frames, features]"
            )
        count, time, _ = cube.shape
        shapes = {"present": {(count,)}, "valid": {(count, time), cube.shape, values.shape}}
        for name, flags in (("present", present), ("valid", valid)):
            if flags is not None and np.shape(flags) not in shapes[name]:
                raise DataError(
                    f"'{name}' has shape {np.shape(flags)}, the features {values.shape}",
                    f"it must be {' or '.join(map(str, sorted(shapes[name], key=len)))}",
                )
        known: npt.NDArray[np.bool_] = np.isfinite(cube)
        if valid is not None:
            claimed = np.asarray(valid, bool)
            known &= claimed[:, :, None] if claimed.shape == (count, time) else claimed.reshape(cube.shape)
        if present is not None:
            known &= np.asarray(present, bool)[:, None, None]
        inside = between_ends(np.asarray(known.any(axis=2)))
        return _with_cells(cube[inside], offsets_of(inside.sum(axis=1)), known[inside])

    def select(self, rows: npt.NDArray[np.int64]) -> "Ragged":
        """The samples at ``rows``, in that order (copies)."""
        spans = [slice(int(self.offsets[i]), int(self.offsets[i + 1])) for i in rows]
        offsets = offsets_of([s.stop - s.start for s in spans])
        index = np.concatenate([np.arange(s.start, s.stop) for s in spans]) if spans else np.zeros(0, np.int64)
        cells = None if self.cells is None else np.asarray(self.cells[index])
        return Ragged(np.asarray(self.values[index]), offsets, np.asarray(self.valid[index]), cells)


def offsets_of(lengths: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """``[N + 1]`` where samples of these lengths begin, end to end, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def between_ends(frames: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """``[N, T]``: True from the first flagged frame of each sample to the last."""
    before = np.logical_or.accumulate(frames, axis=1)
    after = np.logical_or.accumulate(frames[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(before & after)


def _with_cells(values: Array, offsets: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]) -> Ragged:
    """Frames ``[n, d]`` with zeros at unknown cells; flags of cells are kept only where a valid frame needs them."""
    valid = np.asarray(known.any(axis=1))
    whole = bool(known[valid].all())
    return Ragged(np.where(known, values, np.zeros((), values.dtype)), offsets, valid, None if whole else known)


def as_features(value: Any, what: str) -> Array:
    """An array as a store keeps numbers: float16 as it is, everything else float32.

    Numbers beyond float32 become infinities, and infinities are counted.

    Raises:
        DataError: it holds text, complex numbers, or objects that are no numbers.
    """
    array = as_numbers(value, what)
    if array.dtype in (np.float16, np.float32):
        return array
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def as_frames(value: Any, what: str) -> Array:
    """``[T, d]`` features of one sample, as ``as_features`` gives them; ``[d]`` is one frame.

    Raises:
        DataError: as there, or another shape.
    """
    features = as_features(value, what)
    if features.ndim not in (1, 2):
        raise DataError(f"{what} has shape {features.shape}", "give [frames, features] or [features]")
    return np.atleast_2d(features)


def as_numbers(value: Any, what: str) -> Array:
    """An array of real numbers of whatever width.

    Raises:
        DataError: it holds text, complex numbers, or objects that are no numbers.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{what} is ragged: {error}", "give one array per sample in a list") from error
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"{what} holds objects, not numbers: {error}", "give plain arrays of numbers") from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"{what} holds values of dtype {array.dtype}, not numbers", "give plain arrays of numbers")
    return array


@dataclass(frozen=True)
class LabelColumn:
    """One label column and what it means.

    Args:
        values: ``[N]`` float32 (regression; NaN unknown; float64 where float32 would blur it, see
            ``md2n.data.target.real_values``) or int64 codes (classes; -1 unknown).
        task: kind, class names, declared range.
    """

    values: Array
    task: Task

    __repr__ = brief


@dataclass(frozen=True)
class Samples:
    """N samples of M modalities.

    Args:
        name: of the data set.
        modalities: name -> ``Ragged`` of N samples each, in order.
        labels: column name -> ``LabelColumn``; may be empty for data to predict on.
        split: ``[N]`` uint8: 0 train, 1 valid, 2 test, 255 unassigned.
        ids: ``[N]`` unicode, unique within the set.
        groups: column name -> ``[N]`` unicode: speaker, actor, subject, video.
        default_label: the label column used when none is asked for.
        normalise_by: the group column whose members are normalised apart (per actor, per subject), or "".
        notes: facts a user must know (leaks, licences), shown by ``md2n data info``.
        source: where it came from: reader, file names and checksums; kept in the store's manifest.
    """

    name: str
    modalities: Mapping[str, Ragged]
    labels: Mapping[str, LabelColumn]
    split: npt.NDArray[np.uint8]
    ids: Array
    groups: Mapping[str, Array] = field(default_factory=dict)
    default_label: str = ""
    normalise_by: str = ""
    notes: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)

    __repr__ = brief

    def __post_init__(self) -> None:
        count = len(self.ids)
        columns = {f"modality '{k}'": len(r) for k, r in self.modalities.items()}
        columns |= {f"label '{k}'": len(c.values) for k, c in self.labels.items()}
        columns |= {f"group '{k}'": len(g) for k, g in self.groups.items()}
        columns["split"] = len(self.split)
        wrong = {k: n for k, n in columns.items() if n != count}
        if wrong:
            sizes = ", ".join(f"{k}: {n}" for k, n in wrong.items())
            raise DataError(f"counts differ: {count} ids, but {sizes}", "every array needs one entry per sample")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def names(self) -> tuple[str, ...]:
        """Modality names in order."""
        return tuple(self.modalities)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """``[N, M]``; True where the data hold the modality."""
        return np.stack([r.present for r in self.modalities.values()], axis=1)

    def label(self, column: str = "") -> LabelColumn:
        """A label column by name, or the default one.

        Raises:
            UsageError: no such column, or no labels at all.
        """
        name = column or self.default_label or next(iter(self.labels), "")
        if name not in self.labels:
            message = f"'{self.name}' has no label column '{name}'" if name else f"'{self.name}' has no labels"
            raise UsageError(message, did_you_mean(name, self.labels))
        return self.labels[name]

    def schema(self, column: str = "") -> Schema:
        """Modalities with their sizes and longest lengths, and the task of a label column."""
        modalities = tuple(
            Modality(k, r.dim, max(1, int(r.lengths.max(initial=1))), gaps=r.cells is not None)
            for k, r in self.modalities.items()
        )
        chosen = column or self.default_label or next(iter(self.labels), "")
        # The name of the column, which is what is looked for in other data.
        return Schema(modalities, replace(self.label(column).task, label=chosen))

    def rows(self, split: str) -> npt.NDArray[np.int64]:
        """Row numbers of a split, rising.

        Raises:
            UsageError: unknown split name.
        """
        if split not in SPLITS:
            raise UsageError(f"no split is called '{split}'", did_you_mean(split, SPLITS))
        return np.flatnonzero(self.split == SPLITS.index(split))

    def only(self, names: Sequence[str]) -> "Samples":
        """The same samples with the named modalities only, in the order given.

        Raises:
            UsageError: unknown modality.
        """
        for name in names:
            if name not in self.modalities:
                raise UsageError(f"'{self.name}' has no modality '{name}'", did_you_mean(name, self.modalities))
        return replace(self, modalities={n: self.modalities[n] for n in names})

    def select(self, rows: npt.NDArray[np.int64]) -> "Samples":
        """The samples at ``rows``, in that order (copies)."""
        return replace(
            self,
            modalities={k: r.select(rows) for k, r in self.modalities.items()},
            labels={k: replace(c, values=c.values[rows]) for k, c in self.labels.items()},
            split=self.split[rows],
            ids=self.ids[rows],
            groups={k: g[rows] for k, g in self.groups.items()},
        )
