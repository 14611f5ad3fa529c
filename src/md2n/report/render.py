"""Writes a report folder: every table as Markdown, CSV and LaTeX, every figure as SVG and PNG, and one page.

``index.html`` holds everything it shows, needs no network and can be mailed as it is.
"""

import os
import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from md2n.durable import tidy
from md2n.errors import DataError
from md2n.evaluation.results import PROTOCOLS, ResultRow
from md2n.report import figures, style
from md2n.report.certainty import certainty_table
from md2n.report.compare import comparison_table
from md2n.report.equity import equity_overview, equity_table
from md2n.report.figures import RecoveryExample
from md2n.report.grid import Grid, Naming, grid, measured, metrics_of, targets_of
from md2n.report.patterns import heat_map, missing_table, number_table
from md2n.report.published import Published, published
from md2n.report.runs import (
    PLACE,
    Failure,
    RunFacts,
    cost_table,
    failure_table,
    run_table,
    trace_commands,
    with_failures,
)
from md2n.report.samples import groups_of, scores_by_label
from md2n.report.sections import Picture, Section, write_sections
from md2n.report.summary import (
    clustered_tests,
    difference_table,
    first_grids,
    overview_table,
    standing_table,
)
from md2n.report.table import Cell, Table
from md2n.report.tables import (
    hidden_by_method,
    patterns_by_method,
    published_table,
    published_variants,
    rates_by_method,
    recovery_table,
    shares_by_method,
)
from md2n.report.verdict import verdict_of

ALL = "all data sets"
CURVES = 3  # panels of the rate figure: ACC2, F1 and ACC7 in the paper's Fig. 3


def write_report(
    folder: Path,
    rows: Sequence[ResultRow],
    *,
    title: str = "md2n: results",
    naming: Naming | None = None,
    reference: str = "md2n",
    chance: str = "majority",
    upper_bound: str = "dedicated",
    beside_published: bool = True,
    examples: Iterable[RecoveryExample] = (),
    pictures: Mapping[str, Sequence[Picture]] | None = None,
    runs: Sequence[RunFacts] = (),
    failures: Sequence[Failure] = (),
    notes: Sequence[str] = (),
) -> Path:
    """Writes the report of all data sets among ``rows``.

    The same rows give the same bytes.  Files of an earlier report are replaced one by one, each whole or not at all;
    what it has and this one has not is removed.  Other files are left alone.

    Args:
        folder: made if absent.
        rows: as read from ``results.jsonl``.
        title: of the page.
        naming: titles of methods, and which are retracted.
        reference: the method that figures emphasise and that is tested against the others.
        chance: the method that answers with the majority, for equity.
        upper_bound: the method trained for one set at a time, for equity.
        beside_published: adds the paper's numbers, in columns and tables of their own.
        examples: recovered frames to draw, where figures can be drawn.
        pictures: data set -> figures that the caller drew, for the test split's part of the page.
        runs: where the rows' runs are and what they cost: for the cost tables, and the way from a number to its run.
        failures: runs without results; their rows say so.
        notes: said under every table of predictions, such as the search budget.

    Returns:
        Path of ``index.html``.

    Raises:
        DataError: there are no rows, or rows of one data set come from two versions of the data or two sets of masks.
        StorageError: a file could not be written.
    """
    if not rows:
        raise DataError("there are no results to report", "`md2n evaluate RUN` measures a run")
    for part in (folder, folder / "tables", folder / "figures"):
        tidy(part)
    naming = naming or Naming()
    facts = published() if beside_published else None
    placed = [r for r in runs if r.folder]  # an archive does not say where its runs were
    shown = [] if style.undrawable() else list(examples)
    sections = []
    for dataset, split in dict.fromkeys((r.dataset, r.split) for r in rows):
        pairs = dict.fromkeys((r.model, r.config_hash) for r in rows if r.dataset == dataset)
        named = replace(naming, configurations=tuple(pairs))
        section = _section(rows, dataset, split, named, reference, (chance, upper_bound), facts, runs)
        lost = [f for f in failures if f.dataset == dataset] if split == "test" else []
        section.tables = [_explained(t, lost, notes, named) for t in section.tables]
        if split == "test":
            section.pictures += [_example(e, naming) for e in shown if e.dataset == dataset]
            section.pictures += (pictures or {}).get(dataset, ())
            costs = cost_table(runs, dataset, named)
            section.tables += [] if costs is None else [costs]
        if any(r.dataset == dataset for r in placed):
            section.runs = run_table(placed, dataset, named)
            section.commands = _commands(rows, dataset, split, placed, reference)
        section.name_tables()
        sections.append(section)
    if len({r.dataset for r in rows if r.split == "test"}) > 1:
        sections.insert(0, _overall(rows, naming, reference, (chance, upper_bound), runs, failures, notes))
    origins, failed = origins_table(rows, naming), failure_table(failures, naming)
    others = [origins, failed] if failures else [origins]
    scripts: dict[str, str] = {}
    way = shlex.quote(_way_back(folder)) if any(not Path(r.folder).is_absolute() for r in placed) else ""
    for section in sections:
        if section.commands:
            # Given to a shell line by line it has no name of its own, and stays where the reader is.
            go = [f'case "$0" in *.sh) cd "$(dirname "$0")" && cd {way} || exit 1;; esac'] if way else []
            lines = [f"# {PLACE}", *go, *section.commands]
            scripts[f"from-a-number-{section.name}.sh"] = "\n".join(lines) + "\n"
            section.commands = [f"# {PLACE}{f': from this page, {way}' if way else ''}", *section.commands]
    return write_sections(folder, title, sections, others, scripts)


