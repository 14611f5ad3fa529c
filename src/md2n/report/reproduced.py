"""A table or figure of the paper as md2n measured it: small enough to keep, with everything its tables are made of.

Ours and the published values are never in one table.  What the paper says is better is tested in pairs on the test
samples, by whole people or videos where they are known, and over runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from statistics import fmean
from typing import Any

from md2n.brief import brief
from md2n.errors import DataError
from md2n.evaluation.results import ResultRow
from md2n.report.compare import holm, paired_test
from md2n.report.grid import Grid, Naming, grid, measured, metrics_of
from md2n.report.published import published
from md2n.report.runs import RunFacts
from md2n.report.samples import clustered_test, groups_of, scores_by_label
from md2n.report.table import Cell, Table
from md2n.report.tables import cells_of, patterns_by_method, rates_by_method

FORMAT = 1
SURE = 0.05
LEAST_GROUP = 2  # test samples of one person or video that make people or videos known


@dataclass(frozen=True)
class Difference:
    """What a row has more than another one, as the paper says it should.

    Args:
        better: title of the row that the paper says is better.
        worse: of the other.
        gain: mean difference over common runs; positive where the paper's order holds.
        margin: half the 95 % interval over test samples and runs; None where samples' scores are not known.
        p: of the same variance; None likewise.
        pairs: common runs.
        p_runs: Student's paired t over runs alone; None for fewer than three, and for folds, whose training sets
            overlap.
    """

    better: str
    worse: str
    gain: float
    margin: float | None
    p: float | None
    pairs: int
    p_runs: float | None

    @property
    def sure(self) -> bool:
        """Whether 0 is outside the margin; never of one run, whose margin is of its test samples alone."""
        return self.pairs > 1 and self.margin is not None and abs(self.gain) > self.margin


@dataclass(frozen=True)
class Reproduced:
    """One table or figure on one data set.

    Args:
        study: ``table1`` and so on.
        title: what it shows.
        grids: one per measure; conditions are those that count, rows are called by their titles.
        differences: of the first measure, in the paper's order.
        clusters: people or videos of the test samples; 0 where each sample is alone.
        cpu_s: of training and answering, of all runs.
        sets: ``--set`` assignments that all runs had.
        day: on which it was reported, as 2026-12-31; empty where that was not written down.
    """

    study: str
    title: str
    grids: tuple[Grid, ...]
    differences: tuple[Difference, ...]
    clusters: int
    cpu_s: float
    sets: tuple[str, ...] = ()
    day: str = ""

    __repr__ = brief

    @property
    def first(self) -> Grid:
        """Of the measure that is tested."""
        return self.grids[0]

    @property
    def dataset(self) -> str:
        """Name of the data."""
        return self.first.dataset

    @property
    def runs(self) -> int:
        """The most runs that a row has."""
        return max(len(self.first.seeds(label)) for label in self.first.models)


def reproduced(
    study: str,
    title: str,
    rows: Sequence[ResultRow],
    runs: Sequence[RunFacts],
    titles: Mapping[str, str],
    pairs: Sequence[tuple[str, str]],
    *,
    protocol: str,
    measures: Sequence[str],
    rates: Sequence[float] = (),
    sets: Sequence[str] = (),
) -> Reproduced:
    """What runs measured, as one table or figure.

    Args:
        study: its name.
        title: what it shows.
        rows: of one data set's test split, ``model`` being the name of the row.
        runs: behind them, likewise.
        titles: name of a row -> how it is called, in the paper's order.
        pairs: (better, worse) by names.
        protocol: they were measured under.
        measures: shown, the first of them tested.
        rates: that count; all conditions if empty.
        sets: that all runs had.

    Raises:
        DataError: none of these measures was measured, or not under these rates.
    """
    chosen = measured(rows, rows[0].dataset, protocol) if rows else ()
    order = list(titles)
    chosen = tuple(sorted(chosen, key=lambda r: order.index(r.model)))
    naming = Naming(titles, (), ())
    grids = []
    for name in [m for m in measures if m in metrics_of(chosen)]:
        whole = grid(chosen, name, naming=naming)
        counted = tuple(c for c in whole.conditions if not rates or whole.requested.get(c) in rates)
        grids.append(replace(whole, conditions=counted))
    if not grids or not grids[0].conditions:
        raise DataError(f"nothing that {study} shows was measured: {', '.join(measures)}", "make the runs again")
    first, labels = grids[0], naming.labels(chosen)
    scores = scores_by_label(runs, first, labels, "test")
    groups = groups_of(runs, first, "test")
    sizes = {g: list(groups.values()).count(g) for g in set(groups.values())}
    grouped = max(sizes.values(), default=0) >= LEAST_GROUP
    sign = 1 if first.measure.higher_is_better is not False else -1
    differences = []
    for better, worse in ((titles[a], titles[b]) for a, b in pairs):
        ours, theirs = (first.seed_means(label, first.incomplete) for label in (better, worse))
        if not ours.keys() & theirs.keys():
            continue
        over_runs = paired_test(ours, theirs)
        known = {better, worse} <= scores.keys()
        test = clustered_test(scores[better], scores[worse], groups) if known else None
        margin, p = test or (None, None)
        gain = sign * over_runs.difference
        p_runs = None if first.folded else over_runs.p  # training sets of folds overlap
        differences.append(Difference(better, worse, gain, margin, p, over_runs.pairs, p_runs))
    return Reproduced(
        study,
        title,
        tuple(grids),
        tuple(differences),
        len(sizes) if grouped else 0,
        round(sum(_spent(run.cost, protocol) for run in runs), 1),
        tuple(sets),
        date.today().isoformat(),
    )


def _spent(cost: Mapping[str, Any], protocol: str) -> float:
    """CPU seconds of training a run and of its predictions under a protocol."""
    training, prediction = cost.get("training") or {}, (cost.get("prediction") or {}).get(protocol) or {}
    return float(training.get("cpu_s", 0.0)) + float(prediction.get("cpu_s", 0.0))


def to_json(one: Reproduced) -> dict[str, Any]:
    """As JSON can hold it, six significant digits each."""
    return {
        "format": FORMAT,
        "study": one.study,
        "title": one.title,
        "differences": [{k: _short(v) for k, v in asdict(d).items()} for d in one.differences],
        "clusters": one.clusters,
        "cpu_s": one.cpu_s,
        "sets": list(one.sets),
        "day": one.day,
        "grids": [
            {
                **{f.name: getattr(g, f.name) for f in fields(Grid) if f.name in ("dataset", "protocol", "metric")},
                "models": list(g.models),
                "conditions": list(g.conditions),
                "values": {
                    label: {
                        c: {str(n): _short(v) for n, v in held.items()}
                        for c in g.conditions
                        if (held := g.values.get((label, c)))
                    }
                    for label in g.models
                },
                **{name: {c: of[c] for c in g.conditions if c in of} for name, of in _by_condition(g).items()},
                "codes": {label: sorted(codes) for label, codes in g.codes.items()},
                "folded": g.folded,
            }
            for g in one.grids
        ],
    }


def from_json(held: Mapping[str, Any]) -> Reproduced:
    """What ``to_json`` wrote.

    Raises:
        DataError: it is of another format.
    """
    if held.get("format") != FORMAT:
        raise DataError(f"a study of format {held.get('format')}", f"this md2n reads format {FORMAT}: make it again")
    grids = [
        Grid(
            target="",
            **{name: g[name] for name in ("dataset", "protocol", "metric", *("requested", "realised", "counts"))},
            models={label: label for label in g["models"]},
            conditions=tuple(g["conditions"]),
            values={
                (label, c): {int(n): v for n, v in of.items()}
                for label, cells in g["values"].items()
                for c, of in cells.items()
            },
            codes={label: frozenset(codes) for label, codes in g["codes"].items()},
            folded=g["folded"],
        )
        for g in held["grids"]
    ]
    differences = tuple(Difference(**d) for d in held["differences"])
    facts = held["clusters"], held["cpu_s"], tuple(held["sets"]), held.get("day", "")
    return Reproduced(held["study"], held["title"], tuple(grids), differences, *facts)


def _by_condition(g: Grid) -> dict[str, Mapping[str, Any]]:
    return {"requested": g.requested, "realised": g.realised, "counts": g.counts}


def _short(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def own_tables(one: Reproduced) -> list[Table]:
    """Ours in the paper's layout; with deviations, measure by measure, where the layout has no room for them."""
    from md2n.report.patterns import missing_table, number_table

    if one.study in ("table1", "fig1"):
        if one.first.protocol == "every":
            return [table for g in one.grids for table in (number_table(g), missing_table(g))]
        return [_paper_layout(one), *(patterns_by_method(g) for g in one.grids)]
    if one.study == "fig3":
        return [rates_by_method(g) for g in one.grids]
    return [_measure_table(one)]


