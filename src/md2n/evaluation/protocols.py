"""Which modalities are hidden from whom: the fixed patterns, and random missing rates drawn once for all methods.

``fixed@1``: every incomplete pattern in turn, and ``complete``.  A sample of which a pattern leaves nothing (data with
natural gaps) takes no part in that condition; conditions say how many samples do.

``random@1``: rates 0, 0.1, .. 0.7 of the P present modalities are hidden, at least one of every sample is not.  The
paper's rate is ``1 - sum_i m_i / (N M)``; with natural gaps ours counts present modalities only.  The drawing: one
modality of every sample, uniform, is safe; all others are put in one random order; rate r hides the first
``round(r P)`` of them.  So the realised rate is the requested one to within 1 / (2 P), as long as P minus the number of
samples (all that may be hidden) reaches; beyond, everything that may be hidden is.  For three modalities 0.7 is 2/3
exactly, not the 60.6% that a published implementation realises where it prints 70%.  The masks of rising rates are
nested: what is hidden at 0.1 is hidden at 0.2, so a curve shows the rate and not eight drawings.  ``nested=False``
draws each afresh.

``every@1``: every incomplete pattern of any number of modalities, 62 of six and 126 of seven, then ``complete``; where
there are more than ``MOST``, so many of them, as many of each size as can be, drawn once and saved like masks.

``hidden@1``: chosen modalities are hidden, each at a rate of its own, as ``md2n.missing.hide_at_rates`` tells: from
whom depends on the seed and the samples' ids alone.  One condition, named by what is hidden: ``image=0.7``.

Masks are saved because no library promises the same random stream for ever; a saved file is bound to the data.
"""

import hashlib
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.data.readers.npy import load_npz
from md2n.durable import make_directory, write_bytes
from md2n.errors import DataError, UsageError
from md2n.evaluation.results import PROTOCOLS
from md2n.missing import hide_at_rates, incomplete_patterns, pattern_flags
from md2n.modality import set_name
from md2n.reading import exists, reading
from md2n.seeding import numpy_generator

Flags = npt.NDArray[np.bool_]

