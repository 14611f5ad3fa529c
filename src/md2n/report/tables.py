"""The tables of a report, made from result rows.

Numbers are means over seeds ± the sample standard deviation between runs.  Bold is the best of what md2n measured;
published numbers stand in columns of their own, are never bold and never enter a comparison.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from md2n.evaluation.results import ResultRow
from md2n.modality import set_name
from md2n.report.grid import (
    COMPLETE,
    CRPS,
    POINT,
    Grid,
    Naming,
    Summary,
    grid,
    measured,
    metrics_of,
    points_of,
    targets_of,
)
from md2n.report.published import BESIDE, Published
from md2n.report.table import Cell, Table, rounded

EMPTY = Table("empty", "nothing was measured", (), ())
HIGH_RATES = (0.3, 0.4, 0.5, 0.6, 0.7)  # what the paper's Table 2 averages over
HIGH_HEAD = "mean of 30–70%"
MIXED = "Nothing is bold: several states of the code that methods share measured this, and may be what differs."


def fixed_table(
    rows: Sequence[ResultRow], metric: str = "", *, naming: Naming | None = None, published: Published | None = None
) -> Table:
    """``patterns_by_method`` straight from result rows: of the first data set and split, and of their primary measure.

    Args:
        rows: any result rows; where none is of the fixed protocol the table is empty.
        metric: name in ``MEASURES``; empty: the first that was measured.
        naming: titles of methods.
        published: adds the paper's numbers.
    """
    chosen = _first_grid(rows, "fixed", metric, naming)
    return EMPTY if chosen is None else patterns_by_method(chosen, published)


def rate_table(rows: Sequence[ResultRow], metric: str = "", *, naming: Naming | None = None) -> Table:
    """``rates_by_method`` straight from result rows; as ``fixed_table``."""
    chosen = _first_grid(rows, "random", metric, naming)
    return EMPTY if chosen is None else rates_by_method(chosen)


def inside_table(rows: Sequence[ResultRow], metric: str = "", *, naming: Naming | None = None) -> Table:
    """``shares_by_method`` straight from result rows; as ``fixed_table``."""
    chosen = _first_grid(rows, "inside", metric, naming)
    return EMPTY if chosen is None else shares_by_method(chosen)


def patterns_by_method(grid: Grid, published: Published | None = None) -> Table:
    """Fixed protocol: methods by the mean over available sets, the worst set, each set, the complete data.

    Args:
        grid: of one measure.
        published: adds the paper's mean over the same sets where it prints them all.
    """
    sets = grid.incomplete
    heads = ["mean of incomplete", "worst", *sets] + ([COMPLETE] if COMPLETE in grid.conditions else [])
    columns: dict[str, dict[str, Summary | None]] = {}
    for head in heads:
        for label in grid.models:
            if head == "mean of incomplete":
                summary = grid.mean_over(label, sets)
            elif head == "worst":
                summary = _worst(grid, label)
            else:
                summary = grid.summary(label, head)
            columns.setdefault(head, {})[label] = summary
    cells = {head: cells_of(grid, column) for head, column in columns.items()}
    rows = [[Cell(label), *(cells[h][label] for h in heads), seeds_cell(grid, label)] for label in grid.models]
    notes = [_how(grid), f"Samples measured: {_counts(grid)}."]
    extra: list[str] = []
    beside = _beside(grid, published)
    if published is not None and any(v is not None for v in beside.values()):
        extra = ["published: mean of the same sets"]
        for row, label in zip(rows, grid.models):
            row.append(Cell(value=beside[label], digits=grid.measure.digits))
        notes.append(
            f"Published: {published.source}, Table 1. Three modalities and one model per set there, one model "
            "for all sets here: they do not compare directly. The paper does not say whether its ACC2 leaves zeros out."
        )
    return Table(
        f"patterns-{slug(grid.metric)}",
        f"{grid.dataset}: {grid.measure.title}, by available modalities",
        ("method", *heads, "seeds", *extra),
        tuple(map(tuple, rows)),
        tuple(notes),
        across="available",
    )


def rates_by_method(grid: Grid) -> Table:
    """Random protocol: methods by the mean over 30% to 70%, and by missing rate (the realised one is named)."""
    high = high_rates(grid)
    columns = {HIGH_HEAD: {m: grid.mean_over(m, high) for m in grid.models}} if high else {}
    columns |= {rate_head(grid, c): {m: grid.summary(m, c) for m in grid.models} for c in grid.conditions}
    cells = {head: cells_of(grid, column) for head, column in columns.items()}
    rows = tuple((Cell(m), *(cells[h][m] for h in columns), seeds_cell(grid, m)) for m in grid.models)
    return Table(
        f"rates-{slug(grid.metric)}",
        f"{grid.dataset}: {grid.measure.title}, by missing rate",
        ("method", *columns, "seeds"),
        rows,
        (_how(grid), "Rates are realised ones; where another was asked for it is in brackets."),
        across="missing rate",
    )


def shares_by_method(grid: Grid) -> Table:
    """Protocol ``inside``: methods by the share of single numbers hidden inside modalities that are there."""
    columns = {f"{100 * grid.requested[c]:.0f}%": {m: grid.summary(m, c) for m in grid.models} for c in grid.conditions}
    cells = {head: cells_of(grid, column) for head, column in columns.items()}
    rows = tuple((Cell(m), *(cells[h][m] for h in columns), seeds_cell(grid, m)) for m in grid.models)
    what = f"{grid.target}, {grid.measure.title}" if grid.target else grid.measure.title
    return Table(
        f"inside-{slug(grid.metric)}" + (f"-{grid.target}" if grid.target else ""),
        f"{grid.dataset}: {what}, by share of single numbers hidden",
        ("method", *columns, "seeds"),
        rows,
        (_how(grid), "Every modality is there; of each frame the share is hidden, one number left at least."),
    )


def hidden_table(rows: Sequence[ResultRow], metric: str = "", *, naming: Naming | None = None) -> Table:
    """``hidden_by_method`` straight from result rows; as ``fixed_table``."""
    chosen = _first_grid(rows, "hidden", metric, naming)
    return EMPTY if chosen is None else hidden_by_method(chosen)


def hidden_by_method(grid: Grid) -> Table:
    """Hidden protocol: methods by what was hidden, at a rate for each modality."""
    cells = {c: cells_of(grid, {m: grid.summary(m, c) for m in grid.models}) for c in grid.conditions}
    rows = tuple((Cell(m), *(cells[c][m] for c in grid.conditions), seeds_cell(grid, m)) for m in grid.models)
    realised = ", ".join(f"{c} {100 * grid.realised[c]:.1f}%" for c in grid.conditions)
    return Table(
        f"hidden-{slug(grid.metric)}",
        f"{grid.dataset}: {grid.measure.title}, single modalities hidden at a rate",
        ("method", *grid.conditions, "seeds"),
        rows,
        (
            _how(grid),
            f"Samples measured: {_counts(grid)}. The others have the modality; every sample keeps one. "
            f"Hidden of all that is present: {realised}.",
        ),
    )


def high_rates(grid: Grid) -> tuple[str, ...]:
    """The conditions of ``HIGH_RATES``; none where one of them was not measured."""
    high = tuple(c for c in grid.conditions if grid.requested.get(c) in HIGH_RATES)
    return high if len(high) == len(HIGH_RATES) else ()


def rate_head(grid: Grid, condition: str) -> str:
    """The realised missing rate, and the requested one where it differs by half a point or more."""
    realised, requested = grid.realised[condition], grid.requested.get(condition)
    shown = f"{100 * realised:.1f}%"
    return (
        shown if requested is None or abs(realised - requested) < 0.005 else f"{shown} (asked: {100 * requested:.0f}%)"
    )


def recovery_table(rows: Sequence[ResultRow], *, naming: Naming | None = None) -> Table:
    """Recovered modality by method: means over the patterns that hide it.

    Args:
        rows: any result rows; those of the first data set and split under the fixed protocol count.  The table is
            empty where nothing was recovered.
        naming: titles of methods.
    """
    rows = measured(rows, rows[0].dataset, "fixed", split=rows[0].split) if rows else ()
    lines: list[tuple[Cell, ...]] = []
    points = False
    targets = targets_of(rows)
    names = list(dict.fromkeys(m for t in targets for m in metrics_of(rows, target=t)))
    for target in targets:
        grids = {m: grid(rows, m, target=target, naming=naming) for m in names if m in metrics_of(rows, target=target)}
        labels = list(dict.fromkeys(label for g in grids.values() for label in g.models))
        cells = {m: cells_of(g, {k: g.mean_over(k, _held(g, k)) for k in labels}) for m, g in grids.items()}
        first = next(iter(grids.values()))
        for label in points_of(grids):
            cells[CRPS][label] = replace(cells[CRPS][label], mark=POINT)
            points = True
        for label in labels:
            numbers = [cells[m][label] if m in cells else Cell() for m in names]
            lines.append((Cell(target), Cell(label), *numbers, seeds_cell(first, label)))
    if not lines:
        return EMPTY
    some = {m: grid(rows, m, target=t, naming=naming).measure for t in targets for m in metrics_of(rows, target=t)}
    return Table(
        "recovery",
        f"{rows[0].dataset}: recovery of hidden modalities, normalised units",
        ("recovered", "method", *(some[m].title for m in names), "seeds"),
        tuple(lines),
        (
            "Means over the conditions that hide the modality; hidden frames whose truth the data hold. "
            "R²: 0 answers with the training mean, 1 is the truth. Energy distance: 0 is the right distribution.",
            "Mean over seeds ± deviation between runs; bold is the best for that modality, of the methods "
            "that have all seeds.",
            *([f"{POINT}: a point forecast, without draws: its CRPS is its absolute error."] if points else []),
        ),
    )


def published_table(published: Published, dataset: str) -> Table:
    """The paper's Table 1 of one data set, ACC2 / F1 / ACC7, with the mean over the six sets."""
    chosen = [r for r in published.table1 if r.dataset == dataset]
    sets = list(chosen[0].scores)
    rows = []
    for r in chosen:
        means = [published.pattern_mean(dataset, r.model, m) or 0.0 for m in ("acc2", "f1", "acc7")]
        triples = [" / ".join(f"{v:.1f}" for v in r.scores[s].values()) for s in sets]
        name = r.title + (" [retracted]" if r.retracted else "")
        rows.append((Cell(name), *map(Cell, triples), Cell(" / ".join(f"{rounded(v, 1):.1f}" for v in means))))
    order = ("text", "audio", "vision")
    return Table(
        "published",
        f"{dataset}: published numbers, ACC2 / F1 / ACC7 (%)",
        ("method", *(set_name([n for n in order if n in s]) for s in sets), "mean of incomplete"),
        tuple(rows),
        (f"{published.source}, Table 1; the mean is computed here. One model per set; not measured by md2n.",),
    )


