"""Normalisation fitted on the training split: what networks see, and the way back to a modality's own units.

Per feature, over the valid frames of the training rows: centre and scale of the values clipped to their 1st and 99th
percentile, because measures such as COVAREP's F0 or peakSlope hold clipped values at +-255 that would swallow an
ordinary deviation.  A feature that does not vary is centred and left at scale one, so it gives zeros.

With ``group`` the members of a group (an actor, a subject) are centred and scaled by their own rows first, without any
label; that is how a person's resting level is taken out.  It needs data of the new person at use, not labels.  Whose
member is not known, or has too few frames to be measured, is taken for the average one: the training split as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.data.samples import Array, Ragged, Samples
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.seeding import numpy_generator

Floats = npt.NDArray[np.float32]
TAILS = (1.0, 99.0)  # percentiles to which values are clipped before mean and deviation are taken
FEWEST = 3  # frames a group needs to be normalised by itself
MOST = (
    20_000  # frames used for the statistics; a random subset beyond (a regular one would hit the same places of clips)
)
ANYONE = ""  # the member that stands for everyone whose own statistics are not known
FLAT = 1e-6  # a deviation below this part of the centre is rounding
TINY = 1e-30  # the least deviation float32 arithmetic can divide by with room to spare
DEAD = 1e-3  # after members were scaled to one, a deviation below this is what rounding left
KINDS = ("robust", "standard", "log", "none")


@dataclass(frozen=True)
class Affine:
    """``(x - centre) / scale`` per feature, both ``[d]`` float32."""

    centre: Floats
    scale: Floats

    @staticmethod
    def fit(frames: Array, kind: str, floor: float = TINY) -> "Affine":
        """From valid frames ``[n, d]``; identity for ``none`` or where there are no frames.

        A deviation below ``floor`` counts as none, and so does one of the size of rounding.
        """
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
        flat = scale <= np.maximum(floor, FLAT * np.abs(centre))
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
        limit: clipping of normalised values (``none`` clips nothing).
        group: group column, or "".
        train: modality -> the training split's statistics (after those of the groups, where there are any).
        members: ``(modality, member)`` -> that member's own statistics; the member ``""`` is anyone.
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
            kept = _kept(ragged, rows)
            frames = _frames(name, ragged, rows, kept, kind)
            shape = "standard" if kind == "log" else kind
            if group:
                anyone = members[(name, ANYONE)] = Affine.fit(frames, shape)
                owner = np.repeat(samples.groups[group][rows], ragged.lengths[rows])[kept]
                for member in np.unique(owner):
                    own = members.get((name, str(member)), anyone)
                    frames[owner == member] = own.apply(frames[owner == member])
            train[name] = Affine.fit(frames, shape, DEAD if group else TINY)
        return Normaliser(kind, limit, group, train, members)

    def known(self, name: str, member: str) -> bool:
        """True where a member of the group has statistics of its own for modality ``name``."""
        return member != ANYONE and (name, member) in self.members

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
        """``[T, d]`` in the data's units to normalised float32, clipped to +-limit.

        Args:
            name: modality.
            values: valid frames only, for ``log``.
            member: of the group; anyone where it is not given or not known.

        Raises:
            DataError: ``log`` of a value of -1 or less.
        """
        x = np.asarray(values, np.float32)
        if self.kind == "none":
            return x
        own = self._own(name, member)
        x = _logged(name, x, self.kind)
        x = self.train[name].apply(own.apply(x) if own else x)
        return np.clip(x, -self.limit, self.limit)

    def invert(self, name: str, values: Array, member: str | None = None) -> Floats:
        """Normalised ``[T, d]`` to the data's units; the inverse of ``apply`` inside the limit."""
        x = np.asarray(values, np.float32)
        if self.kind == "none":
            return x
        own = self._own(name, member)
        x = self.train[name].invert(x)
        x = own.invert(x) if own else x
        return np.expm1(x) if self.kind == "log" else x

    def _own(self, name: str, member: str | None) -> Affine | None:
        """Statistics of a member, or of anyone; none where nothing is normalised by group."""
        anyone = self.members.get((name, ANYONE))
        return anyone if member is None else self.members.get((name, member), anyone)

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


def _logged(name: str, x: Floats, kind: str) -> Floats:
    if kind != "log":
        return x
    if bool((x <= -1).any()):
        raise DataError(
            f"modality '{name}' holds values of -1 or less, of which there is no log(1 + x)",
            "log normalisation is for counts: --set data.normalise=robust, or mend the data",
        )
    return np.log1p(x)


def _kept(ragged: Ragged, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Positions, among the frames of ``rows`` end to end, of the valid ones used for statistics."""
    flags = [ragged.valid[ragged.offsets[i] : ragged.offsets[i + 1]] for i in rows]
    valid = np.flatnonzero(np.concatenate(flags)) if flags else np.zeros(0, np.int64)
    if len(valid) <= MOST:
        return valid
    return np.sort(numpy_generator(0, "normalise").choice(valid, MOST, replace=False))


def _frames(name: str, ragged: Ragged, rows: npt.NDArray[np.int64], kept: npt.NDArray[np.int64], kind: str) -> Floats:
    """``[n, d]`` frames at positions ``kept``, logarithm taken where asked; reads only those from a memory map."""
    spans = [np.arange(ragged.offsets[i], ragged.offsets[i + 1]) for i in rows]
    index = np.concatenate(spans) if spans else np.zeros(0, np.int64)
    # A copy always: fitting by group works on it.
    return _logged(name, np.array(ragged.values[index[kept]], np.float32), kind)


def _member_statistics(samples: Samples, group: str, kind: str) -> dict[tuple[str, str], Affine]:
    """Plain mean and deviation of every member with enough frames."""
    found: dict[tuple[str, str], Affine] = {}
    if not group or kind == "none":
        return found
    for member in np.unique(samples.groups[group]):
        rows = np.flatnonzero(samples.groups[group] == member)
        for name, ragged in samples.modalities.items():
            kept = _kept(ragged, rows)
            if len(kept) >= FEWEST and str(member) != ANYONE:
                found[(name, str(member))] = Affine.fit(_frames(name, ragged, rows, kept, kind), "standard")
    return found