def _way_back(folder: Path) -> str:
    """The folder in which the report is asked for, seen from the report: a folder that is moved whole keeps it."""
    here = Path.cwd()
    try:
        return Path(os.path.relpath(here, folder.resolve())).as_posix()
    except ValueError:  # another drive
        return here.as_posix()


def _section(
    rows: Sequence[ResultRow],
    dataset: str,
    split: str,
    naming: Naming,
    reference: str,
    bounds: tuple[str, str],
    facts: Published | None,
    runs: Sequence[RunFacts],
) -> Section:
    section = Section(dataset, split)
    drawable = not style.undrawable()
    fixed = measured(rows, dataset, "fixed", split=split)
    random = measured(rows, dataset, "random", split=split)
    inside = measured(rows, dataset, "inside", split=split)
    hidden = measured(rows, dataset, "hidden", split=split)
    every = measured(rows, dataset, "every", split=split)
    by_protocol = {"fixed": fixed, "random": random, "inside": inside, "hidden": hidden, "every": every}
    either = fixed or random or inside or hidden or every
    section.facts = [
        f"split: {split}; data {either[0].data_checksum[:12]}",
        f"protocols: {', '.join(PROTOCOLS[p] for p, rows_of in by_protocol.items() if rows_of)}",
    ]
    if metrics_of(fixed):
        grids = [grid(fixed, m, naming=naming) for m in metrics_of(fixed)]
        first = grids[0]
        section.tables += [patterns_by_method(g, facts) for g in grids]
        chosen = [_label(first, model) for model in (reference, *bounds)]
        tables = [equity_table(first, chosen[1], chosen[2])]
        scores = scores_by_label(runs, first, naming.labels(fixed), split)
        groups = groups_of(runs, first, split)
        section.verdict = verdict_of(first, chosen[0], scores, groups)
        if chosen[0] in first.models:
            tables += [comparison_table(first, chosen[0], scores=scores, groups=groups)]
        section.tables += [t for t in tables if t is not None]
        if drawable and len(first.conditions) >= 3:
            caption = f"{first.measure.title} by what is available, means over seeds"
            section.pictures.append(Picture("radar", caption, figures.radar(first, emphasis=chosen[0])))
    if metrics_of(random):
        grids = [grid(random, m, naming=naming) for m in metrics_of(random)]
        section.tables += [rates_by_method(g) for g in grids]
        section.verdict = section.verdict or verdict_of(
            grids[0],
            _label(grids[0], reference),
            scores_by_label(runs, grids[0], naming.labels(random), split),
            groups_of(runs, grids[0], split),
        )
        if drawable:
            curves = _curves(grids)
            drawing = figures.rate_curves(curves, emphasis=_label(curves[0], reference))
            caption = "by realised missing rate, means over seeds with bands of one standard deviation"
            section.pictures.append(Picture("rates", caption, drawing))
    if metrics_of(every):
        grids = [grid(every, m, naming=naming) for m in metrics_of(every)]
        section.tables += [table for g in grids for table in (number_table(g), missing_table(g))]
        if drawable:
            caption = f"{grids[0].measure.title} under every pattern, means over seeds"
            section.pictures.append(Picture("patterns", caption, heat_map(grids[0])))
    section.tables += [shares_by_method(grid(inside, m, naming=naming)) for m in metrics_of(inside)]
    section.tables += [
        shares_by_method(grid(inside, m, target=t, naming=naming))
        for t in targets_of(inside)
        for m in metrics_of(inside, target=t)
        if m in ("recovery_r2", "recovery_coverage90")
    ]
    section.tables += [hidden_by_method(grid(hidden, m, naming=naming)) for m in metrics_of(hidden)]
    beside = (certainty_table(fixed, naming=naming), recovery_table(fixed, naming=naming))
    section.tables += [table for table in beside if table.rows]
    if facts is not None and dataset in facts.datasets():
        section.tables += [published_table(facts, dataset), published_variants(facts, dataset)]
    return section


