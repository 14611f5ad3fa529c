"""The report of one reproduced table or figure: ours, the published values, the paired tests, the figure, one page."""

import json
from collections.abc import Sequence
from pathlib import Path

from md2n.evaluation.results import ResultRow
from md2n.report import figures, style
from md2n.report.grid import Naming
from md2n.report.patterns import heat_map
from md2n.report.published import published
from md2n.report.render import origins_table
from md2n.report.reproduced import Reproduced, agreement, own_tables, paired_tests, published_rows, to_json
from md2n.report.sections import Picture, Section, write_sections
from md2n.report.stages import stage_curves
from md2n.report.table import Table
from md2n.report.tables import published_table

OURS = "md2n"
STAGES = (200, 800)  # the paper's t1 and t2
NO_VALUES = "The paper's figure is a picture; its text gives no value of its curves."
SUMMARY = "reproduced.json"


def published_tables(study: str) -> list[Table]:
    """What the paper prints where this study is; empty for a figure."""
    if study == "table1":
        facts = published()
        tables = [published_table(facts, dataset) for dataset in facts.datasets()]
        return [_named(t, f"{study}-published-{d}") for t, d in zip(tables, facts.datasets())]
    table = published_rows(study)
    return [] if table is None else [table]


def _named(table: Table, name: str) -> Table:
    return Table(name, table.title, table.columns, table.rows, table.notes, table.across)


def drawing(one: Reproduced) -> Picture | None:
    """The figure of a study; None for a table, and where too little was run for one."""
    few = len(one.first.incomplete) < 3
    if one.first.protocol == "every":
        return Picture("patterns", f"{one.first.measure.title} under every pattern", heat_map(one.first))
    if one.study == "fig1" and not few:
        caption = "by what is available, means over runs with bands of one deviation"
        return Picture("radar", caption, figures.radar(one.first, emphasis=OURS, bands=True))
    if one.study == "fig3":
        caption = "by realised missing rate, means over runs with bands of one deviation"
        return Picture("rates", caption, figures.rate_curves(one.grids, emphasis=OURS))
    if one.study == "fig4" and len(one.first.models) > 3:
        caption = "by where the stages meet, means over runs with bands of one deviation"
        return Picture("stages", caption, stage_curves(one.grids, *STAGES))
    return None


def write_reproduction(
    folder: Path, one: Reproduced, rows: Sequence[ResultRow], titles: dict[str, str], notes: Sequence[str] = ()
) -> Path:
    """Writes the report folder of one table or figure.

    Args:
        folder: made if absent.
        one: what was measured.
        rows: behind it, for where the numbers come from.
        titles: name of a row -> its title.
        notes: what a reader has to know, such as runs that failed.

    Returns:
        Path of ``index.html``; ``reproduced.json`` beside it has all numbers of the tables.

    Raises:
        StorageError: a file could not be written.
    """
    section = Section(one.dataset, "test", verdict=agreement(one).replace("`", "").replace("*", ""))
    section.facts = [one.title, f"{one.cpu_s / 3600:.2f} CPU hours", *(one.sets and [f"with {' '.join(one.sets)}"])]
    theirs = published_tables(one.study)
    section.facts += [] if theirs else [NO_VALUES]
    section.facts += notes
    tests = paired_tests(one)
    section.tables = [*own_tables(one), *([] if tests is None else [tests]), *theirs]
    if not style.undrawable() and (picture := drawing(one)) is not None:
        section.pictures = [picture]
    section.name_tables()
    text = json.dumps(to_json(one), indent=1, ensure_ascii=False) + "\n"
    origins = origins_table(rows, Naming(titles, (), ()))
    return write_sections(folder, f"md2n: {one.title}", [section], [origins], {SUMMARY: text})
