"""New data as a model takes them: samples of its schema, normalised, in batches, and recovered frames in own units."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from md2n.batch import SequenceBatch
from md2n.brief import brief
from md2n.data.cell_model import CellModel
from md2n.data.conversation import order_by_conversation, spans
from md2n.data.dataset import MultimodalDataset
from md2n.data.normalise import Normaliser
from md2n.data.samples import Samples
from md2n.modality import Schema

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Taken:
    """New data as a model takes them.

    Args:
        samples: every modality of the schema, in its order.
        normaliser: adapted to them.
        schema: of the model.
        notes: what a person should know of how they were taken.
        keys: ``[N]`` who a sample is, for its draws; by its id if not given.
        conversational: whether the model reads whole conversations: then no batch cuts one.
    """

    samples: Samples
    normaliser: Normaliser
    schema: Schema
    notes: tuple[str, ...]
    keys: npt.NDArray[np.int64] | None
    conversational: bool = False

    __repr__ = brief

    def batches(
        self,
        size: int,
        device: torch.device,
        progress: Callable[[int, int], None],
        least: Mapping[str, int] | None = None,
    ) -> Iterator[SequenceBatch]:
        """All samples in order; labels, which the data may well have under other names, are left out.

        Conversations whose samples do not follow one another are in one batch with all others.
        """
        unlabelled = replace(self.samples, labels={}, default_label="")
        rows = np.arange(len(unlabelled))
        dataset = MultimodalDataset(unlabelled, rows, self.normaliser, schema=self.schema, keys=self.keys)
        codes = dataset.conversation if self.conversational else None
        if codes is not None and (order_by_conversation(codes) != rows).any():
            codes, size = None, len(dataset)
        for start, stop in spans(len(dataset), size, codes):
            yield dataset.batch(rows[start:stop], least).to(device)
            progress(stop, len(dataset))

    def filled(self, name: str, row: int, cells: CellModel) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
        """``[T, d]`` as it was given, what is unknown recovered; deviations, zero where given; which were given."""
        ragged = self.samples.modalities[name]
        frames = np.array(ragged.sample(row), np.float32)
        known = ragged.known(slice(int(ragged.offsets[row]), int(ragged.offsets[row + 1])))
        if known.all():
            return frames, np.zeros_like(frames), known
        groups = self.normaliser.groups_of(self.samples)
        x = self.normaliser.apply(name, np.where(known, frames, 0), None if groups is None else str(groups[row]))
        value, width = self.in_own_units(name, row, *cells.fill(name, x, known))
        return np.where(known, frames, value), np.where(known, np.float32(0), width), known

    def in_own_units(self, name: str, row: int, value: Floats, width: Floats) -> tuple[Floats, Floats]:
        """Recovered frames and their standard deviation: half the image of one deviation to either side."""
        members, limit = self.normaliser.groups_of(self.samples), self.normaliser.limit
        member = None if members is None else str(members[row])

        def own(x: Floats) -> Floats:
            # What networks see lies within the limit; beyond it the way back may leave the range of float32.
            inside = x if self.normaliser.kind == "none" else np.clip(x, -limit, limit)
            return self.normaliser.invert(name, inside, member)

        return own(value), np.asarray((own(value + width) - own(value - width)) / 2, np.float32)


def recovered_frames(batch: SequenceBatch, schema: Schema) -> npt.NDArray[np.int64]:
    """``[B, M]`` how many frames a recovered modality gets."""
    longest = np.asarray([m.length for m in schema.modalities])
    frames = np.broadcast_to(longest, batch.available.shape).copy()
    sequences = longest > 1
    if len(set(longest[sequences].tolist())) == 1:
        # Up to the last valid frame: there may be invalid ones before it.
        ends = [(v.flip(1).cumsum(dim=1) > 0).sum(dim=1) for v in batch.valid.values()]
        counts = np.stack([e.cpu().numpy() for e in ends], axis=1)
        known = np.where(batch.available.cpu().numpy() & sequences, counts, 0).max(axis=1)
        known = np.minimum(known, longest.max())[:, None]
        frames = np.where(sequences & (known > 0), known, frames)
    return frames
