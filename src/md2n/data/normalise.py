"""Normalisation fitted on the training split, and its inverse.

Per feature, over the known cells of the training rows: mean and deviation of the values clipped to their 1st and 99th
percentile.  A feature that sticks at a far-off end is clipped to the percentiles of its other values: measures such as
COVAREP's peakSlope are clipped to +-255, which would swallow an ordinary deviation.  A feature that does not vary is
centred and keeps scale one, so it gives zeros.

With ``group`` the members of a group (an actor, a subject) are first centred and scaled by their own rows, without any
label; this removes a person's resting level.  It needs data of the new person, not labels.  A member who is not known,
or has too few frames, is normalised like anyone: by the training split as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.data.affine import TINY, Affine, Floats
from md2n.data.finite import require_finite
from md2n.data.gather import frame_index, gather
from md2n.data.samples import Array, Samples
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.seeding import numpy_generator

Rows = npt.NDArray[np.int64]
FEWEST = 3  # frames a group needs to be normalised by itself
MOST = 20_000  # frames used for the statistics; beyond, a random subset: a regular one would fall in step with clips
DEAD = 1e-3  # after members were scaled to one, a deviation below this is what rounding left
KINDS = ("robust", "standard", "log", "none")
DAMAGED = "it is damaged or of another md2n: restore it, or train again"


@dataclass(frozen=True)
class Normaliser:
    """Fitted normalisation of every modality; build it with ``fit`` or ``from_state``.

    Args:
        kind: ``robust``, ``standard``, ``log`` or ``none``.
        limit: clipping of normalised values (``none`` clips nothing).
        group: group column, or "".
        train: modality -> the training split's statistics (after those of the groups, where there are any).
        members: ``(modality, member)`` -> that member's own statistics.
        anyone: modality -> statistics in place of a member's own, where there are groups.
    """

    kind: str
    limit: float
    group: str
    train: Mapping[str, Affine]
    members: Mapping[tuple[str, str], Affine] = field(default_factory=dict)
    anyone: Mapping[str, Affine] = field(default_factory=dict)

    __repr__ = brief

    @staticmethod
    def fit(samples: Samples, rows: Rows, group: str = "", kind: str = "robust", limit: float = 10.0) -> "Normaliser":
        """Statistics of the training ``rows``; those of groups from all rows of the set (features only, no labels).

        Raises:
            UsageError: no such group column or kind.
            DataError: no training rows, or a NaN or an infinity in a valid frame.
        """
        if kind not in KINDS:
            raise UsageError(f"no normalisation is called '{kind}'", did_you_mean(kind, KINDS))
        if group and group not in samples.groups:
            raise UsageError(f"'{samples.name}' has no group column '{group}'", did_you_mean(group, samples.groups))
        if not len(rows):
            raise DataError(f"'{samples.name}' has no training rows", "assign rows to the split 'train'")
        group = "" if kind == "none" else group  # as they are, for everyone
        members = _member_statistics(samples, group, kind)
        train, anyone = {}, {}
        for name in samples.modalities:
            frames, owners = _frames(samples, name, rows, kind)
            if group:
                anyone[name] = Affine.fit(frames, _own_kind(kind))
                own = _of_members(samples.groups[group][rows][owners], name, members, anyone[name])
                frames = own.apply(frames)
            train[name] = Affine.fit(frames, _own_kind(kind), least_scale=DEAD if group else TINY)
        return Normaliser(kind, limit, group, train, members, anyone)

    def known(self, name: str, member: str) -> bool:
        """True where a member of the group has statistics of its own for modality ``name``."""
        return (name, member) in self.members

    def adapt(self, samples: Samples) -> "Normaliser":
        """The same training statistics, with the groups of new data normalised by themselves."""
        if not self.group or self.group not in samples.groups:
            return self
        fresh = _member_statistics(samples, self.group, self.kind)
        return Normaliser(self.kind, self.limit, self.group, self.train, {**self.members, **fresh}, self.anyone)

    def groups_of(self, samples: Samples) -> Array | None:
        """``[N]`` member of each sample, or ``None`` where there are no groups."""
        return samples.groups.get(self.group) if self.group else None

    def apply(self, name: str, values: Array, member: str | Array | None = None) -> Floats:
        """``[T, d]`` in the data's units to normalised float32, clipped to +-limit.

        Args:
            name: of the modality.
            values: valid frames only, for ``log``.
            member: of the group, one for all frames or ``[T]``; an unknown one and ``None`` are anyone.

        Raises:
            UsageError: unknown modality.
            DataError: a value of -1 or less under ``log``.
        """
        train, own = self._of(name), self._own(name, member)
        x = np.asarray(values, np.float32)
        if self.kind == "none":
            return x
        x = _logged(name, x, self.kind)
        x = train.apply(x if own is None else own.apply(x))
        return np.clip(x, -self.limit, self.limit)

    def invert(self, name: str, values: Array, member: str | Array | None = None) -> Floats:
        """Normalised ``[T, d]`` to the data's units; the inverse of ``apply`` inside the limit.

        Raises:
            UsageError: unknown modality.
        """
        train, own = self._of(name), self._own(name, member)
        x = np.asarray(values, np.float32)
        if self.kind == "none":
            return x
        x = train.invert(x)
        x = x if own is None else own.invert(x)
        return np.expm1(x) if self.kind == "log" else x

    def to_state(self) -> tuple[dict[str, Floats], dict[str, Any]]:
        """Arrays and a JSON-able description, for a run folder."""
        arrays: dict[str, Floats] = {}
        keys = sorted(self.members)
        affines = {f"train.{name}": a for name, a in self.train.items()}
        affines |= {f"anyone.{name}": a for name, a in self.anyone.items()}
        affines |= {f"member.{i}": self.members[key] for i, key in enumerate(keys)}
        for prefix, affine in affines.items():
            arrays |= {f"{prefix}.centre": affine.centre, f"{prefix}.scale": affine.scale}
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
        """The inverse of ``to_state``.

        Raises:
            DataError: something is missing, or a centre or scale is no number to normalise with.
        """

        def affine(prefix: str) -> Affine:
            statistics = Affine(arrays[f"{prefix}.centre"], arrays[f"{prefix}.scale"])
            if not statistics.is_usable:
                raise DataError(f"the saved normalisation holds no usable numbers in '{prefix}'", DAMAGED)
            return statistics

        try:
            names, group = meta["modalities"], meta["group"]
            train = {name: affine(f"train.{name}") for name in names}
            anyone = {name: affine(f"anyone.{name}") for name in names} if group else {}
            members = {(name, member): affine(f"member.{i}") for i, (name, member) in enumerate(meta["members"])}
            kind, limit = meta["kind"], float(meta["limit"])
        except KeyError as error:
            raise DataError(f"the saved normalisation lacks {error}", DAMAGED) from error
        except (TypeError, ValueError) as error:
            raise DataError(f"the saved normalisation cannot be read: {error}", DAMAGED) from error
        if kind not in KINDS or not 0 < limit < float("inf"):
            raise DataError(f"the saved normalisation is of kind '{kind}' with limit {limit:g}", DAMAGED)
        return Normaliser(kind, limit, group, train, members, anyone)

    def check(self, dims: Mapping[str, int]) -> None:
        """Refuses statistics that do not belong to these modalities.

        Args:
            dims: modality -> feature size.

        Raises:
            DataError: a modality without statistics, or statistics of another size.
        """
        if self.kind not in KINDS:
            raise DataError(f"the saved normalisation is of the unknown kind {self.kind!r}", "train again")
        held = [*self.train.items(), *self.anyone.items(), *((name, a) for (name, _), a in self.members.items())]
        for name in dims:
            if name not in self.train:
                raise DataError(f"the saved normalisation lacks modality '{name}'", "train again")
        for name, affine in held:
            for numbers in (affine.centre, affine.scale):
                if name not in dims or numbers.shape != (dims[name],):
                    raise DataError(
                        f"the saved normalisation of '{name}' has shape {numbers.shape}, the model takes "
                        f"{dims.get(name, 'no')} such features",
                        "it is damaged or of another run; restore the file, or train again",
                    )

    def _of(self, name: str) -> Affine:
        if name not in self.train:
            raise UsageError(f"no normalisation was fitted for modality '{name}'", did_you_mean(name, self.train))
        return self.train[name]

    def _own(self, name: str, member: str | Array | None) -> Affine | None:
        """What comes before the training statistics: per frame, or for all frames; ``None`` without groups."""
        if not self.group:
            return None
        if member is None or isinstance(member, str):
            return self.members.get((name, member or ""), self.anyone.get(name))
        return _of_members(member, name, self.members, self.anyone[name])


def _own_kind(kind: str) -> str:
    """How a member's own statistics are taken; the logarithm is taken before."""
    return "standard" if kind == "log" else kind


