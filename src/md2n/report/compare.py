"""Whether one method really is better than another: paired tests, corrected for how many were made.

Two runs with one seed share data, masks and patterns, so they are compared in pairs.  A pair is a seed (the default:
its mean over conditions; runs are what is independent) or a seed under a condition (more pairs, but conditions of one
run are not independent: p is then optimistic, and the table says so).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from md2n.errors import UsageError
from md2n.report.grid import Grid
from md2n.report.samples import Scores, margin
from md2n.report.table import Cell, Table

LEAST_PAIRS = 3  # of two, the same difference twice would be certainty
MARGIN = (
    "±: 95 % margin of the difference for other seeds and other test samples, by whole people or videos where they are "
    "known; p is over seeds on these samples."
)
ROUNDING = 1e-12  # of the values: differences below it are of arithmetic


@dataclass(frozen=True)
class Paired:
    """A paired, two-sided test.

    Args:
        difference: mean of first minus second.
        p: probability of a difference at least as large if there were none; None where the test cannot tell.
        pairs: how many.
    """

    difference: float
    p: float | None
    pairs: int


def paired_test(
    first: Mapping[Any, float], second: Mapping[Any, float], test: Literal["t", "wilcoxon"] = "t"
) -> Paired:
    """Compares what both have, two-sided: Student's t of the paired differences, or Wilcoxon's signed ranks (exact).

    p is None for fewer than ``LEAST_PAIRS`` pairs, and with t where the difference is the same in every pair: their
    variance is 0 and t infinite, which says that the runs agree, not that the methods differ for certain.  No
    difference in any pair gives p = 1.  Five pairs cannot give Wilcoxon a p below 0.0625.

    Args:
        first: key (seed, or seed and condition) -> value.
        second: key -> value.
        test: ``t`` or ``wilcoxon``.

    Raises:
        UsageError: no key in common.
    """
    keys = [k for k in first if k in second]
    if not keys:
        raise UsageError("there is no pair to compare", "run both methods with common seeds")
    values = np.array([[first[k], second[k]] for k in keys], np.float64)
    difference = values[:, 0] - values[:, 1]
    mean, noise = float(difference.mean()), ROUNDING * float(np.abs(values).max())
    if len(keys) < LEAST_PAIRS:
        return Paired(mean, None, len(keys))
    if float(np.abs(difference).max()) <= noise:
        return Paired(0.0, 1.0, len(keys))
    if test == "t" and float(np.ptp(difference)) <= noise:
        return Paired(mean, None, len(keys))
    from scipy import stats  # comes with scikit-learn; half a second to import

    result = stats.ttest_1samp(difference, 0.0) if test == "t" else stats.wilcoxon(difference)
    return Paired(mean, float(result.pvalue), len(keys))


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Holm's correction: the k-th smallest of m p-values times (m - k + 1), never falling, at most 1.

    >>> holm([0.25, 0.0625])
    (0.25, 0.125)
    """
    order = sorted(range(len(p)), key=lambda i: p[i])
    corrected, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, p[i] * (len(p) - rank)))
        corrected[i] = largest
    return tuple(corrected)


def comparison_table(
    grid: Grid,
    reference: str,
    *,
    test: Literal["t", "wilcoxon"] = "t",
    over: Literal["seeds", "conditions"] = "seeds",
    scores: Mapping[str, Mapping[int, Scores]] | None = None,
    groups: Mapping[int, int] | None = None,
) -> Table | None:
    """One method against every other over the incomplete conditions, with Holm's correction over the rows.

    Args:
        grid: of one measure.
        reference: label of the method.
        test: ``t`` or ``wilcoxon``.
        over: what makes a pair: a seed, or a seed under a condition.
        scores: label -> seed -> what each sample gives; adds a column with the margin over seeds and samples.
        groups: sample -> its group, for the margin; each alone if absent.

    Returns:
        None where no other method shares a pair with the reference.

    Raises:
        UsageError: the reference was not measured.
    """
    if reference not in grid.models:
        raise UsageError(f"no results of '{reference}'", f"measured: {', '.join(grid.models)}")

    def pairs(label: str) -> dict[Any, float]:
        if over == "seeds":
            return dict(grid.seed_means(label, grid.incomplete))
        return {(s, c): v for c in grid.incomplete for s, v in grid.values.get((label, c), {}).items()}

    mine, tested = pairs(reference), {}
    for label in grid.models:
        theirs = pairs(label)
        if label != reference and mine.keys() & theirs.keys():
            tested[label] = paired_test(mine, theirs, test)
    if not tested:
        return None
    unit, digits = (" (points)", 2) if grid.measure.percent else ("", 4)
    known = {label: t.p for label, t in tested.items() if t.p is not None}
    corrected = dict(zip(known, holm(list(known.values()))))
    margins = _margins(scores or {}, reference, tested, groups)
    rows = tuple(
        (
            Cell(label),
            Cell(value=paired.difference * grid.scale, digits=digits),
            *([Cell(value=_scaled(margins.get(label), grid), digits=digits)] if margins else []),
            Cell(value=float(paired.pairs), digits=0),
            Cell(value=paired.p, digits=4),
            Cell(value=corrected.get(label), digits=4),
        )
        for label, paired in tested.items()
    )
    name = "Student's paired t" if test == "t" else "Wilcoxon's signed ranks"
    better = "a positive difference is better" if grid.measure.higher_is_better else "a negative difference is better"
    notes = [f"{name}, two-sided, over incomplete conditions; {better}; p corrected by Holm over the rows."]
    if len(known) < len(tested):
        notes.append(
            f"No p where there are fewer than {LEAST_PAIRS} pairs, or where all of them differ by the same amount."
        )
    if over == "conditions":
        notes.append("Conditions of one run are not independent: p is optimistic.")
    notes += [MARGIN] if margins else []
    return Table(
        f"compare-{grid.metric.replace('_', '-')}",
        f"{grid.dataset}: {reference} against the others, {grid.measure.title}",
        ("against", f"difference{unit}", *(["±"] if margins else []), "pairs", "p", "p (Holm)"),
        rows,
        tuple(notes),
    )


def _margins(
    scores: Mapping[str, Mapping[int, Scores]],
    reference: str,
    others: Iterable[str],
    groups: Mapping[int, int] | None,
) -> dict[str, float]:
    """Label -> margin of its difference, where samples' scores are known."""
    margins = {
        label: margin(scores[reference], scores[label], groups)
        for label in others
        if {label, reference} <= scores.keys()
    }
    return {label: value for label, value in margins.items() if value is not None}


def _scaled(value: float | None, grid: Grid) -> float | None:
    return None if value is None else value * grid.scale
