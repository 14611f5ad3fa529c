"""Training rows that a method keeps: flattened samples, and what one set of modalities says of another among them.

A method says one thing of its own: how the answer for one set of available modalities and one target is fitted.
"""

import abc
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import nn

from md2n.batch import SequenceBatch
from md2n.brief import brief
from md2n.errors import DataError
from md2n.methods.parts.nearest import Distances, Query
from md2n.modality import Modality, Schema
from md2n.noise import SampleNoise
from md2n.seeding import numpy_generator
from md2n.shapes import Bool, Float, Int, Tensor

ROWS = 2048  # training rows kept: the exact fit of a ridge costs their cube at worst
FLAT = 2048  # sequences up to this many numbers are filled frame by frame, longer ones by their mean over time


@runtime_checkable
class Answer(Protocol):
    """What is known of one target from one set of available modalities."""

    def __call__(self, query: Query) -> Float[Tensor, "n q"]:
        """The point estimate for each sample."""
        ...

    def candidates(self, query: Query) -> tuple[Float[Tensor, "n q"], Float[Tensor, "n k q"]]:
        """The point estimate, and k values of which every one is as likely to be drawn as the others."""
        ...


@dataclass(frozen=True)
class Marginal:
    """The training split's values of the target, whatever is available.

    Args:
        values: ``[N, q]``.
    """

    values: Float[Tensor, "N q"]

    __repr__ = brief

    def __call__(self, query: Query) -> Float[Tensor, "n q"]:
        """Their mean."""
        return self.values.mean(0).expand(len(query.inputs), -1)

    def candidates(self, query: Query) -> tuple[Float[Tensor, "n q"], Float[Tensor, "n k q"]]:
        """Their mean, and all of them."""
        return self(query), self.values.expand(len(query.inputs), -1, -1)


class FlatRows(nn.Module):
    """Samples as rows of numbers, all modalities side by side, and back."""

    schema: Schema

    def shape_rows(self, schema: Schema) -> None:
        """Sets how many frames and numbers of each modality a row has."""
        self.lengths = tuple(m.length if m.length * m.dim <= FLAT else 1 for m in schema.modalities)
        self.widths = tuple(n * m.dim for n, m in zip(self.lengths, schema.modalities))

    def sampled(
        self, batches: Iterable[SequenceBatch]
    ) -> tuple[Float[Tensor, "row all"], Bool[Tensor, "row modality"]]:
        """Up to ``ROWS`` samples, flattened, and what they hold; of more, a random sample."""
        rows: list[Tensor] = []
        held: list[Tensor] = []
        count = 0
        place = numpy_generator(0, "rows of the ridge")
        for batch in batches:
            for row, holds in zip(self.flat(batch), batch.present):
                count += 1
                if len(rows) < ROWS:
                    rows.append(row)
                    held.append(holds)
                elif (n := int(place.integers(count))) < ROWS:
                    rows[n], held[n] = row, holds
        return torch.stack(rows), torch.stack(held)

    def padded(self, batch: SequenceBatch, k: int) -> tuple[Tensor, Tensor]:
        """What an encoder reads of modality k, and its frames, at least as long as the answer."""
        modality = self.schema.modalities[k]
        more = max(0, self.lengths[k] - batch.features[modality.name].shape[1])
        return F.pad(batch.inputs(modality), (0, 0, 0, more)), F.pad(batch.frames(modality.name), (0, more))

    def flat(self, batch: SequenceBatch) -> Float[Tensor, "batch all"]:
        """What is available, one row per sample: frames end to end, or their mean over time for long sequences."""
        parts = []
        for k, (modality, length) in enumerate(zip(self.schema.modalities, self.lengths)):
            features, frames = self.padded(batch, k)
            features = features[..., : modality.dim]
            if length == 1 and not modality.is_vector:
                count = frames.sum(dim=1).clamp(min=1)[:, None]
                parts.append(features.sum(dim=1) / count)
            else:
                parts.append(features[:, :length].flatten(1))
        return torch.cat(parts, dim=1)

    def groups(
        self, batch: SequenceBatch
    ) -> list[tuple[Float[Tensor, "n p"], Bool[Tensor, " batch"], Bool[Tensor, " modality"]]]:
        """What is given, which samples they are, and their modalities, for each set of available modalities."""
        flat = self.flat(batch)
        patterns, which = torch.unique(batch.available, dim=0, return_inverse=True)
        chosen = ((which == p, pattern) for p, pattern in enumerate(patterns))
        return [(self.inputs_of(g, flat[members]), members, g) for members, g in chosen]

    def framed(self, flat: Float[Tensor, "*any q"], k: int) -> Float[Tensor, "*any _time _dim"]:
        """Rows of numbers of modality k as frames."""
        return flat.reshape(*flat.shape[:-1], self.lengths[k], self.schema.modalities[k].dim)

    def stretched(
        self, x: Float[Tensor, "*any _length dim"], k: int, like: Float[Tensor, "batch time dim"]
    ) -> Float[Tensor, "*any time dim"]:
        """Frames as many as ``like`` has: a mean over time in all of them, else zeros past the answer's end."""
        frames = like.shape[1]
        if self.lengths[k] == 1:
            return x.expand(*x.shape[:-2], frames, -1)
        return F.pad(x, (0, 0, 0, max(0, frames - x.shape[-2])))[..., :frames, :]

    def missing_of(self, pattern: Bool[Tensor, " modality"]) -> list[tuple[int, Modality]]:
        """Column and modality of what a pattern lacks."""
        return [(k, m) for k, m in enumerate(self.schema.modalities) if not bool(pattern[k])]

    def inputs_of(self, pattern: Bool[Tensor, " modality"], rows: Tensor) -> Float[Tensor, "n p"]:
        """What is given in ``pattern`` of flattened rows."""
        return rows[:, pattern.repeat_interleave(torch.tensor(self.widths, device=pattern.device))]

    def target_of(self, k: int, rows: Tensor) -> Float[Tensor, "n q"]:
        """Modality k of flattened rows."""
        return torch.split(rows, list(self.widths), dim=1)[k]