COMPLETE = "complete"
MOST = 126  # patterns of ``every@1``: all of seven modalities
RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True, eq=False)
class Condition:
    """One way of hiding modalities from a whole data set.

    Args:
        name: ``text+audio`` (what is left), ``complete``, ``rate=0.3``, or ``image=0.7`` (what is hidden).
        available: ``[N, M]``; True where a method may read.  A row that is False throughout takes no part.
        requested_rate: the rate asked for under the random protocol; None under the others.
        realised_rate: share of the present modalities, of the samples that take part, that is hidden.
        inside: share of the known numbers of available modalities that is hidden (``md2n.evaluation.inside``).
    """

    name: str
    available: Flags
    requested_rate: float | None
    realised_rate: float
    inside: float = 0.0

    __repr__ = brief

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Positions of the samples that take part, rising."""
        return np.flatnonzero(self.available.any(axis=1))

    @property
    def excluded(self) -> int:
        """Samples of which nothing would be left."""
        return len(self.available) - len(self.rows)


def fixed_conditions(present: Flags, names: tuple[str, ...]) -> tuple[Condition, ...]:
    """``fixed@1``: every incomplete pattern (see ``md2n.missing.incomplete_patterns``), then ``complete``.

    Args:
        present: ``[N, M]``; what the data hold.
        names: modality names, in the order of the columns.

    Raises:
        DataError: a sample has no modality, or a modality is called ``complete``.

    Paper: Sec. 4.1.
    """
    return _pattern_conditions(present, names, incomplete_patterns(names))


def every_conditions(present: Flags, names: tuple[str, ...], seed: int) -> tuple[Condition, ...]:
    """``every@1``: every non-empty proper subset, smaller ones first, then ``complete``; at most ``MOST``, drawn.

    Args:
        present: ``[N, M]``; what the data hold.
        names: modality names, in the order of the columns.
        seed: of the drawing, where there are too many.

    Raises:
        DataError: a sample has no modality, or a modality is called ``complete``.
    """
    return _pattern_conditions(present, names, every_pattern(names, seed))


def every_pattern(names: tuple[str, ...], seed: int) -> tuple[tuple[str, ...], ...]:
    """The available sets of ``every@1``: all of them, or ``MOST`` with as many of each size as can be.

    Args:
        names: modality names, in their order.
        seed: of the drawing.
    """
    sizes = range(1, len(names))
    if 2 ** len(names) - 2 <= MOST:
        return tuple(subset for size in sizes for subset in combinations(names, size))
    rng = numpy_generator(seed, PROTOCOLS["every"])
    room, wanted = MOST, {}
    # The sizes with the fewest subsets first, so that what they leave goes to the others.
    for left, size in enumerate(sorted(sizes, key=lambda size: math.comb(len(names), size))):
        wanted[size] = min(math.comb(len(names), size), room // (len(sizes) - left))
        room -= wanted[size]
    drawn: list[tuple[str, ...]] = []
    for size in sizes:
        chosen: set[tuple[int, ...]] = set()
        while len(chosen) < wanted[size]:
            chosen.add(tuple(sorted(rng.permutation(len(names))[:size].tolist())))
        drawn += [tuple(names[k] for k in subset) for subset in sorted(chosen)]
    return tuple(drawn)


def _pattern_conditions(
    present: Flags, names: tuple[str, ...], subsets: Iterable[tuple[str, ...]]
) -> tuple[Condition, ...]:
    """A condition for each available set, then ``complete``."""
    _check(present, names)
    if COMPLETE in names:
        raise DataError(f"a modality is called '{COMPLETE}', as is the condition that hides nothing", "rename it")
    patterns = {set_name(p): np.array(pattern_flags(p, names)) for p in subsets}
    patterns[COMPLETE] = np.ones(len(names), bool)
    return tuple(_condition(name, present & flags, present, None) for name, flags in patterns.items())


def random_conditions(
    present: Flags, names: tuple[str, ...], seed: int, *, rates: tuple[float, ...] = RATES, nested: bool = True
) -> tuple[Condition, ...]:
    """``random@1``: one condition per rate, drawn from ``seed`` as the module's head tells.

    Args:
        present: ``[N, M]``; what the data hold.
        names: modality names, in the order of the columns.
        seed: of the drawing.
        rates: in [0, 1), rising.
        nested: what a rate hides, every higher one hides; else every rate is drawn for itself.

    Raises:
        DataError: a sample has no modality.
        UsageError: a rate out of range, or rates that do not rise.
    """
    _check(present, names)
    if any(not 0 <= r < 1 for r in rates) or list(rates) != sorted(set(rates)):
        raise UsageError(f"rates {', '.join(f'{r:g}' for r in rates)} do not rise within [0, 1)", "as in 0, 0.1, 0.2")
    conditions = []
    for number, rate in enumerate(rates):
        rng = numpy_generator(seed, PROTOCOLS["random"], 0 if nested else number)
        available = present.copy()
        rows, columns = _hiding_order(present, rng)
        hidden = int(np.floor(rate * present.sum() + 0.5))  # more than there are: all of them
        available[rows[:hidden], columns[:hidden]] = False
        conditions.append(_condition(f"rate={rate:g}", available, present, rate))
    return tuple(conditions)


def hidden_condition(
    present: Flags, names: tuple[str, ...], ids: Iterable[str], rates: Mapping[str, float], seed: int
) -> Condition:
    """``hidden@1``: the condition in which modalities are hidden at rates of their own.

    Args:
        present: ``[N, M]``; what the data hold.
        names: modality names, in the order of the columns.
        ids: ``[N]`` of the samples.
        rates: modality -> rate in [0, 1]; one at least.
        seed: of the drawing.

    Raises:
        DataError: a sample has no modality.
        UsageError: no rate, a modality that is not there, or a rate out of range.
    """
    _check(present, names)
    if not rates:
        raise UsageError("nothing is hidden: no rate was given", "name a modality and a rate, as in image=0.7")
    available = hide_at_rates(present, names, ids, rates, seed)
    return _condition(",".join(f"{n}={rates[n]:g}" for n in names if n in rates), available, present, None)


def save_masks(
    path: Path,
    conditions: tuple[Condition, ...],
    *,
    names: tuple[str, ...],
    data_checksum: str,
    split: str,
    protocol: str = "random",
) -> None:
    """Writes drawn conditions atomically, with what they belong to and a checksum of their own.

    Raises:
        StorageError: the file could not be written; what stood there before is untouched.
    """
    available = np.stack([c.available for c in conditions])
    requested = np.array([np.nan if c.requested_rate is None else c.requested_rate for c in conditions])
    realised = np.array([c.realised_rate for c in conditions])
    facts = _head(names, data_checksum, split, [c.name for c in conditions], protocol)
    head = json.dumps(facts | {"digest": _digest(available)})
    content = io.BytesIO()
    np.savez_compressed(
        content,
        available=np.packbits(available),
        shape=available.shape,
        requested=requested,
        realised=realised,
        head=np.array(head),
    )
    make_directory(path.parent)
    write_bytes(path, content.getvalue())


def load_masks(
    path: Path, *, names: tuple[str, ...], data_checksum: str, split: str, protocol: str = "random"
) -> tuple[Condition, ...]:
    """Drawn conditions as saved.

    Raises:
        DataError: the file is absent or damaged, or belongs to other data, another split, other modalities or
            another version of the protocol; the message names which.
    """
    remedy = "remove it to draw new masks (earlier random results then no longer compare)"
    if not exists(path):
        raise DataError(f"there is no masks file at '{path}'", "draw them, then save")
    held = load_npz(path, ("head", "shape", "available", "requested", "realised"), remedy)
    with reading(path, hint=remedy, state="is no masks file, or a damaged one"):
        head = _facts(str(held["head"]))
        shape = tuple(int(s) for s in held["shape"])
        count = math.prod(shape)
        if min(shape) < 0 or not 0 <= 8 * held["available"].size - count < 8:
            raise ValueError(f"{count} flags are promised, {8 * held['available'].size} are there")
        available = np.unpackbits(held["available"], count=count).astype(bool).reshape(shape)
        requested, realised = (np.asarray(held[key], np.float64) for key in ("requested", "realised"))
    expected = _head(names, data_checksum, split, [], protocol)
    for key in ("protocol", "data_checksum", "split", "modalities"):
        if head.get(key) != expected[key]:
            raise DataError(f"masks '{path.name}' are for {key} {head.get(key)!r}, not {expected[key]!r}", remedy)
    if head.get("digest") != _digest(available) or any(
        len(each) != len(available) for each in (head["conditions"], requested, realised)
    ):
        raise DataError(f"masks '{path.name}' do not match their checksum", remedy)
    return tuple(
        Condition(name, available[i], None if np.isnan(requested[i]) else float(requested[i]), float(realised[i]))
        for i, name in enumerate(head["conditions"])
    )


def _facts(text: str) -> dict[str, Any]:
    facts = json.loads(text)
    if not isinstance(facts, dict) or not all(isinstance(name, str) for name in facts["conditions"]):
        raise TypeError("its head is no table of facts")
    return facts


DRAWN: dict[str, Callable[[Flags, tuple[str, ...], int], tuple[Condition, ...]]] = {
    "random": random_conditions,
    "every": every_conditions,
}


def shared_masks(
    path: Path,
    present: Flags,
    names: tuple[str, ...],
    seed: int,
    *,
    data_checksum: str,
    split: str,
    protocol: str = "random",
) -> tuple[Condition, ...]:
    """A drawn protocol as every method gets it: loaded from ``path``, or drawn and saved there the first time.

    Args:
        path: of the masks.
        present: ``[N, M]``; what the data hold.
        names: modality names, in the order of the columns.
        seed: of the drawing.
        data_checksum: the masks belong to.
        split: likewise.
        protocol: ``random`` or ``every``.

    Raises:
        DataError: as ``load_masks`` and the protocol's conditions.
        StorageError: as ``save_masks``.
    """
    if not exists(path):
        drawn = DRAWN[protocol](present, names, seed)
        save_masks(path, drawn, names=names, data_checksum=data_checksum, split=split, protocol=protocol)
    conditions = load_masks(path, names=names, data_checksum=data_checksum, split=split, protocol=protocol)
    if any(c.available.shape != present.shape or bool((c.available & ~present).any()) for c in conditions):
        raise DataError(f"masks '{path.name}' show modalities that the data do not hold", "remove it to draw new masks")
    return conditions


def _hiding_order(present: Flags, rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions (rows, columns) of all that may be hidden, in random order: everything present but one per row."""
    safe = np.where(present, rng.random(present.shape), -1.0).argmax(axis=1)
    hideable = present.copy()
    hideable[np.arange(len(present)), safe] = False
    order = rng.permutation(np.argwhere(hideable))
    return order[:, 0], order[:, 1]


def _condition(name: str, available: Flags, present: Flags, requested: float | None) -> Condition:
    taking_part = available.any(axis=1)
    held = int(present[taking_part].sum())
    return Condition(name, available, requested, 1 - int(available.sum()) / held if held else 0.0)


def _check(present: Flags, names: tuple[str, ...]) -> None:
    if present.ndim != 2 or present.shape[1] != len(names):
        raise DataError(f"presence has shape {present.shape} for {len(names)} modalities", "give [samples, modalities]")
    empty = np.flatnonzero(~present.any(axis=1))
    if len(empty):
        raise DataError(f"{len(empty)} samples hold no modality (first: row {empty[0]})", "drop them from the data")


def _head(
    names: tuple[str, ...], data_checksum: str, split: str, conditions: list[str], protocol: str
) -> dict[str, object]:
    return {
        "protocol": PROTOCOLS[protocol],
        "data_checksum": data_checksum,
        "split": split,
        "modalities": list(names),
        "conditions": conditions,
    }


def _digest(available: Flags) -> str:
    return hashlib.sha256(repr(available.shape).encode() + available.tobytes()).hexdigest()
