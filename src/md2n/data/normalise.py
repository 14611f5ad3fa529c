"""Normalisation fitted on the training split: what networks see, and the way back to a modality's own units.

Per feature, over the valid frames of the training rows: centre and scale of the values clipped to their 1st and 99th
percentile, because measures such as COVAREP's F0 or peakSlope hold clipped values at +-255 that would swallow an
ordinary deviation.  A feature that does not vary is centred and left at scale one, so it gives zeros.

With ``group`` the members of a group (an actor, a subject) are centred and scaled by their own rows first, without any
label; that is how a person's resting level is taken out.  It needs data of the new person at use, not labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.data.samples import Array, Ragged, Samples
from md2n.errors import DataError, UsageError, did_you_mean

Floats = npt.NDArray[np.float32]
TAILS = (1.0, 99.0)  # percentiles to which values are clipped before mean and deviation are taken
FEWEST = 3  # frames a group needs to be normalised by itself
MOST = 20_000  # frames used for the statistics; a regular subset beyond
KINDS = ("robust", "standard", "log", "none")


@dataclass(frozen=True)
class Affine:
    """``(x - centre) / scale`` per feature, both ``[d]`` float32."""

    centre: Floats
    scale: Floats

    @staticmethod
    def fit(frames: Array, kind: str) -> "Affine":
        """From valid frames ``[n, d]``; identity for ``none`` or where there are no frames."""
        dim = frames.shape[1]
        if kind == "none" or not len(frames):
            return Affine(np.zeros(dim, np.float32), np.ones(dim, np.float32))
        x = np.asarray(frames, np.float64)
        if kind == "robust":
            low, high = np.percentile(x, TAILS, axis=0)
            inside = np.clip(x, low, high)
            # Where at least 98 of 100 values are equal the tails are all there is: keep them.
            x = np.where(high > low, inside, x)
        centre, scale = x.mean(axis=0), x.std(axis=0)
        flat = scale <= 1e-6 * np.maximum(1.0, np.abs(centre))
        return Affine(centre.astype(np.float32), np.where(flat, 1.0, scale).astype(np.float32))

    def apply(self, x: Floats) -> Floats:
        """Towards the network."""
        return (x - self.centre) / self.scale

    def invert(self, x: Floats) -> Floats:
        """Towards the data."""
        return x * self.scale + self.centre


@dataclass(frozen=True)
class Normaliser:
    """Fitted normalisation of every modality; build it with ``fit`` or ``from_state``.

    Args:
        kind: ``robust``, ``standard``, ``log`` or ``none``.
        limit: clipping of normalised values.
        group: group column, or "".
        train: modality -> the training split's statistics (after those of the groups, where there are any).
        members: ``(modality, member)`` -> that member's own statistics.
    """

    kind: str
    limit: float
    group: str
    train: Mapping[str, Affine]
    members: Mapping[tuple[str, str], Affine]

    @staticmethod
    def fit(
        samples: Samples, rows: npt.NDArray[np.int64], group: str = "", kind: str = "robust", limit: float = 10.0
    ) -> "Normaliser":
        """Statistics of the training ``rows``; those of groups from all rows of the set (features only, no labels).

        Raises:
            UsageError: no such group column or kind.
            DataError: no training rows.
        """
        if kind not in KINDS:
            raise UsageError(f"no normalisation is called '{kind}'", did_you_mean(kind, KINDS))
        if group and group not in samples.groups:
            raise UsageError(f"'{samples.name}' has no group column '{group}'", did_you_mean(group, samples.groups))
        if not len(rows):
            raise DataError(f"'{samples.name}' has no training rows", "assign rows to the split 'train'")
        members = _member_statistics(samples, group, kind)
        train = {}
        for name, ragged in samples.modalities.items():
            frames = _frames(ragged, rows, kind)
            if group:
                owner = np.repeat(samples.groups[group][rows], ragged.lengths[rows])[_kept(ragged, rows)]
                for member in np.unique(owner):
                    own = members.get((name, str(member)))
                    if own is not None:
                        frames[owner == member] = own.apply(frames[owner == member])
            train[name] = Affine.fit(frames, "standard" if kind == "log" else kind)
        return Normaliser(kind, limit, group, train, members)

    def adapted(self, samples: Samples) -> "Normaliser":
        """The same training statistics, with the groups of new data normalised by themselves."""
        if not self.group or self.group not in samples.groups:
            return self
        fresh = _member_statistics(samples, self.group, self.kind)
        return Normaliser(self.kind, self.limit, self.group, self.train, {**self.members, **fresh})

    def groups_of(self, samples: Samples) -> npt.NDArray[np.str_] | None:
        """``[N]`` member of each sample, or ``None`` where there are no groups."""
        return samples.groups.get(self.group) if self.group else None

    def apply(self, name: str, values: Array, member: str | None = None) -> Floats:
        """``[T, d]`` in the data's units to normalised float32, clipped to +-limit."""
        x = _logged(np.asarray(values, np.float32), self.kind)
        own = self.members.get((name, member)) if member is not None else None
        x = self.train[name].apply(own.apply(x) if own else x)
        return np.clip(x, -self.limit, self.limit)

    def invert(self, name: str, values: Array, member: str | None = None) -> Floats:
        """Normalised ``[T, d]`` to the data's units; the inverse of ``apply`` inside the limit."""
        x = self.train[name].invert(np.asarray(values, np.float32))
        own = self.members.get((name, member)) if member is not None else None
        x = own.invert(x) if own else x
        return np.expm1(x) if self.kind == "log" else x

    def to_state(self) -> tuple[dict[str, Floats], dict[str, Any]]:
        """Arrays and a JSON-able description, for a run folder."""
        arrays: dict[str, Floats] = {}
        for name, affine in self.train.items():
            arrays |= {f"train.{name}.centre": affine.centre, f"train.{name}.scale": affine.scale}
        keys = sorted(self.members)
        for i, key in enumerate(keys):
            arrays |= {f"member.{i}.centre": self.members[key].centre, f"member.{i}.scale": self.members[key].scale}
        meta = {
            "kind": self.kind,
            "limit": self.limit,
            "group": self.group,
            "modalities": list(self.train),
            "members": [list(k) for k in keys],
        }
        return arrays, meta

    @staticmethod
    def from_state(arrays: Mapping[str, Floats], meta: Mapping[str, Any]) -> "Normaliser":
        """The inverse of ``to_state``."""

        def affine(prefix: str) -> Affine:
            return Affine(arrays[f"{prefix}.centre"], arrays[f"{prefix}.scale"])

        train = {name: affine(f"train.{name}") for name in meta["modalities"]}
        members = {(name, member): affine(f"member.{i}") for i, (name, member) in enumerate(meta["members"])}
        return Normaliser(meta["kind"], meta["limit"], meta["group"], train, members)


