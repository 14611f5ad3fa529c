"""Tables over several data sets: methods in rows, data sets in columns, each by its first measure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from md2n.evaluation.results import ResultRow
from md2n.report import standing
from md2n.report.compare import LEAST_PAIRS, comparison_table, holm
from md2n.report.grid import Grid, Naming, grid, measured, metrics_of
from md2n.report.runs import Failure, RunFacts
from md2n.report.samples import clustered_test, groups_of, scores_by_label
from md2n.report.table import Cell, Table

SIGNIFICANT = 0.05
LEAST_SETS = 3  # for a table over data sets
# (data set, label) -> 95 % margin of the difference, over seeds and test samples, and the probability of one as large
# if there were none.
Tests = Mapping[tuple[str, str], tuple[float, float | None]]


def first_grids(rows: Sequence[ResultRow], protocol: str, naming: Naming | None = None) -> dict[str, Grid]:
    """Data set -> grid of its first measure on the test split, for the data sets that were measured.

    Args:
        rows: any result rows.
        protocol: ``fixed`` or ``random``.
        naming: titles of methods.
    """
    grids = {}
    for dataset in dict.fromkeys(r.dataset for r in rows):
        chosen = measured(rows, dataset, protocol)
        pairs = dict.fromkeys((r.model, r.config_hash) for r in rows if r.dataset == dataset)
        if names := metrics_of(chosen):
            grids[dataset] = grid(chosen, names[0], naming=replace(naming or Naming(), configurations=tuple(pairs)))
    return grids


def clustered_tests(
    grids: Mapping[str, Grid], runs: Sequence[RunFacts], reference: str
) -> dict[tuple[str, str], tuple[float, float | None]]:
    """How far a method's differences hold for other seeds and other test samples, where samples' scores are known.

    Args:
        grids: under the fixed protocol.
        runs: behind them.
        reference: label of the method.
    """
    tests = {}
    for dataset, g in grids.items():
        # Every method has one configuration here, or several that the grid tells apart.
        own = [r for r in runs if r.dataset == dataset]
        labels = {(r.model, r.config_hash): _label(g, r) for r in own}
        scores, groups = scores_by_label(own, g, labels, "test"), groups_of(own, g, "test")
        for label in g.models:
            pair = scores.get(reference, {}), scores.get(label, {})
            test = clustered_test(*pair, groups) if label != reference else None
            if test is not None:
                tests[dataset, label] = test
    return tests


def overview_table(
    grids: Mapping[str, Grid], protocol: str, naming: Naming | None = None, failures: Sequence[Failure] = ()
) -> Table:
    """The mean over incomplete conditions; where a method failed, the cell says so and a note says why.

    Args:
        grids: from ``first_grids``.
        protocol: of the grids.
        naming: titles of methods.
        failures: runs that ended without results.
    """
    naming = naming or Naming()
    lost = {(naming.label(f.model), f.dataset) for f in failures}
    rows = []
    for label in labels_of(grids, [naming.label(f.model) for f in failures]):
        cells = []
        for dataset, g in grids.items():
            summary = g.mean_over(label, g.incomplete)
            if summary is None:
                cells.append(Cell("failed") if (label, dataset) in lost else Cell())
                continue
            means = {m: s.mean for m in g.models if (s := g.mean_over(m, g.incomplete)) is not None}
            deviation = None if summary.deviation is None else summary.deviation * g.scale
            value, best = summary.mean * g.scale, label in g.best(means)
            cells.append(Cell(value=value, deviation=deviation, digits=g.measure.digits, best=best))
        rows.append((Cell(label), *cells))
    heads = tuple(f"{d}: {g.measure.title}" for d, g in grids.items())
    notes = [
        "Mean ± deviation over seeds; bold: the best of the methods that have all seeds, upper bounds aside. "
        "Of MAE, less is better."
    ]
    if mixed := [d for d, g in grids.items() if g.mixed]:
        notes.append(
            f"Nothing is bold where methods were measured by several states of the shared code: {', '.join(mixed)}."
        )
    notes += _reasons(failures, naming)
    return Table(
        f"overview-{protocol}", "Mean over the incomplete conditions", ("method", *heads), tuple(rows), tuple(notes)
    )


def difference_table(grids: Mapping[str, Grid], reference: str, tests: Tests | None = None) -> Table:
    """What one method has more than each other, paired by seed or fold.

    Args:
        grids: from ``first_grids``.
        reference: label of the method.
        tests: from ``clustered_tests``.
    """
    tests = tests or {}
    cells: dict[tuple[str, str], Cell] = {}
    for dataset, g in grids.items():
        table = comparison_table(g, reference) if reference in g.models else None
        by_run = {} if table is None else {row[0].text: row for row in table.rows}
        clustered = {label: tests[dataset, label][1] for label in by_run if (dataset, label) in tests}
        # Training sets of folds overlap, so a test over folds alone would be too bold.
        p = {label: None if g.folded else row[-1].value for label, row in by_run.items()} | _corrected(clustered)
        for label, row in by_run.items():
            one_code = len(g.codes[reference] | g.codes[label]) == 1
            star = "*" if (value := p[label]) is not None and value < SIGNIFICANT and one_code else ""
            gain = (row[1].value or 0.0) * (1 if g.measure.higher_is_better else -1)
            margin = tests[dataset, label][0] if label in clustered else None
            cells[label, dataset] = Cell(f"{gain:+.{_digits(g)}f}{star}{plus_minus(g, margin)}")
    rows = [
        (Cell(label), *(cells.get((label, d), Cell()) for d in grids))
        for label in labels_of(grids)
        if any(key[0] == label for key in cells)
    ]
    notes = [
        f"Positive: {reference} is better, in points or in MAE. A star: p < .05 after Holm's correction within the "
        "set; none between states of the shared code."
    ]
    if tests:
        notes.append(
            "±: 95 % margin of the difference for other seeds and other samples of the same kind, by whole people, "
            "videos or days where they are known; p is by the same variance."
        )
    if any((label, d) in cells and (d, label) not in tests for d in grids for label in labels_of(grids)):
        notes.append(
            "Without ±, what each sample gives is not known: p is Student's paired t over seeds, none for fewer than "
            f"{LEAST_PAIRS} of them or for folds."
        )
    return Table("differences", f"{reference} minus each method", ("against", *grids), tuple(rows), tuple(notes))


def _corrected(p: Mapping[str, float | None]) -> dict[str, float | None]:
    """Probabilities after Holm's correction; what has none keeps none."""
    known = {label: value for label, value in p.items() if value is not None}
    return {**p, **dict(zip(known, holm(list(known.values()))))}


