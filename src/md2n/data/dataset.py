"""Batches out of a data set: chosen rows, normalised, padded to the longest sample of the batch."""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import torch

from md2n.batch import SequenceBatch
from md2n.data.normalise import Normaliser
from md2n.data.samples import Ragged, Samples
from md2n.modality import Schema, Task
from md2n.seeding import numpy_generator

SMALL = 256 * 2**20  # bytes: normalised data up to this size are kept in memory after their first use


class MultimodalDataset:
    """Rows of a data set as ``SequenceBatch``es.

    Args:
        samples: possibly memory-mapped; only the frames of a batch are read.
        rows: which samples, in this order.
        normaliser: fitted on training rows; ``None`` gives features as they are.
        label: label column; the set's default if empty.
        schema: of the model, where it exists already (new data); otherwise that of the samples.
    """

    def __init__(
        self,
        samples: Samples,
        rows: npt.NDArray[np.int64],
        normaliser: Normaliser | None = None,
        label: str = "",
        schema: Schema | None = None,
    ) -> None:
        self.samples = samples
        self.rows = np.asarray(rows, np.int64)
        self.normaliser = normaliser
        self.schema = samples.schema(label) if schema is None else schema
        self.present = samples.present[self.rows]
        self.labels = self._labels(label)
        self._members = None if normaliser is None else normaliser.groups_of(samples)
        size = sum(4 * int(r.lengths[self.rows].sum()) * r.dim for r in samples.modalities.values())
        self._cache: dict[str, npt.NDArray[np.float32]] | None = {} if size <= SMALL else None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.schema.task

    def batch(self, index: npt.NDArray[np.int64], minimum: Mapping[str, int] | None = None) -> SequenceBatch:
        """The samples at positions ``index`` (0 .. len - 1) of this data set.

        Args:
            index: ``[B]``.
            minimum: modality -> least number of frames to pad to (for modalities a method is to fill in).
        """
        index = np.asarray(index, np.int64)
        features, valid = {}, {}
        for name, ragged in self.samples.modalities.items():
            least = 1 if minimum is None else minimum.get(name, 1)
            features[name], valid[name] = self._padded(name, ragged, index, least)
        present = torch.from_numpy(self.present[index])
        labels = torch.from_numpy(self.labels[index])
        return SequenceBatch(features, valid, present, present, labels, torch.from_numpy(self.rows[index]))

    def _labels(self, label: str) -> npt.NDArray[np.float32] | npt.NDArray[np.int64]:
        classes = self.schema.task.kind == "classification"
        if not self.samples.labels:
            unknown = np.full(len(self.rows), -1 if classes else np.nan)
            return unknown.astype(np.int64) if classes else unknown.astype(np.float32)
        values = self.samples.label(label or self.schema.task.label).values[self.rows]
        return values.astype(np.int64) if classes else values.astype(np.float32)

    def _padded(
        self, name: str, ragged: Ragged, index: npt.NDArray[np.int64], least: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rows = self.rows[index]
        starts, lengths = ragged.offsets[rows], ragged.lengths[rows]
        time = max(least, int(lengths.max(initial=1)))
        values = np.zeros((len(rows), time, ragged.dim), np.float32)
        flags = np.zeros((len(rows), time), np.bool_)
        where = np.arange(time)[None, :] < lengths[:, None]
        frames = (starts[:, None] + np.arange(time)[None, :])[where]
        flags[where] = ragged.valid[frames]
        values[where] = self._normalised(name, ragged, rows, frames, lengths)
        return torch.from_numpy(values), torch.from_numpy(flags)

    def _normalised(
        self,
        name: str,
        ragged: Ragged,
        rows: npt.NDArray[np.int64],
        frames: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.float32]:
        """Normalised frames at flat positions ``frames`` (of ``rows``, end to end)."""
        if self._cache is None:
            return self._apply(name, ragged, rows, frames, lengths)
        if name not in self._cache:
            kept = np.zeros((len(ragged.values), ragged.dim), np.float32)
            spans = [np.arange(ragged.offsets[i], ragged.offsets[i + 1]) for i in self.rows]
            flat = np.concatenate(spans) if spans else np.zeros(0, np.int64)
            kept[flat] = self._apply(name, ragged, self.rows, flat, ragged.lengths[self.rows])
            self._cache[name] = kept
        return self._cache[name][frames]

    def _apply(
        self,
        name: str,
        ragged: Ragged,
        rows: npt.NDArray[np.int64],
        frames: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.float32]:
        values = np.asarray(ragged.values[frames], np.float32)
        if self.normaliser is None:
            return values
        if self._members is None:
            return self.normaliser.apply(name, values)
        owner = np.repeat(self._members[rows], lengths)
        result = np.empty_like(values)
        for member in np.unique(owner):
            chosen = owner == member
            result[chosen] = self.normaliser.apply(name, values[chosen], str(member))
        return result


def epoch_order(length: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The order of an epoch's samples: a function of seed and epoch alone, so that training resumes exactly."""
    return numpy_generator(seed, "order", epoch).permutation(length)


def iterate(
    dataset: MultimodalDataset,
    batch_size: int,
    order: npt.NDArray[np.int64] | None = None,
    minimum: Mapping[str, int] | None = None,
) -> Iterator[SequenceBatch]:
    """Batches in ``order`` (as stored if not given); the last may be smaller."""
    positions = np.arange(len(dataset)) if order is None else order
    for start in range(0, len(positions), batch_size):
        yield dataset.batch(positions[start : start + batch_size], minimum)
