"""MD2N's draws beside those of reference methods that a user has in a few lines."""

from collections import Counter
from collections.abc import Sequence

from md2n.evaluation.results import ResultRow
from md2n.report.grid import grid, measured, points_of, targets_of
from scripts.archive import INCOMPLETE, RECOVERY

RIVALS = {
    "mean_fill": "which draws from the training mean and deviation and knows nothing of the sample",
    "regression_fill": "which adds residuals of similar training samples to a ridge regression",
    "neighbours": "which draws the values of similar training samples",
}


def drawn(rows: Sequence[ResultRow], datasets: Sequence[str], ours: str) -> str:
    """On how many modalities MD2N's draws are better than those of each of ``RIVALS``, in a sentence.

    Args:
        rows: any result rows.
        datasets: names.
        ours: the method that is MD2N.
    """
    better = {m: Counter[str]() for m in RIVALS}
    measured_on = {m: Counter[str]() for m in RIVALS}
    covered = []
    for d in datasets:
        chosen = measured(rows, d, "fixed")
        for target in targets_of(chosen):
            grids = crps, coverage = [grid(chosen, m, target=target) for m in RECOVERY[1:]]
            points = points_of(dict(zip(RECOVERY[1:], grids)))
            means = {m: crps.summary(m, INCOMPLETE) for m in crps.models if m not in points}
            own = means.get(ours)
            for rival in RIVALS:
                if own is not None and (theirs := means.get(rival)) is not None:
                    measured_on[rival][d] += 1
                    better[rival][d] += own.mean < theirs.mean
            if ours in coverage.models and (share := coverage.summary(ours, INCOMPLETE)) is not None:
                covered.append(100 * share.mean)
    if not covered:
        return ""
    parts = []
    for rival, how in RIVALS.items():
        where = ", ".join(f"`{d}` {better[rival][d]} of {n}" for d, n in measured_on[rival].items())
        if where:
            total = f"{better[rival].total()} of {measured_on[rival].total()}"
            parts.append(f"MD²N's CRPS is below that of `{rival}`, {how}, on {total} modalities ({where})")
    held = f"its intervals hold the truth {min(covered):.0f} to {max(covered):.0f} % of the time."
    return "; ".join([*parts, held]) if parts else held.replace("its", "MD²N's", 1)
