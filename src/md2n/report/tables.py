"""The tables of a report, made from result rows.

Numbers are means over seeds ± the sample standard deviation between runs.  Bold is the best of what md2n measured;
published numbers stand in columns of their own, are never bold and never enter a comparison.
"""

from collections.abc import Mapping, Sequence

from md2n.errors import DataError
from md2n.evaluation.bias import LEAST_GAP, equity
from md2n.evaluation.results import ResultRow
from md2n.modality import set_name
from md2n.report.grid import COMPLETE, Grid, Naming, Summary, grid, measured, metrics_of, targets_of
from md2n.report.published import BESIDE, Published
from md2n.report.table import Cell, Table, rounded

EMPTY = Table("empty", "nothing was measured", (), ())
HIGH_RATES = (0.3, 0.4, 0.5, 0.6, 0.7)  # what the paper's Table 2 averages over


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
    found = _first_grid(rows, "fixed", metric, naming)
    return EMPTY if found is None else patterns_by_method(found, published)


def rate_table(rows: Sequence[ResultRow], metric: str = "", *, naming: Naming | None = None) -> Table:
    """``rates_by_method`` straight from result rows; as ``fixed_table``."""
    found = _first_grid(rows, "random", metric, naming)
    return EMPTY if found is None else rates_by_method(found)


def patterns_by_method(grid: Grid, published: Published | None = None) -> Table:
    """Fixed protocol: methods by available sets, their mean, the worst set, the complete data.

    Args:
        grid: of one measure.
        published: adds the paper's mean over the same sets where it prints them all.
    """
    sets = grid.incomplete
    heads = [*sets, "mean of incomplete", "worst"] + ([COMPLETE] if COMPLETE in grid.conditions else [])
    columns: dict[str, dict[str, Summary | None]] = {}
    for head in heads:
        for label in grid.models:
            if head == "mean of incomplete":
                told = grid.mean_over(label, sets)
            elif head == "worst":
                told = _worst(grid, label)
            else:
                told = grid.summary(label, head)
            columns.setdefault(head, {})[label] = told
    cells = {head: _cells(grid, column) for head, column in columns.items()}
    rows = [[Cell(label), *(cells[h][label] for h in heads), _seeds(grid, label)] for label in grid.models]
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
        f"patterns-{_slug(grid.metric)}",
        f"{grid.dataset}: {grid.measure.title}, by available modalities",
        ("method", *heads, "seeds", *extra),
        tuple(map(tuple, rows)),
        tuple(notes),
    )


def rates_by_method(grid: Grid) -> Table:
    """Random protocol: methods by missing rate (the realised one is named), and the mean over 30% to 70%."""
    high = [c for c in grid.conditions if grid.requested.get(c) in HIGH_RATES]
    columns = {rate_head(grid, c): {m: grid.summary(m, c) for m in grid.models} for c in grid.conditions}
    if len(high) == len(HIGH_RATES):
        columns["mean of 30–70%"] = {m: grid.mean_over(m, high) for m in grid.models}
    cells = {head: _cells(grid, column) for head, column in columns.items()}
    rows = tuple((Cell(m), *(cells[h][m] for h in columns), _seeds(grid, m)) for m in grid.models)
    return Table(
        f"rates-{_slug(grid.metric)}",
        f"{grid.dataset}: {grid.measure.title}, by missing rate",
        ("method", *columns, "seeds"),
        rows,
        (_how(grid), "Rates are realised ones; where another was asked for it stands in brackets."),
    )


def rate_head(grid: Grid, condition: str) -> str:
    """The realised missing rate, and the requested one where it differs by half a point or more."""
    realised, asked = grid.realised[condition], grid.requested.get(condition)
    shown = f"{100 * realised:.1f}%"
    return shown if asked is None or abs(realised - asked) < 0.005 else f"{shown} (asked: {100 * asked:.0f}%)"