def _overall(
    rows: Sequence[ResultRow],
    naming: Naming,
    reference: str,
    bounds: tuple[str, str],
    runs: Sequence[RunFacts],
    failures: Sequence[Failure],
    notes: Sequence[str],
) -> Section:
    """Methods by data sets, each by its first measure on the test split."""
    section = Section(ALL, "test")
    grids = {protocol: first_grids(rows, protocol, naming) for protocol in ("fixed", "random")}
    fixed = grids["fixed"]
    for protocol, of_protocol in grids.items():
        if of_protocol:
            table = overview_table(of_protocol, protocol, naming, failures)
            section.tables.append(replace(table, notes=(*table.notes, *notes)))
            section.facts.append(PROTOCOLS[protocol])
    labels = [next((_label(g, m) for g in fixed.values() if m in g.models.values()), m) for m in (reference, *bounds)]
    if any(labels[0] in g.models for g in fixed.values()):
        section.tables.append(difference_table(fixed, labels[0], clustered_tests(fixed, runs, labels[0])))
        if (table_over := standing_table(fixed, labels[0])) is not None:
            section.tables.append(table_over)
    if any({*labels[1:]} <= g.models.keys() for g in fixed.values()):
        section.tables.append(equity_overview(fixed, labels[1], labels[2]))
    section.name_tables()
    return section


def _explained(table: Table, failures: Sequence[Failure], notes: Sequence[str], naming: Naming) -> Table:
    """Tables of predictions say which runs are missing, and how settings were chosen."""
    if not table.name.startswith(("patterns", "rates", "hidden")):
        return table
    table = with_failures(table, failures, naming)
    return replace(table, notes=(*table.notes, *notes))


def _commands(
    rows: Sequence[ResultRow], dataset: str, split: str, runs: Sequence[RunFacts], reference: str
) -> list[str]:
    commands: list[str] = []
    for protocol in PROTOCOLS:
        measurements = measured(rows, dataset, protocol, split=split)
        if metrics_of(measurements):
            lines = trace_commands(runs, grid(measurements, metrics_of(measurements)[0]), split, reference)
            commands += (
                lines
                if not commands
                else [f"# and under the {protocol} protocol", *(n for n in lines if n not in commands)]
            )
    return commands


def _curves(grids: Sequence[Grid]) -> list[Grid]:
    """The panels of the paper's Fig. 3 where they were measured, else the first measures."""
    paper = [g for g in grids if g.metric in ("acc2_nonzero", "f1_weighted_nonzero", "acc7")]
    return (paper or list(grids))[:CURVES]


def _label(grid: Grid, model: str) -> str:
    """How the method is called in the grid; its first configuration where there are several, else its own name."""
    return next((label for label, name in grid.models.items() if name == model), model)


def _example(example: RecoveryExample, naming: Naming) -> Picture:
    example = replace(example, model=naming.label(example.model))
    text = unicodedata.normalize("NFKD", f"recovered {example.target} {example.condition} {example.model}")
    name = re.sub(r"[^a-z0-9_]+", "-", text.lower())
    caption = f"{example.target} recovered from {example.condition}: true against recovered values"
    return Picture(name.strip("-"), caption, figures.recovery_figure(example))


def origins_table(rows: Sequence[ResultRow], naming: Naming) -> Table:
    """Which runs, configurations and versions the numbers come from."""
    groups: dict[tuple[str, ...], set[int]] = {}
    for r in rows:
        versions = " ".join(f"{name} {version}" for name, version in sorted(r.versions.items()))
        built = f"{r.md2n_version} {r.git_commit[:12]}".strip()
        model = replace(naming, titles={}).label(r.model)  # as commands call it
        key = (r.dataset, model, r.config_hash[:12], r.protocol, r.data_checksum[:12], built, versions)
        groups.setdefault(key, set()).add(r.seed)
    return Table(
        "origins",
        "Where the numbers come from",
        ("data set", "method", "configuration", "protocol", "data", "md2n", "packages", "seeds"),
        tuple((*map(Cell, key), Cell(", ".join(map(str, sorted(seeds))))) for key, seeds in groups.items()),
    )