def published_variants(published: Published, dataset: str) -> Table:
    """The paper's Tables 2, 3 and 4 of one data set, and what later papers print of it; ACC2, F1, ACC7 in percent."""
    own = [(f"Table {r.table}, {r.rates}", r.title, r.values) for r in published.ablations if r.dataset == dataset]
    others = [(str(r["source"]), str(r["title"]), r) for r in published.elsewhere if r["dataset"] == dataset]
    rows = []
    for source, name, values in [*own, *others]:
        measures = [values.get(m) for m in ("acc2", "f1", "acc7")]
        numbers = [Cell() if v is None else Cell(value=float(v), digits=1) for v in measures]
        rows.append((Cell(name), Cell(source), *numbers))
    return Table(
        "published-variants",
        f"{dataset}: published numbers of variants, and of others",
        ("method", "where", "ACC2 (%)", "F1 (%)", "ACC7 (%)"),
        tuple(rows),
        (
            f"{published.source}, Tables 2 to 4; others as named, quoted by later comparisons. Not measured by md2n.",
            f"Said in the paper's text: {'; '.join(published.claims)}.",
        ),
    )


def _first_grid(rows: Sequence[ResultRow], protocol: str, metric: str, naming: Naming | None) -> Grid | None:
    chosen = measured(rows, rows[0].dataset, protocol, split=rows[0].split) if rows else ()
    names = metrics_of(chosen)
    return grid(chosen, metric or names[0], naming=naming) if names else None