def recovery_table(rows: Sequence[ResultRow], *, naming: Naming | None = None) -> Table:
    """Recovered modality by method: means over the patterns that hide it.

    Args:
        rows: any result rows; those of the first data set and split under the fixed protocol count.  The table is
            empty where nothing was recovered.
        naming: titles of methods.
    """
    rows = measured(rows, rows[0].dataset, "fixed", split=rows[0].split) if rows else ()
    lines: list[tuple[Cell, ...]] = []
    targets = targets_of(rows)
    names = list(dict.fromkeys(m for t in targets for m in metrics_of(rows, target=t)))
    for target in targets:
        grids = {m: grid(rows, m, target=target, naming=naming) for m in names if m in metrics_of(rows, target=target)}
        labels = list(dict.fromkeys(label for g in grids.values() for label in g.models))
        cells = {m: _cells(g, {k: g.mean_over(k, _held(g, k)) for k in labels}) for m, g in grids.items()}
        first = next(iter(grids.values()))
        for label in labels:
            numbers = [cells[m][label] if m in cells else Cell() for m in names]
            lines.append((Cell(target), Cell(label), *numbers, _seeds(first, label)))
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
            "Mean over seeds ± deviation between runs; bold is the best for that modality.",
        ),
    )


def equity_table(grid: Grid, chance: str, ceiling: str) -> Table | None:
    """Equity per available set, its minimum and spread, per method; None where chance or ceiling was not measured.

    Args:
        grid: of one measure under the fixed protocol.
        chance: label of the majority answer.
        ceiling: label of the models trained for one set each.
    """
    if chance not in grid.models or ceiling not in grid.models:
        return None
    sets = grid.incomplete
    low, high = _means(grid, chance, sets), _means(grid, ceiling, sets)
    lines: list[tuple[Cell, ...]] = []
    undefined: tuple[str, ...] = ()
    for label in grid.models:
        score = _means(grid, label, sets)
        if label in (chance, ceiling) or len(score) < len(sets):
            continue
        try:
            told = equity(score, low, high, higher_is_better=grid.measure.higher_is_better is not False)
        except DataError:  # no set on which anything can be learnt: there is no table to make
            return None
        undefined = told.undefined
        numbers = [told.per_pattern.get(s) for s in sets]
        lines.append((Cell(label), *(Cell(value=v, digits=2) for v in [*numbers, told.minimum, told.spread])))
    if not lines:
        return None
    notes = [
        f"(score − chance) / (ceiling − chance); chance: {chance}; ceiling: {ceiling}. "
        "1 everywhere is unbiased; the minimum is the worst-served set, the spread maximum minus minimum.",
        "Made from means over seeds.",
    ]
    if undefined:
        notes.append(f"Left out, ceiling within {LEAST_GAP:g} of chance: {', '.join(undefined)}.")
    return Table(
        f"equity-{_slug(grid.metric)}",
        f"{grid.dataset}: equity in {grid.measure.title}",
        ("method", *sets, "minimum", "spread"),
        tuple(lines),
        tuple(notes),
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


def _first_grid(rows: Sequence[ResultRow], protocol: str, metric: str, naming: Naming | None) -> Grid | None:
    found = measured(rows, rows[0].dataset, protocol, split=rows[0].split) if rows else ()
    names = metrics_of(found)
    return grid(found, metric or names[0], naming=naming) if names else None


def _cells(grid: Grid, column: Mapping[str, Summary | None]) -> dict[str, Cell]:
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


def _means(grid: Grid, label: str, conditions: Sequence[str]) -> dict[str, float]:
    told = {c: grid.summary(label, c) for c in conditions}
    return {c: s.mean for c, s in told.items() if s is not None}


def _held(grid: Grid, label: str) -> list[str]:
    return [c for c in grid.conditions if (label, c) in grid.values]


def _seeds(grid: Grid, label: str) -> Cell:
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
    aside = f"Ceilings (a model for each set) are not compared: {', '.join(sorted(grid.aside))}." if grid.aside else ""
    parts = ["Mean over seeds ± deviation between runs; bold is the best here.", direction, aside]
    return " ".join(p for p in parts if p)


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text.lower())
