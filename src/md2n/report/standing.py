"""How methods stand over several data sets: four summaries, each with an interval over sets.

All take a table of one number per set and method; what is missing is NaN, and a set counts for the methods it has.  A
mean over sets of accuracies and errors has no unit; these four compare within a set first:

- ``mean_rank``: of K methods, 1 is best; ties share their ranks;
- ``win_rate``: the share of other methods that a method beats, a tie half;
- ``improvement``: the probability that a run of a method beats a run of another, a tie half (Agarwal et al., "Deep
  reinforcement learning at the edge of the statistical precipice", NeurIPS 2021, Sec. 4.3);
- ``improvability``: the part of a method's error that the best method of the set does not make (Erickson et al.,
  "TabArena: a living benchmark for machine learning on tabular data", NeurIPS 2025, Sec. 3).

Intervals are percentiles over sets drawn anew with replacement: they hold for other sets of the same kind, as far as
eight sets can tell.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.float64]

DRAWS, LEVEL = 2000, 0.95


def mean_rank(scores: Table) -> Table:
    """``[K]``; the mean over sets of a method's rank.

    Args:
        scores: ``[D, K]``, higher is better.
    """
    return _mean(_beaten_by(scores) + 1)


def win_rate(scores: Table) -> Table:
    """``[K]``; the mean over sets of the share of the set's other methods that score below a method.

    Args:
        scores: ``[D, K]``, higher is better.
    """
    others = (~np.isnan(scores)).sum(axis=1, keepdims=True) - 1
    with np.errstate(invalid="ignore"):
        return _mean(1 - _beaten_by(scores) / np.where(others > 0, others, np.nan))


def improvability(errors: Table) -> Table:
    """``[K]``; the mean over sets of ``1 - best / error``; 0 where a method is the best or makes no error.

    Args:
        errors: ``[D, K]``, not negative, lower is better.
    """
    best = np.min(np.where(np.isnan(errors), np.inf, errors), axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _mean(np.where(errors == 0, 0.0, 1 - best / errors))


def improvement(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> Table:
    """``[D]``; for each set the share of pairs of runs in which the first method's is better, a tie half.

    Args:
        first: set -> scores of runs, higher is better; at least one.
        second: of the same sets.
    """
    shares = []
    for one, other in zip(first, second, strict=True):
        d = np.subtract.outer(np.asarray(one, np.float64), np.asarray(other, np.float64))
        shares.append(float(np.mean((d > 0) + 0.5 * (d == 0))))
    return np.array(shares)


def interval(
    values: Table, statistic: Callable[[Table], Table], seed: int = 0, draws: int = DRAWS, level: float = LEVEL
) -> tuple[Table, Table]:
    """Lower and upper end of a statistic's interval over sets.

    Args:
        values: ``[D, ...]``, sets first.
        statistic: of such an array.
        seed: of the drawing.
        draws: how often sets are drawn anew.
        level: of the interval.
    """
    rng = np.random.default_rng(seed)
    drawn = [statistic(values[rng.integers(0, len(values), len(values))]) for _ in range(draws)]
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.asarray(low), np.asarray(high)


def table_of(by_set: Mapping[str, Mapping[str, float]], methods: Sequence[str]) -> Table:
    """``[D, K]`` of numbers by set and method; NaN where there is none."""
    return np.array([[of.get(m, np.nan) for m in methods] for of in by_set.values()], np.float64)


def _beaten_by(scores: Table) -> Table:
    """``[D, K]``; how many of the set's other methods score above a method, ties half; NaN where it has no score."""
    above = scores[:, None, :] > scores[:, :, None]
    ties = (scores[:, None, :] == scores[:, :, None]).sum(axis=2) - 1
    return np.where(np.isnan(scores), np.nan, above.sum(axis=2) + ties / 2)


def _mean(values: Table) -> Table:
    """Over sets, without NaN; NaN where nothing is left."""
    counts = (~np.isnan(values)).sum(axis=0)
    return np.asarray(np.nansum(values, axis=0) / np.where(counts, counts, np.nan), np.float64)
