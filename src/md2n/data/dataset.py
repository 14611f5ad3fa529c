"""Batches out of a data set: chosen rows, normalised, padded to the longest sample of the batch."""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import torch

from md2n.batch import SequenceBatch
from md2n.data.conversation import conversations
from md2n.data.finite import require_finite
from md2n.data.gather import frame_index, gather
from md2n.data.normalise import Normaliser
from md2n.data.samples import Ragged, Samples, offsets_of
from md2n.data.target import real_values
from md2n.errors import UsageError
from md2n.modality import Schema, Task
from md2n.seeding import numpy_generator, sample_keys

SMALL = 256 * 2**20  # bytes: normalised data up to this size are kept in memory after their first use


class MultimodalDataset:
    """Rows of a data set as ``SequenceBatch``es.

    Args:
        samples: possibly memory-mapped; only the frames of a batch are read.
        rows: which samples, in this order.
        normaliser: fitted on training rows; ``None`` leaves features as they are.
        label: label column; the set's default if empty.
        schema: of the model, for new data; that of the samples if not given.  Without a column of its task labels are
            unknown.
        keys: ``[N]`` of all samples, for their random draws; made from their ids if not given.
        weights: ``[len(rows)]``: how often training draws each row, relative to the others; all alike if not given.

    Raises:
        UsageError: ``label`` is no column, or there is neither a schema nor a label.
    """

    def __init__(
        self,
        samples: Samples,
        rows: npt.NDArray[np.int64],
        normaliser: Normaliser | None = None,
        label: str = "",
        schema: Schema | None = None,
        keys: npt.NDArray[np.int64] | None = None,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self.samples = samples
        self.rows = np.asarray(rows, np.int64)
        self.weights = weights
        self.normaliser = normaliser
        self.schema = samples.schema(label) if schema is None else schema
        self.present = samples.present[self.rows]
        self.labels = self._labels(label)
        known = conversations(samples)
        self.conversation = None if known is None else known[0][self.rows]
        self.place = None if known is None else known[1][self.rows]
        self._keys = sample_keys(samples.ids[self.rows]) if keys is None else keys[self.rows]
        self._members = None if normaliser is None else normaliser.groups_of(samples)
        self._lengths = {k: r.lengths[self.rows] for k, r in samples.modalities.items()}
        size = sum(4 * int(self._lengths[k].sum()) * r.dim for k, r in samples.modalities.items())
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
            index: ``[B]``, in any order.
            minimum: modality -> least number of frames to pad to (for modalities a method is to fill in).

        Returns:
            Each modality padded with zeros to its longest sample here, one frame at least.  Of an absent modality
            nothing is valid.

        Raises:
            UsageError: a position outside the data set.
            DataError: a NaN or an infinity in a frame that is called valid.
        """
        index = np.asarray(index, np.int64)
        if len(index) and (index.min() < 0 or index.max() >= len(self)):
            wrong = int(index.min() if index.min() < 0 else index.max())
            raise UsageError(f"there is no position {wrong} in a data set of {len(self)}", "positions run from 0")
        features, valid, cells = {}, {}, {}
        for name, ragged in self.samples.modalities.items():
            least = 1 if minimum is None else minimum.get(name, 1)
            features[name], valid[name] = self._padded(name, ragged, index, least)
            if ragged.cells is not None:
                cells[name] = self._cells(name, ragged, index, valid[name].shape[1])
        present = torch.from_numpy(self.present[index])
        labels = torch.from_numpy(self.labels[index])
        rows = torch.from_numpy(self.rows[index])
        conversation = None if self.conversation is None else torch.from_numpy(self.conversation[index])
        place = None if self.place is None else torch.from_numpy(self.place[index])
        keys = torch.from_numpy(self._keys[index])
        return SequenceBatch(features, valid, present, present, labels, rows, conversation, place, cells, keys)

    def _labels(self, label: str) -> npt.NDArray[np.float32] | npt.NDArray[np.float64] | npt.NDArray[np.int64]:
        classes = self.schema.task.kind == "classification"
        name = label or self.schema.task.label
        # New data need no labels, and their label columns need not be the model's.
        if name not in self.samples.labels and not label:
            unknown = np.full(len(self.rows), -1 if classes else np.nan)
            return unknown.astype(np.int64) if classes else unknown.astype(np.float32)
        values = self.samples.label(name).values
        return values[self.rows].astype(np.int64) if classes else real_values(values)[self.rows]

    def _padded(
        self, name: str, ragged: Ragged, index: npt.NDArray[np.int64], least: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        lengths = self._lengths[name][index]
        time = max(least, int(lengths.max(initial=1)))
        values = np.zeros((len(index), time, ragged.dim), np.float32)
        flags = np.zeros((len(index), time), np.bool_)
        where = np.arange(time)[None, :] < lengths[:, None]
        flags[where] = ragged.valid[frame_index(ragged.offsets, self.rows[index])]
        values[where] = self._normalised(name, ragged, index)
        return torch.from_numpy(values), torch.from_numpy(flags)

    def _cells(self, name: str, ragged: Ragged, index: npt.NDArray[np.int64], time: int) -> torch.Tensor:
        """``[B, T, d]``; True where a number is known."""
        flags = np.zeros((len(index), time, ragged.dim), np.bool_)
        where = np.arange(time)[None, :] < self._lengths[name][index][:, None]
        flags[where] = ragged.known(frame_index(ragged.offsets, self.rows[index]))
        return torch.from_numpy(flags)

    def _normalised(self, name: str, ragged: Ragged, index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """``[sum_i T_i, d]`` normalised frames of the samples at ``index``, end to end."""
        if self._cache is None:
            return self._read(name, ragged, self.rows[index])
        if name not in self._cache:
            self._cache[name] = self._read(name, ragged, self.rows)
        starts = offsets_of(self._lengths[name])
        return np.asarray(self._cache[name][frame_index(starts, index)])

    def _read(self, name: str, ragged: Ragged, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        index = frame_index(ragged.offsets, rows)
        values = np.asarray(gather(ragged.values, index), np.float32)
        require_finite(name, values, ragged.valid[index], lambda i: self._sample_at(ragged, int(index[i])))
        if self.normaliser is None:
            return values
        member = None if self._members is None else np.repeat(self._members[rows], ragged.lengths[rows])
        return self.normaliser.apply(name, values, member)

    def _sample_at(self, ragged: Ragged, frame: int) -> str:
        """Id of the sample that a frame belongs to."""
        return str(self.samples.ids[np.searchsorted(ragged.offsets, frame, side="right") - 1])


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