def _of_members(owner: Array, name: str, members: Mapping[tuple[str, str], Affine], anyone: Affine) -> Affine:
    """``[T, d]`` statistics of the member to whom each frame belongs."""
    owners, place = np.unique(owner, return_inverse=True)
    own = [members.get((name, str(member)), anyone) for member in owners]
    if not own:
        return anyone
    return Affine(np.stack([a.centre for a in own])[place], np.stack([a.scale for a in own])[place])


def _logged(name: str, x: Floats, kind: str) -> Floats:
    if kind != "log":
        return x
    if bool((x <= -1).any()):
        raise DataError(
            f"modality '{name}' holds values of -1 or less, of which there is no log(1 + x)",
            "log normalisation is for counts: --set data.normalise=robust, or mend the data",
        )
    return np.log1p(x)


def _frames(samples: Samples, name: str, rows: Rows, kind: str) -> tuple[Floats, Rows]:
    """``[n, d]`` valid frames used for statistics, NaN at unknown cells, and to which of ``rows`` each belongs."""
    ragged = samples.modalities[name]
    index = frame_index(ragged.offsets, rows)
    positions = np.flatnonzero(ragged.valid[index])
    if len(positions) > MOST:
        positions = np.sort(numpy_generator(0, "normalise").choice(positions, MOST, replace=False))
    owners = np.repeat(np.arange(len(rows)), ragged.lengths[rows])[positions]
    frames = np.asarray(gather(ragged.values, index[positions]), np.float32)
    cells = None if ragged.cells is None else np.asarray(gather(ragged.cells, index[positions]), bool)
    require_finite(name, frames, cells, lambda i: str(samples.ids[rows[owners[i]]]))
    if cells is not None:
        frames = np.where(cells, frames, np.float32(np.nan))
    return _logged(name, frames, kind), owners


def _member_statistics(samples: Samples, group: str, kind: str) -> dict[tuple[str, str], Affine]:
    """Mean and deviation of every member with enough frames; "" is no member."""
    statistics: dict[tuple[str, str], Affine] = {}
    if not group:
        return statistics
    for member in np.unique(samples.groups[group]):
        rows = np.flatnonzero(samples.groups[group] == member)
        for name in samples.modalities:
            frames, _ = _frames(samples, name, rows, kind)
            if len(frames) >= FEWEST and str(member):
                # The percentiles of a handful of frames say nothing about tails: only ends that stick are left out.
                statistics[(name, str(member))] = Affine.fit(frames, _own_kind(kind), tails=(0.0, 100.0))
    return statistics