def _paper_layout(one: Reproduced) -> Table:
    """Methods by available sets, all measures in a cell, as in the paper's Table 1."""
    rows = []
    for label in one.first.models:
        cells = []
        for condition in one.first.incomplete:
            means = [(g, g.summary(label, condition)) for g in one.grids]
            cells.append(" / ".join("–" if s is None else f"{s.mean * g.scale:.{g.measure.digits}f}" for g, s in means))
        rows.append((Cell(label), *map(Cell, cells)))
    heads = " / ".join(g.measure.title for g in one.grids)
    return Table(
        f"{one.study}-ours",
        f"{one.dataset}: {heads}",
        ("method", *one.first.incomplete),
        tuple(rows),
        (f"Means over runs ({one.runs}{_fewer(one)}), one model for all sets; columns say what is available.",),
        across="available",
    )


def _fewer(one: Reproduced) -> str:
    """Which rows have fewer runs than others."""
    return "".join(f", {n} of {label}" for label, n in one.first.fewer.items())


def _measure_table(one: Reproduced) -> Table:
    """Rows by measures, means over the conditions that count."""
    columns = {}
    for g in one.grids:
        columns[g.measure.title] = cells_of(g, {m: g.mean_over(m, g.incomplete) for m in g.models})
    rates = [100 * one.first.requested[c] for c in one.first.conditions]
    over = f"{min(rates):.0f} %" if len(rates) == 1 else f"mean of {min(rates):.0f} to {max(rates):.0f} %"
    rows = tuple(
        (Cell(label), *(cells.get(label, Cell()) for cells in columns.values()), _count(one.first, label))
        for label in one.first.models
    )
    note = f"Missing rate: {over}. Mean over runs ± deviation between runs; bold is the best here."
    return Table(f"{one.study}-ours", f"{one.dataset}: {one.title}", ("row", *columns, "runs"), rows, (note,))