class KeptRows(FlatRows, abc.ABC):
    """Keeps training rows as part of its state; fits lazily, one pattern and target at a time."""

    rows: Tensor
    held: Tensor

    def make_rows(self, schema: Schema) -> None:
        """Makes the buffers, empty."""
        self.shape_rows(schema)
        self.register_buffer("rows", torch.zeros(0, sum(self.widths)))
        self.register_buffer("held", torch.zeros(0, len(schema.modalities), dtype=torch.bool))
        self._fits: dict[tuple[tuple[bool, ...], int], Answer] = {}

    @abc.abstractmethod
    def fit_answer(self, pattern: Bool[Tensor, " modality"], k: int, sharing: Bool[Tensor, " row"]) -> Answer:
        """The answer for modality k where ``pattern`` is available.

        Args:
            pattern: ``[M]``.
            k: the target.
            sharing: ``[N]``, the kept rows that hold the target and some of the pattern; two at least.
        """

    def fit(self, batches: Iterable[SequenceBatch]) -> None:
        """Keeps ``sampled`` training rows."""
        self.rows, self.held = self.sampled(batches)
        self._fits.clear()

    def rows_for(self, pattern: Bool[Tensor, " modality"], sharing: Bool[Tensor, " row"]) -> Int[Tensor, " n"]:
        """Places of the kept rows that a regression from ``pattern`` is fitted on, of those that are ``sharing``.

        If fewer than two rows hold the whole pattern, rows with a part of it are used; zeros fill the rest.
        """
        complete = sharing & (self.held | ~pattern).all(dim=1)
        return (complete if int(complete.sum()) >= 2 else sharing).nonzero()[:, 0]

    def queries(self, batch: SequenceBatch) -> list[Query]:
        """The samples of a batch, by their sets of available modalities."""
        distances = Distances(self.flat(batch), self.rows, self.held, self.widths)
        return [Query(inputs, members, pattern, distances) for inputs, members, pattern in self.groups(batch)]

    def answer(self, pattern: Bool[Tensor, " modality"], k: int) -> Answer:
        """What is known of modality k where ``pattern`` is available; fitted when it is first asked for.

        Raises:
            DataError: no kept row holds modality k.
        """
        key = (tuple(map(bool, pattern)), k)
        if key not in self._fits:
            holding = self.held[:, k]
            sharing = holding & (self.held & pattern).any(dim=1)
            if not bool(holding.any()):
                name = self.schema.names[k]
                raise DataError(
                    f"no training sample holds modality '{name}', so nothing can be filled in for it",
                    "leave the modality out, or train on samples that have it",
                )
            if int(sharing.sum()) < 2:
                # No two rows hold both sides: the training split's distribution is all that is known.
                self._fits[key] = Marginal(self.target_of(k, self.rows[holding]))
            else:
                self._fits[key] = self.fit_answer(pattern, k, sharing)
        return self._fits[key]

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        # The kept rows' number is the training set's, not the constructor's.
        for name in ("rows", "held"):
            if prefix + name in state_dict:
                setattr(self, name, torch.zeros_like(state_dict[prefix + name]))
        self._fits.clear()
        super()._load_from_state_dict(state_dict, prefix, *rest)


