"""How evenly a method serves the available sets: (score - chance) / (upper bound - chance) of each.

Chance is the method that answers with the majority; the upper bound has a model for each set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from md2n.evaluation.bias import equity, least_gap
from md2n.report import standing
from md2n.report.compare import LEAST_PAIRS
from md2n.report.grid import Grid
from md2n.report.summary import labels_of
from md2n.report.table import Cell, Table, rounded
from md2n.report.tables import not_compared, seeds_cell, slug

LEAST_PART = 0.25  # of the widest gap between chance and upper bound: noise is magnified fourfold at most
DRAWS = 500  # of runs, for an interval


class Scale(NamedTuple):
    """What equity is measured by.

    Args:
        low: condition -> score of chance.
        high: condition -> score of the upper bound.
        shared: available sets on which the gap between them is wide enough.
        hardly: the gap that is too small whatever the others are.
        least: the gap that is wide enough.
    """

    low: Mapping[str, float]
    high: Mapping[str, float]
    shared: Sequence[str]
    hardly: float
    least: float


def equity_scale(grid: Grid, chance: str, upper_bound: str) -> Scale | None:
    """What equity is measured by; None where it cannot be.  Arguments and limits are those of ``equity_table``."""
    sets = grid.incomplete
    low, high = _means(grid, chance, grid.conditions), _means(grid, upper_bound, grid.conditions)
    if not sets or not low.keys() >= set(sets) <= high.keys():
        return None
    higher = grid.measure.higher_is_better is not False
    gaps = {c: (high[c] - low[c]) * (1 if higher else -1) for c in grid.conditions if c in low and c in high}
    hardly = least_gap(max(low.values()), higher)
    least = max(hardly, LEAST_PART * max(gaps.values()))
    shared = [s for s in sets if gaps[s] >= least]
    return Scale(low, high, shared, hardly, least) if shared else None


def equity_table(grid: Grid, chance: str, upper_bound: str) -> Table | None:
    """Equity per available set, its minimum and range, per method.

    Where the upper bound is hardly above chance, noise is divided by almost nothing: sets with less than ``LEAST_PART``
    of the widest gap (the complete data's counts, too), or less than ``least_gap``, are left out for every method.

    Args:
        grid: of one measure under the fixed protocol.
        chance: label of the majority answer.
        upper_bound: label of the models trained for one set each.

    Returns:
        None where chance or upper bound was not measured on every set, or where no set has a gap to share out.
    """
    sets, scale = grid.incomplete, equity_scale(grid, chance, upper_bound)
    if scale is None:
        return None
    low, high, shared, hardly, least = scale
    higher = grid.measure.higher_is_better is not False
    equities = {}
    for label in grid.models:
        score = _means(grid, label, sets)
        if label not in (chance, upper_bound) and len(score) == len(sets):
            equities[label] = equity({s: score[s] for s in shared}, low, high, higher_is_better=higher)
    if not equities:
        return None
    compared = {k: e for k, e in equities.items() if k not in grid.fewer and k not in grid.aside}
    if len(compared) < 2 or grid.mixed or chance in grid.fewer or upper_bound in grid.fewer:
        compared = {}
    best = (
        max((rounded(e.minimum, 2) for e in compared.values()), default=None),
        min((rounded(e.range, 2) for e in compared.values()), default=None),
    )
    lines = []
    for label, result in equities.items():
        numbers = [Cell(value=result.per_pattern.get(s), digits=2) for s in sets]
        for value, top in zip((result.minimum, result.range), best):
            numbers.append(Cell(value=value, digits=2, best=label in compared and rounded(value, 2) == top))
        if len(shared) == 1:
            numbers[-1] = Cell()
        lines.append((Cell(label), *numbers, seeds_cell(grid, label)))
    notes = [
        f"(score − chance) / (upper bound − chance); chance: {chance}; upper bound: {upper_bound}. "
        "1 everywhere is unbiased; the minimum is the worst-served set, the range maximum minus minimum.",
        "Made from means over seeds; bold is the largest minimum and the smallest range.",
    ]
    if len(shared) == 1:
        notes.append(f"No range: one set alone, {shared[0]}, is left to compare.")
    if grid.fewer:
        notes.append(f"Fewer seeds than others, so {not_compared(grid, (chance, upper_bound))}.")
    if len(shared) < len(sets):
        notes.append(
            f"Left out, upper bound less than {least:.2g} above chance ({LEAST_PART:.0%} of the widest gap, at least "
            f"{hardly:.2g}; noise is magnified there): {', '.join(s for s in sets if s not in shared)}."
        )
    return Table(
        f"equity-{slug(grid.metric)}",
        f"{grid.dataset}: equity in {grid.measure.title}",
        ("method", *sets, "minimum", "range", "seeds"),
        tuple(lines),
        tuple(notes),
    )


def equity_overview(grids: Mapping[str, Grid], chance: str, upper_bound: str) -> Table:
    """Equity between chance and upper bound: the worst-served pattern, and the area under the sorted patterns.

    The area is the mean over patterns of equal width.  A range is not shown here: it is a difference of two extremes,
    and moves the most from run to run.

    Args:
        grids: from ``first_grids``, under the fixed protocol.
        chance: label of the majority answer.
        upper_bound: label of the models trained for one set each.
    """
    cells: dict[tuple[str, str], Cell] = {}
    notes = [
        f"(score − chance) / (upper bound − chance) of every pattern; chance: {chance}; upper bound: {upper_bound}. "
        "First the worst-served pattern with its 95 % interval, runs drawn anew, where there are three of them; then "
        "the area under the sorted patterns. Bold: the best worst pattern, of methods that have all runs, by one state "
        "of the shared code."
    ]
    for dataset, g in grids.items():
        scale = equity_scale(g, chance, upper_bound)
        if scale is None:
            absent = [m for m in (chance, upper_bound) if m not in g.models]
            why = f"{' and '.join(absent)} not measured" if absent else "no pattern that both have leaves a gap"
            notes.append(f"{dataset}: no equity, {why}.")
            continue
        if left := [s for s in g.incomplete if s not in scale.shared]:
            notes.append(f"{dataset}: left out, too little between chance and upper bound: {', '.join(left)}.")
        worst = {}
        for label in g.models:
            by_run = _equities(g, label, scale) if label not in (chance, upper_bound) else None
            if by_run is None:
                continue
            lowest, area = _worst_and_area(by_run)
            text = f"{lowest:.2f}"
            if len(by_run) >= LEAST_PAIRS:
                low, high = standing.interval(by_run, _worst_and_area, draws=DRAWS)
                text += f" [{low[0]:.2f}, {high[0]:.2f}]"
            cells[label, dataset] = Cell(f"{text} / {area:.2f}")
            if label not in g.fewer and label not in g.aside:
                worst[label] = round(float(lowest), 2)
        if len(worst) > 1 and not g.mixed and not {chance, upper_bound} & g.fewer.keys():
            for label in (m for m, value in worst.items() if value == max(worst.values())):
                cells[label, dataset] = replace(cells[label, dataset], best=True)
    labels = [m for m in labels_of(grids) if m not in (chance, upper_bound)]
    rows = tuple((Cell(m), *(cells.get((m, d), Cell()) for d in grids)) for m in labels)
    return Table("equity", "Equity", ("method", *grids), rows, tuple(notes))


def _equities(g: Grid, label: str, scale: Scale) -> standing.Table | None:
    """``[runs, patterns]``; None where no run has every pattern."""
    runs = [n for n in g.seeds(label) if all(n in g.values.get((label, s), {}) for s in scale.shared)]
    values = [
        [(g.values[label, s][n] - scale.low[s]) / (scale.high[s] - scale.low[s]) for s in scale.shared] for n in runs
    ]
    return np.array(values, np.float64) if runs else None


def _worst_and_area(by_run: standing.Table) -> standing.Table:
    """``[2]``; of means over runs the least, and their mean.

    Args:
        by_run: ``[runs, patterns]``.
    """
    means = by_run.mean(axis=0)
    return np.array([means.min(), means.mean()])


def _means(grid: Grid, label: str, conditions: Sequence[str]) -> dict[str, float]:
    summaries = {c: grid.summary(label, c) for c in conditions}
    return {c: s.mean for c, s in summaries.items() if s is not None}