def _logged(x: Floats, kind: str) -> Floats:
    if kind != "log":
        return x
    if x.size and float(np.nanmin(x)) <= -1:
        raise DataError("log normalisation met a value of -1 or less", "set data.normalise to 'robust'")
    return np.log1p(x)


def _kept(ragged: Ragged, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Positions, among the frames of ``rows`` end to end, of the valid ones used for statistics."""
    flags = [ragged.valid[ragged.offsets[i] : ragged.offsets[i + 1]] for i in rows]
    valid = np.flatnonzero(np.concatenate(flags)) if flags else np.zeros(0, np.int64)
    return valid[:: max(1, -(-len(valid) // MOST))]


def _frames(ragged: Ragged, rows: npt.NDArray[np.int64], kind: str) -> Floats:
    """``[n, d]`` valid frames used for statistics, logarithm taken where asked; reads only those from a memory map."""
    spans = [np.arange(ragged.offsets[i], ragged.offsets[i + 1]) for i in rows]
    index = np.concatenate(spans) if spans else np.zeros(0, np.int64)
    chosen = np.asarray(ragged.values[index[_kept(ragged, rows)]], np.float32)
    return _logged(chosen, kind)


def _member_statistics(samples: Samples, group: str, kind: str) -> dict[tuple[str, str], Affine]:
    """Plain mean and deviation of every member with enough frames."""
    if not group:
        return {}
    found = {}
    for member in np.unique(samples.groups[group]):
        rows = np.flatnonzero(samples.groups[group] == member)
        for name, ragged in samples.modalities.items():
            frames = _frames(ragged, rows, kind)
            if len(frames) >= FEWEST:
                found[(name, str(member))] = Affine.fit(frames, "none" if kind == "none" else "standard")
    return found
