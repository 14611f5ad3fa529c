"""The table of how sure methods say they are, and whether they should."""

from collections.abc import Sequence

from md2n.evaluation.metrics import CERTAINTY_MEASURES
from md2n.evaluation.results import ResultRow
from md2n.report.grid import Naming, grid, measured
from md2n.report.table import Cell, Table
from md2n.report.tables import EMPTY, cells_of

NOTES = (
    "Means over the conditions that hide something, then over seeds ± deviation between runs; bold is the best.",
    "Calibration error: how far the share of right answers lies from the probability of the answer, over fifteen bins "
    "of equally many samples. Before: as the method answers; else calibrated on validation samples. By chance it is "
    "above 0 for perfect probabilities, too. The surest: the samples of highest probability.",
)


def certainty_table(rows: Sequence[ResultRow], *, naming: Naming | None = None) -> Table:
    """Methods by the measures of ``md2n.evaluation.reliability``; means over the patterns that hide something.

    Args:
        rows: any result rows; those of the first data set and split under the fixed protocol count.  The table is
            empty where none of them is of certainty, as in results of an older md2n.
        naming: titles of methods.
    """
    rows = measured(rows, rows[0].dataset, "fixed", split=rows[0].split) if rows else ()
    names = {r.metric for r in rows}
    grids = [grid(rows, m, naming=naming) for m in CERTAINTY_MEASURES if m in names]
    if not grids:
        return EMPTY
    labels = list(dict.fromkeys(label for g in grids for label in g.models))
    columns = [cells_of(g, {label: g.mean_over(label, g.incomplete) for label in g.models}) for g in grids]
    seeds = [max(len(g.seeds(label)) for g in grids) for label in labels]
    return Table(
        "certainty",
        f"{rows[0].dataset}: how sure predictions are",
        ("method", *(g.measure.title for g in grids), "seeds"),
        tuple(
            (Cell(label), *(column.get(label, Cell()) for column in columns), Cell(value=float(n), digits=0))
            for label, n in zip(labels, seeds)
        ),
        NOTES,
    )
