"""What a grid of results comes to, in one sentence: how good, how bad at worst, and against the best of the others.

It says no more than the numbers do: the comparison is with the best of the others, not with the weakest, and it has an
interval where two seeds and the predictions of both methods are there, or says that it has none.
"""

from collections.abc import Mapping, Sequence

from md2n.evaluation.results import ResultRow
from md2n.report.compare import paired_test
from md2n.report.grid import Grid, Naming, grid, measured, metrics_of
from md2n.report.samples import Scores, margin
from md2n.report.table import Cell, rounded
from md2n.report.tables import high_rates

POINT_DIGITS = 1  # of a difference in points, as of the percentages beside it


def verdict(rows: Sequence[ResultRow], *, naming: Naming | None = None, reference: str = "md2n") -> str:
    """``verdict_of`` the first data set and split of result rows, by their primary measure.

    Args:
        rows: any result rows.  Those under the fixed protocol count, else those under the random one.
        naming: titles of methods.
        reference: the method that the sentence is of, as ``verdict_of`` takes its label.

    Returns:
        Empty where nothing was measured.
    """
    for protocol in ("fixed", "random") if rows else ():
        held = measured(rows, rows[0].dataset, protocol, split=rows[0].split)
        if metrics_of(held):
            chosen = grid(held, metrics_of(held)[0], naming=naming)
            return verdict_of(chosen, next((k for k, v in chosen.models.items() if v == reference), reference))
    return ""


def verdict_of(
    grid: Grid,
    reference: str,
    scores: Mapping[str, Mapping[int, Scores]] | None = None,
    groups: Mapping[int, int] | None = None,
) -> str:
    """One sentence on one method.

    Args:
        grid: of one measure under one protocol.
        reference: label of the method; where it was not measured, the best of those that were.
        scores: label -> seed -> what each sample gives to the mean over the conditions that hide something, for the
            interval; see ``md2n.report.samples``.
        groups: sample -> its group, for the interval; each alone if absent.

    Returns:
        Empty where no method was measured under every condition that hides something.
    """
    random = all(c in grid.requested for c in grid.conditions)
    over = (high_rates(grid) if random else ()) or grid.incomplete
    means = {label: s.mean for label in grid.models if over and (s := grid.mean_over(label, over)) is not None}
    if not means:
        return ""
    chosen = reference if reference in means else _best(grid, list(means), means)
    measure = grid.measure
    each = {c: s.mean for c in over if (s := grid.summary(chosen, c)) is not None}
    worst = (max if measure.higher_is_better is False else min)(each, key=lambda c: each[c])
    title = measure.title.partition(" (")[0].partition(",")[0]
    sentence = f"{chosen}: {title} {_shown(grid, means[chosen])} on average over {_conditions(grid, over, random)}"
    if len(over) > 1:
        sentence += f", worst {_shown(grid, each[worst])} ({worst})"
    return f"{sentence}{_against(grid, chosen, over, means, scores or {}, groups or {})}."


def _best(grid: Grid, labels: Sequence[str], means: Mapping[str, float]) -> str:
    """The best of these labels; those of upper bounds and of fewer seeds only where there are no others."""
    compared = [k for k in labels if k not in grid.aside and k not in grid.fewer] or list(labels)
    return (min if grid.measure.higher_is_better is False else max)(compared, key=lambda k: means[k])


def _conditions(grid: Grid, over: Sequence[str], random: bool) -> str:
    if not random:
        return f"{len(over)} incomplete pattern{'s' if len(over) > 1 else ''}"
    rates = [100 * grid.requested[c] for c in over]
    return f"missing rates of {min(rates):.0f} to {max(rates):.0f} %"


def _against(
    grid: Grid,
    chosen: str,
    over: Sequence[str],
    means: Mapping[str, float],
    scores: Mapping[str, Mapping[int, Scores]],
    groups: Mapping[int, int],
) -> str:
    """The difference to the best of the others, over the seeds that both have; empty where there is none."""
    mine = grid.seed_means(chosen, over)
    others = [k for k in means if k != chosen and k not in grid.aside and mine.keys() & grid.seed_means(k, over).keys()]
    if not others or grid.measure.higher_is_better is None or chosen in grid.aside:
        return ""
    other = _best(grid, others, means)
    theirs = grid.seed_means(other, over)
    sign = 1 if grid.measure.higher_is_better else -1
    gain = sign * paired_test(mine, theirs).difference * grid.scale
    digits, unit = (POINT_DIGITS, " points") if grid.measure.percent else (grid.measure.digits, "")
    which = other if len(others) == 1 else f"{other}, the best of {len(others)} others"
    if rounded(gain, digits) == 0:
        return f"; level with {which}{_interval(grid, chosen, other, over, gain, scores, groups)}"
    amount = Cell(value=abs(gain), digits=digits).plain
    better = "better" if gain > 0 else "worse"
    return f"; {amount}{unit} {better} than {which}{_interval(grid, chosen, other, over, gain, scores, groups)}"


def _interval(
    grid: Grid,
    chosen: str,
    other: str,
    over: Sequence[str],
    gain: float,
    scores: Mapping[str, Mapping[int, Scores]],
    groups: Mapping[int, int],
) -> str:
    if len(grid.seed_means(chosen, over).keys() & grid.seed_means(other, over).keys()) < 2:
        return " (one seed: no interval)"
    # What samples give is known for the mean over all conditions that hide something, and for no other mean.
    half = margin(scores[chosen], scores[other], groups) if {chosen, other} <= scores.keys() else None
    if half is None or tuple(over) != grid.incomplete:
        return " (no interval)"
    digits = POINT_DIGITS if grid.measure.percent else grid.measure.digits
    low, high = (Cell(value=gain + side * half * grid.scale, digits=digits).plain for side in (-1, 1))
    doubt = ", which includes no difference" if abs(gain) <= half * grid.scale else ""
    return f" (95 % interval {low} to {high}{doubt})"


def _shown(grid: Grid, value: float) -> str:
    shown = Cell(value=value * grid.scale, digits=grid.measure.digits).plain
    return f"{shown} %" if grid.measure.percent else shown