def cells_of(grid: Grid, column: Mapping[str, Summary | None]) -> dict[str, Cell]:
    """Label -> cell of a column of summaries; the best of them are marked."""
    best = grid.best({k: None if s is None else s.mean for k, s in column.items()})
    digits = grid.measure.digits
    cells = {}
    for label, s in column.items():
        deviation = None if s is None or s.deviation is None else s.deviation * grid.scale
        value = None if s is None else s.mean * grid.scale
        cells[label] = Cell(value=value, deviation=deviation, digits=digits, best=label in best)
    return cells


def _worst(grid: Grid, label: str) -> Summary | None:
    """Per seed the worst available set, then over seeds."""
    cells = [grid.values.get((label, c), {}) for c in grid.incomplete]
    shared = sorted(set.intersection(*(set(c) for c in cells))) if cells else []
    pick = max if grid.measure.higher_is_better is False else min
    return Summary.over([pick(c[seed] for c in cells) for seed in shared])


def _held(grid: Grid, label: str) -> list[str]:
    return [c for c in grid.conditions if (label, c) in grid.values]


def seeds_cell(grid: Grid, label: str) -> Cell:
    """How many runs a method has."""
    return Cell(value=float(len(grid.seeds(label))), digits=0)


def _beside(grid: Grid, published: Published | None) -> dict[str, float | None]:
    sets = [c.split("+") for c in grid.incomplete]
    name = BESIDE.get(grid.metric)
    if published is None or name is None:
        return dict.fromkeys(grid.models)
    return {label: published.pattern_mean(grid.dataset, model, name, sets) for label, model in grid.models.items()}


