"""Missing patterns: which sets of modalities can be left, and drawing one for every sample.

A pattern is named by what is *available*, as in the paper's Table 1: ``text+audio`` means that vision is missing.
"""

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
import numpy.typing as npt
import torch

from md2n.errors import UsageError, did_you_mean
from md2n.modality import set_name
from md2n.seeding import stream_seed
from md2n.shapes import Bool, Tensor

MANY = 4  # up to this many modalities every proper subset is listed; beyond, single-missing and single-available ones


def incomplete_patterns(names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The available sets of the fixed protocol, smaller sets first.

    All non-empty proper subsets (six for three modalities: Table 1's columns); for more than four modalities, the
    M single-available and the M single-missing ones.

    Paper: Sec. 4.1.
    """
    sizes = range(1, len(names)) if len(names) <= MANY else (1, len(names) - 1)
    return tuple(subset for size in sizes for subset in combinations(names, size))


def pattern_flags(pattern: tuple[str, ...], names: tuple[str, ...]) -> tuple[bool, ...]:
    """``available`` row of a pattern, in schema order."""
    return tuple(name in pattern for name in names)


def pattern_name(available: tuple[bool, ...], names: tuple[str, ...]) -> str:
    """The written form of an ``available`` row: ``text+audio``."""
    return set_name([n for n, a in zip(names, available) if a])


def draw_available(
    present: Bool[Tensor, "batch modality"], generator: torch.Generator, keep_all: float = 0.0
) -> Bool[Tensor, "batch modality"]:
    """For every sample its own pattern, uniform over the non-empty proper subsets of what is present.

    Args:
        present: what the data hold; at least one modality in every row.
        generator: on the device of ``present``.
        keep_all: probability in [0, 1] that nothing is hidden.  A sample with one present modality keeps it.

    Returns:
        ``available``, implied by ``present``, never an empty row.

    At ``keep_all=1`` this is ``present``; at 0 every sample with two or more present modalities misses at least one.
    """
    available = torch.zeros_like(present)
    single = present.sum(dim=1) <= 1
    open_rows = ~single
    # Rejection: bits are fair coins, so every accepted pattern is equally likely.  A row is accepted with
    # probability >= 1/2 (two modalities), so the loop ends after a handful of turns.
    while bool(open_rows.any()):
        coins = torch.rand(present.shape, generator=generator, device=present.device) < 0.5
        trial = coins & present
        proper = trial.any(dim=1) & (trial != present).any(dim=1)
        accepted = open_rows & proper
        available = torch.where(accepted[:, None], trial, available)
        open_rows = open_rows & ~proper
    whole = torch.rand(present.shape[0], generator=generator, device=present.device) < keep_all
    return torch.where((whole | single)[:, None], present, available)


def hide_at_rates(
    present: npt.NDArray[np.bool_], names: tuple[str, ...], ids: Iterable[str], rates: Mapping[str, float], seed: int
) -> npt.NDArray[np.bool_]:
    """What is left where single modalities are hidden at rates of their own, drawn once per sample.

    Each sample and modality has a number of its own, a function of seed, modality and the sample's id: neither the
    order of the samples nor the method changes who is hidden, and a higher rate hides all that a lower one does.  Rate
    r hides the modality from the ``round(r P)`` of its P present samples with the lowest numbers, as long as they have
    another modality.  A sample that would be left with nothing keeps what its highest number is of; so where several
    modalities are hidden, the realised rates may be below those asked for.

    Args:
        present: ``[N, M]``; what the data hold.
        names: modality names, in the order of the columns.
        ids: ``[N]``, unique.
        rates: modality -> rate in [0, 1].
        seed: of the drawing.

    Returns:
        ``[N, M]``, implied by ``present``; at least one modality of every sample that has one.

    Raises:
        UsageError: a modality that is not there, or a rate out of range.
    """
    for name, rate in rates.items():
        if name not in names:
            raise UsageError(f"there is no modality '{name}' to hide", did_you_mean(name, names))
        if not 0 <= rate <= 1:
            raise UsageError(f"hide {name}={rate:g}: a rate lies in [0, 1]", f"for instance {name}=0.7 hides 70%")
    known = [str(i) for i in ids]
    numbers = np.array([[stream_seed(seed, "hide", n, one) for n in names] for one in known], np.int64)
    numbers = numbers.reshape(present.shape)
    left = present.copy()
    for name, rate in rates.items():
        k = names.index(name)
        candidates = np.flatnonzero(present[:, k] & (present.sum(axis=1) > 1))
        order = candidates[np.argsort(numbers[candidates, k], kind="stable")]
        left[order[: int(np.floor(rate * present[:, k].sum() + 0.5))], k] = False
    empty = np.flatnonzero(~left.any(axis=1) & present.any(axis=1))
    left[empty, np.where(present, numbers, -1)[empty].argmax(axis=1)] = True
    return left