def standing_table(grids: Mapping[str, Grid], reference: str) -> Table | None:
    """How methods stand over all data sets, upper bounds aside; None for fewer than ``LEAST_SETS`` sets.

    Args:
        grids: from ``first_grids``.
        reference: label of the method that the others are held against.
    """
    if len(grids) < LEAST_SETS:
        return None
    labels = [m for m in labels_of(grids) if not any(m in g.aside for g in grids.values())]
    means = {d: {m: v for m in labels if (v := _on_all_folds(g, m)) is not None} for d, g in grids.items()}
    signs = {d: _sign(g) for d, g in grids.items()}
    scores = standing.table_of({d: {m: signs[d] * v for m, v in of.items()} for d, of in means.items()}, labels)
    errors = standing.table_of(
        {d: {m: 1 - v if signs[d] > 0 else v for m, v in of.items()} for d, of in means.items()}, labels
    )
    cells = [[Cell(label)] for label in labels]
    for values, statistic, scale in (
        (scores, standing.mean_rank, 1),
        (scores, standing.win_rate, 100),
        (errors, standing.improvability, 100),
    ):
        parts = (statistic(values), *standing.interval(values, statistic))
        for row, *numbers in zip(cells, *parts):
            row.append(_with_interval(numbers, scale))
    for label, row in zip(labels, cells):
        both = [g for g in grids.values() if {label, reference} <= g.models.keys()]
        by_set = [] if label == reference else [_better(g, reference, label) for g in both]
        shares = np.array([[share] for share in by_set if np.isfinite(share)])
        if not len(shares):
            row.append(Cell())
            continue
        ends = standing.interval(shares, lambda x: np.mean(x, axis=0))
        row.append(_with_interval([float(shares.mean()), *(float(end[0]) for end in ends)], 100))
    heads = ("method", "mean rank", "win rate (%)", "improvability (%)", f"{reference} better (%)")
    note = (
        f"Over {len(grids)} data sets, by the mean over incomplete conditions; in brackets the 95 % interval, sets "
        "drawn anew. Win rate: of the other methods. Improvability: the part of the error that the best method of a "
        f"set does not make. Last: the probability that a run of {reference} is better than a run of the method. "
        "A method that ran on some folds alone has the mean of the others plus its mean difference to them there."
    )
    return Table("standing", "Over all data sets", heads, tuple(map(tuple, cells)), (note,))


