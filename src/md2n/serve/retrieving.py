r"""Cross-modal retrieval with gaps: the items nearest to each query, whatever modalities either side misses.

Every sample becomes one vector.  Its M parts are the modalities in normalised units, as they are where the sample has
them and recovered where it has not; each part is scaled to length one, so that a modality of many numbers weighs no
more than one of few.  The distance of a query and an item is that of their vectors:

    d(q, i)^2 = sum over modalities k of |q_k / |q_k| - i_k / |i_k||^2,        between 0 and 4 M.

Where nothing is missing no model is in it: retrieval is the exact nearest neighbour in the data.  Latents instead of
features, and other scalings, did worse on validation samples (docs/log.md).

Sequences of up to ``FLAT`` numbers are laid frame after frame, zeros past the end; longer ones are averaged over time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from md2n.batch import SequenceBatch
from md2n.brief import brief
from md2n.data.samples import Array, Samples
from md2n.errors import DataError, UsageError
from md2n.evaluation.inference import to_numpy
from md2n.methods.base import Recovers
from md2n.missing import pattern_name
from md2n.modality import Modality
from md2n.seeding import generator
from md2n.serve.incoming import Given
from md2n.serve.nearest_items import nearest, ranks_of_matches
from md2n.serve.required import require_finite
from md2n.shapes import Bool, Float, Tensor

if TYPE_CHECKING:
    from md2n.serve.predictor import Predictor

FLAT = 512  # numbers of a sequence up to which its frames are kept apart
DEPTHS = (1, 5, 10)  # of recall
REPEATED = "several items have one id: which is the query's own is not known, so recall is not measured"

Parts = dict[str, npt.NDArray[np.float32]]
# From a batch to modality -> [B, T, d] with nothing missing.
Completion = Callable[[SequenceBatch], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Vectors:
    """N samples as vectors.

    Args:
        ids: ``[N]`` text.
        parts: modality -> ``[N, q_k]`` in normalised units, recovered where missing.
        available: ``[N, M]`` bool, what the sample has.
        notes: what a person should know of how the data were taken.
    """

    ids: Array
    parts: Parts
    available: npt.NDArray[np.bool_]
    notes: tuple[str, ...] = ()

    __repr__ = brief

    @property
    def joined(self) -> npt.NDArray[np.float32]:
        """``[N, q]`` all parts, each of length one (zero where it is zero)."""
        sizes = {k: np.linalg.norm(x, axis=1, keepdims=True) for k, x in self.parts.items()}
        return np.concatenate([x / np.where(sizes[k] > 0, sizes[k], 1) for k, x in self.parts.items()], axis=1)


@dataclass(frozen=True)
class Retrieved:
    """The nearest items of Q queries.

    Args:
        query_ids: ``[Q]`` text.
        ids: ``[Q, k]`` text, the nearest item first.
        distance: ``[Q, k]``, in [0, 2 sqrt(M)].
        rank: ``[Q]`` place of the item with the query's own id, from 1; NaN where there is none, where the search was
            approximate, or where items share an id.  Items as near as it count half.
        notes: what a person should know of how the data were taken.
    """

    query_ids: Array
    ids: Array
    distance: npt.NDArray[np.float32]
    rank: npt.NDArray[np.float64]
    notes: tuple[str, ...] = ()

    __repr__ = brief

    @property
    def measures(self) -> dict[str, float]:
        """``recall@1``, ``recall@5``, ``recall@10`` and ``median_rank`` of the queries whose own item is in the index.

        Empty where no query has one.
        """
        rank = self.rank[~np.isnan(self.rank)]
        if not len(rank):
            return {}
        values = {f"recall@{depth}": float((rank <= depth).mean()) for depth in DEPTHS}
        return {**values, "median_rank": float(np.median(rank))}


def retrieve(
    predictor: "Predictor",
    query: Mapping[str, Given] | Samples,
    index: Mapping[str, Given] | Samples,
    *,
    count: int = 10,
    approximate: bool = False,
    check_units: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Retrieved:
    """See ``Predictor.retrieve``."""
    sides = [vectors(predictor, one, check_units=check_units, progress=progress) for one in (query, index)]
    check_overlap(predictor, *sides)
    return search(*sides, count=count, approximate=approximate)


def vectors(
    predictor: "Predictor",
    data: Mapping[str, Given] | Samples,
    *,
    groups: Sequence[str] | None = None,
    complete: Completion | None = None,
    check_units: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Vectors:
    """Samples as vectors.

    Args:
        predictor: whose normalisation, and whose method recovers; one that does not leaves zeros, the training mean.
        data: as for ``Predictor.predict``.
        groups: as for ``Predictor.predict``.
        complete: fills a batch; the method if not given.
        check_units: as for ``Predictor.predict``.
        progress: as for ``Predictor.predict``.

    Raises:
        DataError: as for ``Predictor.predict``.
        DivergenceError: a recovered value that is not a finite number.
    """
    taken, fill = predictor.take(data, groups, check_units), complete or completion(predictor)
    modalities = predictor.schema.modalities
    pieces: dict[str, list[npt.NDArray[np.float32]]] = {m.name: [] for m in modalities}
    available = []
    with torch.inference_mode():
        least = {m.name: m.length for m in modalities}
        for batch in taken.batches(predictor.batch_size, predictor.device, progress, least):
            filled = fill(batch)
            ids = taken.samples.ids[to_numpy(batch.rows)]
            for m in modalities:
                frames = batch.frames(m.name) | batch.missing[:, batch.names.index(m.name), None]
                values = to_numpy(flat(m, filled[m.name], frames)).astype(np.float32)
                pieces[m.name].append(require_finite(f"the recovered '{m.name}'", values, ids))
            available.append(to_numpy(batch.available))
    parts = {k: np.concatenate(x) for k, x in pieces.items()}
    return Vectors(taken.samples.ids, parts, np.concatenate(available), taken.notes)


def completion(predictor: "Predictor") -> Completion:
    """Fills batches by the predictor's method, with zeros where it recovers nothing."""
    model = predictor.model

    def recovered(batch: SequenceBatch) -> Mapping[str, Tensor]:
        assert isinstance(model, Recovers)
        return model.recover(batch.poisoned(), generator(predictor.seed, "recover")).features

    return recovered if isinstance(model, Recovers) else zeros