def _counts(grid: Grid) -> str:
    counts = set(grid.counts.values())
    if len(counts) == 1:
        return f"{counts.pop()} under every condition"
    return ", ".join(f"{c} {n}" for c, n in grid.counts.items())


def _how(grid: Grid) -> str:
    direction = {True: "Higher is better.", False: "Lower is better.", None: ""}[grid.measure.higher_is_better]
    bounds = ", ".join(sorted(grid.aside))
    aside = f"Upper bounds (a model for each set) are not compared: {bounds}." if bounds else ""
    fewer = f"Fewer seeds than others, so {not_compared(grid)}." if grid.fewer else ""
    parts = ["Mean over seeds ± deviation between runs; bold is the best here.", direction, aside, fewer]
    parts += [MIXED] if grid.mixed else []
    return " ".join(p for p in parts if p)


def not_compared(grid: Grid, bounds: Sequence[str] = ()) -> str:
    """Which methods have fewer runs, and what follows; ``bounds`` are methods that all others are measured by."""
    methods = ", ".join(f"{label} ({n})" for label, n in grid.fewer.items())
    return f"nothing is bold: {methods}" if any(b in grid.fewer for b in bounds) else f"not compared: {methods}"


def slug(text: str) -> str:
    """A text as a part of a file's name."""
    return "".join(c if c.isalnum() else "-" for c in text.lower())