def _count(g: Grid, label: str) -> Cell:
    return Cell(value=float(len(g.seeds(label))), digits=0)


def published_rows(study: str) -> Table | None:
    """The paper's Table 2, 3 or 4, both of its data sets; None for a study that has no such table."""
    facts = published()
    chosen = [a for a in facts.ablations if f"table{a.table}" == study]
    if not chosen:
        return None
    rows = [
        (Cell(a.dataset), Cell(a.title), *(Cell(value=a.values[m], digits=1) for m in ("acc2", "f1", "acc7")))
        for a in chosen
    ]
    heads = ("data", "row", "ACC2 (%)", "F1 (%)", "ACC7 (%)")
    note = f"{facts.source}, Table {chosen[0].table}, {chosen[0].rates}. Not measured by md2n; other features."
    return Table(f"{study}-published", f"Published: Table {chosen[0].table}", heads, tuple(rows), (note,))


def paired_tests(one: Reproduced) -> Table | None:
    """The paired tests; None where no pair was run."""
    if not one.differences:
        return None
    g, known = one.first, [d.p for d in one.differences if d.p is not None]
    corrected = iter(holm(known))
    digits = 2 if g.measure.percent else 4
    rows = tuple(
        (
            Cell(d.better),
            Cell(d.worse),
            Cell(value=d.gain * g.scale, digits=digits),
            Cell(value=None if d.margin is None else d.margin * g.scale, digits=digits),
            Cell(value=d.p, digits=4),
            Cell(value=None if d.p is None else next(corrected), digits=4),
            Cell(value=float(d.pairs), digits=0),
            Cell(value=d.p_runs, digits=4),
        )
        for d in one.differences
    )
    by = f"by {one.clusters} people or videos" if one.clusters else "each sample alone"
    notes = (
        f"Positive: the paper's order holds. ± is the 95 % margin over test samples ({by}) and runs; p is of the same "
        "variance, two-sided, then corrected by Holm over the rows. The last p is Student's over runs alone.",
        *(("One run: the margin is of its test samples alone, and nothing is called sure.",) if one.runs == 1 else ()),
    )
    heads = ("better in the paper", "worse in the paper", "difference", "±", "p", "p (Holm)", "runs", "p over runs")
    return Table(f"{one.study}-tests", f"{one.dataset}: paired tests, {g.measure.title}", heads, rows, notes)


def agreement(one: Reproduced) -> str:
    """Which of the paper's orders hold here, in a few sentences."""
    if not one.differences:
        return f"On `{one.dataset}` no pair of rows was run that the paper compares."
    g, unit = one.first, " points" if one.first.measure.percent else ""
    digits = g.measure.digits if g.measure.percent else g.measure.digits + 1

    def shown(d: Difference) -> str:
        half = "" if d.margin is None else f" ± {d.margin * g.scale:.{digits}f}"
        return f"{d.better} over {d.worse} ({d.gain * g.scale:+.{digits}f}{half})"

    groups = {
        "holds": [d for d in one.differences if d.sure and d.gain > 0],
        "same direction, may be chance": [d for d in one.differences if not d.sure and d.gain > 0],
        "not seen": [d for d in one.differences if not d.sure and d.gain <= 0],
        "reversed": [d for d in one.differences if d.sure and d.gain < 0],
    }
    parts = [f"*{kind}*: {', '.join(map(shown, of))}" for kind, of in groups.items() if of]
    title = g.measure.title.partition(" (")[0].partition(",")[0]
    mean = fmean(d.gain for d in one.differences) * g.scale
    runs = ("one run" if one.runs == 1 else f"{one.runs} runs") + f" of each row{_fewer(one)}"
    return (
        f"On `{one.dataset}` ({title}, {runs}), of what the paper says is better: {'; '.join(parts)}. "
        f"Mean difference {mean:+.{digits}f}{unit}."
    )