def zeros(batch: SequenceBatch) -> Mapping[str, Tensor]:
    """What is missing is zero: the training mean."""
    return {name: batch.readable(name) for name in batch.names}


def flat(
    modality: Modality, features: Float[Tensor, "batch time dim"], frames: Bool[Tensor, "batch time"]
) -> Float[Tensor, "batch part"]:
    """One row of numbers for each sample, as many for every batch."""
    read = torch.where(frames[..., None], features, 0.0)
    if modality.length * modality.dim > FLAT and not modality.is_vector:
        return read.sum(dim=1) / frames.sum(dim=1).clamp(min=1)[:, None]
    more = max(0, modality.length - read.shape[1])
    return F.pad(read, (0, 0, 0, more))[:, : modality.length].flatten(1)


def check_overlap(predictor: "Predictor", query: Vectors, index: Vectors) -> None:
    """Refuses sides that cannot be compared.

    Raises:
        DataError: they have no modality in common, and the method recovers none.
    """
    held, offered = (np.asarray(side.available.any(axis=0)).tolist() for side in (query, index))
    if not isinstance(predictor.model, Recovers) and not any(a and b for a, b in zip(held, offered)):
        one, two = (pattern_name(tuple(side), predictor.schema.names) for side in (held, offered))
        raise DataError(
            f"the queries have {one}, the items {two}: no modality in common, and '{predictor.model.card.title}' does "
            "not recover modalities",
            "train 'md2n' or another recovery method, or give both sides a common modality",
        )


def search(query: Vectors, index: Vectors, *, count: int = 10, approximate: bool = False) -> Retrieved:
    """The ``count`` nearest items of each query, or all where there are fewer.

    Raises:
        UsageError: no item wanted, or an approximate search without the package for it.
    """
    if count < 1:
        raise UsageError(f"{count} items per query are none", "give a count of 1 or more")
    q, x = query.joined, index.joined
    places, distance = nearest(q, x, min(count, len(x)), approximate)
    own = {name: i for i, name in enumerate(index.ids.tolist())}
    repeated = len(own) < len(x)
    match = np.asarray([own.get(name, -1) for name in query.ids.tolist()])
    rank = np.full(len(q), np.nan) if approximate or repeated else ranks_of_matches(q, x, match)
    notes = (*query.notes, *index.notes, *((REPEATED,) if repeated else ()))
    return Retrieved(query.ids, index.ids[places], distance, rank, tuple(dict.fromkeys(notes)))