def choices(noise: SampleNoise, candidates: Float[Tensor, "batch k q"], count: int) -> Float[Tensor, "draw batch q"]:
    """``count`` of each sample's candidates, each draw any of them: a normal number's own rank is uniform."""
    place = (_uniform(noise, candidates, count) * candidates.shape[1]).long().clamp(max=candidates.shape[1] - 1)
    return candidates[torch.arange(len(candidates), device=place.device), place]


def between(noise: SampleNoise, candidates: Float[Tensor, "batch k q"], count: int) -> Float[Tensor, "draw batch q"]:
    """Draws in the k + 1 gaps that candidates leave, and each as likely: where the next exchangeable value would be.

    A draw is of one candidate: it has that candidate's rank in each of its numbers, so its numbers go together as they
    do there.  Rank r of 1..k and a uniform v, one for all numbers, are the place (r - v) (k + 1) / k among the sorted
    values, linear between two of them.  The outer gaps are as wide as their neighbours.  A number whose value several
    candidates share is drawn as that value in the gaps between them.  So intervals of many draws reach as far as k
    exchangeable values warrant, where k values drawn again and again fall short (docs/log.md).
    """
    k = candidates.shape[1]
    if k < 2:
        return choices(noise, candidates, count)
    unit = _uniform(noise, candidates, count) * k
    place = unit.long().clamp(max=k - 1)
    values = candidates.transpose(1, 2).contiguous()
    ordered, order = values.sort(dim=2, stable=True)
    ranks = torch.empty_like(order).scatter_(2, order, torch.arange(k, device=order.device).expand_as(order))
    ends = 2 * ordered[..., :1] - ordered[..., 1:2], 2 * ordered[..., -1:] - ordered[..., -2:-1]
    ordered = torch.cat([ends[0], ordered, ends[1]], dim=2)
    rank = ranks.gather(2, place.T[:, None].expand(-1, values.shape[1], -1))
    where = (rank + (unit - place).clamp(max=1).T[:, None]) * ((k + 1) / k)
    below = where.long().clamp(max=k)
    low, high = ordered.gather(2, below), ordered.gather(2, below + 1)
    return low.lerp(high, (where - below).to(low)).permute(2, 0, 1)


def _uniform(noise: SampleNoise, candidates: Float[Tensor, "batch k q"], count: int) -> Float[Tensor, "draw batch"]:
    """A number in [0, 1] for each draw of each sample."""
    normal = noise.draws(count).like(candidates.new_zeros(count * len(candidates), 1))
    unit: Tensor = torch.special.ndtr(normal)
    return unit.view(count, len(candidates))