def _on_all_folds(g: Grid, label: str) -> float | None:
    """Mean over incomplete conditions and runs; None where there is no run.

    Folds differ in how hard they are.  So a method that ran on some of them has what the methods of all folds have,
    plus its mean difference to these on its own folds.
    """
    own = g.seed_means(label, g.incomplete)
    if not own or not g.folded or label not in g.fewer:
        return fmean(own.values()) if own else None
    others = [g.seed_means(m, g.incomplete) for m in g.models if m not in g.fewer and m not in g.aside]
    level = {n: fmean(of[n] for of in others) for n in set.intersection(*(set(of) for of in others))}
    gaps = [v - level[n] for n, v in own.items() if n in level]
    return fmean(level.values()) + fmean(gaps) if gaps else fmean(own.values())


def _better(g: Grid, first: str, second: str) -> float:
    """The share of pairs of runs in which the first method's is better; NaN where there is no pair."""
    ours, theirs = (
        {n: _sign(g) * v for n, v in g.seed_means(label, g.incomplete).items()} for label in (first, second)
    )
    if g.folded:  # runs of two folds are measured on other samples
        folds = [n for n in ours if n in theirs]
        pairs = [([ours[n]], [theirs[n]]) for n in folds]
    else:
        pairs = [([*ours.values()], [*theirs.values()])] if ours and theirs else []
    return float(np.mean(standing.improvement(*zip(*pairs)))) if pairs else float("nan")


def _sign(g: Grid) -> int:
    return 1 if g.measure.higher_is_better else -1


def _with_interval(numbers: Sequence[float], scale: int) -> Cell:
    value, low, high = (scale * n for n in numbers)
    digits = 1 if scale == 1 else 0
    return Cell(f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]") if np.isfinite(value) else Cell()


def plus_minus(g: Grid, margin: float | None) -> str:
    """A margin behind its difference; empty where there is none."""
    return "" if margin is None else f" ± {margin * g.scale:.{_digits(g)}f}"


def _digits(g: Grid) -> int:
    """Decimals of a difference."""
    return g.measure.digits if g.measure.percent else g.measure.digits + 1


def labels_of(grids: Mapping[str, Grid], more: Sequence[str] = ()) -> list[str]:
    """Labels in the order first met."""
    return list(dict.fromkeys([m for g in grids.values() for m in g.models] + list(more)))


def _label(g: Grid, run: RunFacts) -> str:
    """How a run's method is called in a grid: with the configuration where there are several."""
    labels = [label for label, model in g.models.items() if model == run.model]
    return next((m for m in labels if run.config_hash[:7] in m), labels[0] if len(labels) == 1 else "")


def _reasons(failures: Sequence[Failure], naming: Naming) -> list[str]:
    """Which runs failed and why; the same reason once."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for f in sorted(failures, key=lambda f: (f.dataset, f.seed)):
        groups.setdefault((f.dataset, f.model, f.reason), []).append(f.seed)
    return [
        f"Failed: {naming.label(model)} on {dataset}, seed {', '.join(map(str, seeds))}: {reason}"
        for (dataset, model, reason), seeds in groups.items()
    ]
