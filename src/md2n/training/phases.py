"""How the epochs of a run are divided among a method's phases, and an epoch among batches."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from md2n.errors import UsageError
from md2n.methods.base import Phase


def epochs_of(phases: Sequence[Phase], epochs: int) -> tuple[int, ...]:
    """Epochs of every phase: proportional to its share, at least one; zero for a closed-form fit.

    Args:
        phases: of a method, in order.
        epochs: to divide; fewer than there are phases gives each one.

    Returns:
        Counts that sum to ``epochs`` where that is possible (largest remainders are rounded up).

    Raises:
        UsageError: no phase, a share that is not positive, or a last phase that does not select.

    >>> epochs_of([Phase("a", share=1), Phase("b", share=3)], 10)
    (3, 7)
    """
    if not phases or not phases[-1].selects:
        raise UsageError("the last phase of a method must select its checkpoint", "set selects=True on it")
    stepped = [p for p in phases if p.fit is None]
    for phase in stepped:
        if phase.share <= 0:
            raise UsageError(f"phase '{phase.name}' has share {phase.share}", "shares are positive")
    whole = sum(p.share for p in stepped)
    exact = [0.0 if p.fit else epochs * p.share / whole for p in phases]
    counts = [0 if p.fit else max(1, int(x)) for p, x in zip(phases, exact)]
    # Remainders go round by size; ties to the earlier phase.
    for index in sorted(range(len(phases)), key=lambda i: (counts[i] - exact[i], i)):
        if sum(counts) < epochs and phases[index].fit is None:
            counts[index] += 1
    return tuple(counts)


def split_batches(order: npt.NDArray[np.int64], batch_size: int) -> list[npt.NDArray[np.int64]]:
    """The rows of an epoch in as few batches as ``batch_size`` allows, of sizes that differ by one at most.

    So that no step is left with a single sample, of which no batch statistics can be taken.
    """
    return np.array_split(order, -(-len(order) // batch_size))
