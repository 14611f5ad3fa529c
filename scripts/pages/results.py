"""``docs/results.md``: MD2N beside its reference methods, from ``results/``."""

from collections.abc import Mapping
from statistics import fmean, stdev

from md2n.experiment.results_store import Results
from md2n.report.grid import Grid
from md2n.report.summary import difference_table, first_grids, overview_table
from md2n.report.table import Table
from scripts.pages import PROJECT
from scripts.pages.benchmark import filled, naming, numbers, ordered, recoveries
from scripts.pages.sentences import OURS, REFERENCE, gaps, seeds

MODELS = ("zero_fill", "regression_fill", "neighbours", REFERENCE, OURS)


def page() -> str:
    """The whole page, from the project's results."""
    return page_of(numbers())


def page_of(results: Results) -> str:
    """The page of these numbers."""
    results = ordered(results, MODELS)
    grids = first_grids(results.rows, "fixed")
    facts: dict[str, str | Table | list[Table]] = {
        "commits": ", ".join(sorted({r.git_commit for r in results.rows})),
        "seeds": seeds(grids, MODELS),
        "fixed": overview_table(grids, "fixed", naming(), results.failures),
        "differences": difference_table(grids, OURS),
        "short": "\n".join(shortfalls(grids)),
        "recovery": recoveries(results, list(grids)),
    }
    return filled(PROJECT / "scripts" / "pages" / "results.txt", facts)


def shortfalls(grids: Mapping[str, Grid]) -> list[str]:
    """Where MD2N does not equal modality dropout within the noise, or does not beat zeros; as list items."""
    items = []
    for d, g in grids.items():
        for rival in (REFERENCE, "zero_fill"):
            pairs = [value * g.scale for value in gaps(g).get(rival, ())]
            if len(pairs) < 2:
                items.append(f"- `{d}`: not measured beside `{rival}`")
                continue
            mean, error = fmean(pairs), stdev(pairs) / len(pairs) ** 0.5
            if mean < (-error if rival == REFERENCE else 0.0):
                digits = g.measure.digits if g.measure.percent else g.measure.digits + 1
                items.append(f"- `{d}`: behind `{rival}` by {-mean:.{digits}f} (se {error:.{digits}f})")
    return items or ["- nowhere"]
