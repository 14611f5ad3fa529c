"""Many available sets, so that they stay readable: by how many modalities are missing, by which, and as a heat map.

Six modalities have 62 incomplete sets and seven have 126: a column for each is no table.  Means over sets come first,
then over runs, so a deviation is between runs.
"""

from collections.abc import Sequence

from md2n.errors import UsageError
from md2n.evaluation.results import ResultRow
from md2n.report.grid import COMPLETE, Grid, Naming, measured, metrics_of
from md2n.report.grid import grid as grid_of
from md2n.report.style import COLOURS, FAINT, INK, STYLE, Figure
from md2n.report.table import Cell, Table
from md2n.report.tables import EMPTY, cells_of


def modalities_of(grid: Grid) -> tuple[str, ...]:
    """Every modality that a set of the grid names, in the order first met."""
    return tuple(dict.fromkeys(name for c in grid.incomplete for name in c.split("+")))


def every_table(rows: Sequence[ResultRow], *, naming: Naming | None = None) -> Table:
    """``number_table`` straight from result rows: of the first data set and split, and of their primary measure.

    Args:
        rows: any result rows; where none is of the protocol ``every`` the table is empty.
        naming: titles of methods.
    """
    chosen = measured(rows, rows[0].dataset, "every", split=rows[0].split) if rows else ()
    names = metrics_of(chosen)
    return number_table(grid_of(chosen, names[0], naming=naming)) if names else EMPTY


def number_table(grid: Grid) -> Table:
    """Methods by how many modalities are missing: means over all sets of that size.

    Args:
        grid: of one measure, conditions named by what is available.
    """
    names = modalities_of(grid)
    sizes = sorted({len(names) - len(c.split("+")) for c in grid.incomplete})
    groups = {str(n): [c for c in grid.incomplete if len(names) - len(c.split("+")) == n] for n in sizes}
    columns = {"all incomplete sets": list(grid.incomplete), **groups}
    if COMPLETE in grid.conditions:
        columns = {"all incomplete sets": columns.pop("all incomplete sets"), "0": [COMPLETE], **columns}
    cells = {h: cells_of(grid, {m: grid.mean_over(m, sets) for m in grid.models}) for h, sets in columns.items()}
    counted = ", ".join(f"{head}: {len(sets)}" for head, sets in groups.items())
    return Table(
        f"by-number-{_slug(grid.metric)}",
        f"{grid.dataset}: {grid.measure.title}, by number of missing modalities",
        ("method", *columns),
        tuple((Cell(m), *(cells[h][m] for h in columns)) for m in grid.models),
        (f"Means over available sets, then over runs ± deviation between runs. Sets of each number: {counted}.",),
        across="missing",
    )


def missing_table(grid: Grid) -> Table:
    """Methods by which modality is missing: the mean over all sets that miss it, and over those that hold it.

    Args:
        grid: of one measure, conditions named by what is available.
    """
    names = modalities_of(grid)
    columns = {}
    for name in names:
        held = [c for c in grid.incomplete if name in c.split("+")]
        columns[f"without {name}"] = [c for c in grid.incomplete if c not in held]
        columns[f"with {name}"] = held
    columns = {head: sets for head, sets in columns.items() if sets}
    cells = {h: cells_of(grid, {m: grid.mean_over(m, sets) for m in grid.models}) for h, sets in columns.items()}
    return Table(
        f"by-missing-{_slug(grid.metric)}",
        f"{grid.dataset}: {grid.measure.title}, by which modality is missing",
        ("method", *columns),
        tuple((Cell(m), *(cells[h][m] for h in columns)) for m in grid.models),
        ("Means over the incomplete available sets with and without the modality, then over runs.",),
        across="sets",
    )


def heat_map(grid: Grid) -> Figure:
    """Methods by available sets as colours; below, which modalities each set holds.

    Args:
        grid: of one measure, conditions named by what is available; any number of them.

    Raises:
        UsageError: nothing incomplete was measured.
    """
    import matplotlib as mpl
    import numpy as np
    from matplotlib.figure import Figure as NewFigure

    names = modalities_of(grid)
    if not grid.incomplete:
        raise UsageError("a heat map needs incomplete sets", "evaluate under the protocol every, or fixed")
    sets = sorted(grid.incomplete, key=lambda c: (len(c.split("+")), [names.index(n) for n in c.split("+")]))
    labels = list(grid.models)
    values = np.full((len(labels), len(sets)), np.nan)
    for i, label in enumerate(labels):
        for j, condition in enumerate(sets):
            if (summary := grid.summary(label, condition)) is not None:
                values[i, j] = summary.mean * grid.scale
    colours = mpl.colors.LinearSegmentedColormap.from_list("light", ["#F2F6FA", COLOURS[0], "#00263E"])
    if grid.measure.higher_is_better is False:
        colours = colours.reversed()
    with mpl.rc_context(STYLE):
        rows = 0.26 * len(labels), 0.2 * len(names)
        figure = NewFigure(figsize=(11.0, 1.5 + sum(rows)), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=rows)
        shown = above.imshow(values, aspect="auto", cmap=colours, interpolation="nearest")
        above.set_yticks(range(len(labels)), labels)
        figure.colorbar(shown, ax=above, pad=0.01).ax.tick_params(labelsize=7)
        for j, condition in enumerate(sets):
            for k, name in enumerate(names):
                held = name in condition.split("+")
                below.plot(j, k, "o", markersize=3.2, color=INK if held else "#DDDDDD")
        below.set_yticks(range(len(names)), names)
        below.invert_yaxis()
        edges = [j for j in range(1, len(sets)) if len(sets[j].split("+")) != len(sets[j - 1].split("+"))]
        for panel in (above, below):
            panel.grid(False)
            panel.set_xticks([])
            for j in edges:
                panel.axvline(j - 0.5, color=FAINT, linewidth=0.8)
        below.set_xlabel("available sets, smaller ones first; a dark dot is a modality that is available")
        figure.suptitle(f"{grid.dataset}: {grid.measure.title}", x=0.01, ha="left", fontweight="bold", fontsize=11.5)
    return figure


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text.lower())
