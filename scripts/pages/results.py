"""``docs/results.md``: MD2N beside its floors, from the numbers kept in ``results/``."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from md2n.evaluation.results import ResultRow
from md2n.report.grid import Grid
from md2n.report.runs import Failure, RunFacts
from md2n.report.table import Table
from scripts.archive import KEPT, read
from scripts.pages import PROJECT
from scripts.pages.benchmark import FLOOR, OURS, differences, filled, grids_of, overview, recovery, states_of
from scripts.pages.extent import seed_counts

MODELS = ("zero_fill", "regression_fill", "neighbours", FLOOR, OURS)


def page() -> str:
    """The whole page, from what is kept."""
    return page_of(*read(KEPT))


def page_of(rows: Sequence[ResultRow], _runs: Sequence[RunFacts] = (), failures: Sequence[Failure] = ()) -> str:
    """The page of these numbers."""
    chosen = [r for r in rows if r.model in MODELS]
    grids, states = grids_of(chosen, "fixed"), states_of(chosen, "fixed")
    facts: dict[str, str | Table | list[Table]] = {
        "commits": ", ".join(sorted({r.git_commit for r in chosen})),
        "lacking": seed_counts(grids, MODELS),
        "fixed": overview(grids, "fixed", states, [f for f in failures if f.model in MODELS]),
        "differences": differences(grids, states),
        "short": "\n".join(shortfalls(grids)),
        "recovery": [t for d in grids if (t := recovery(chosen, d, states)) is not None],
    }
    return filled(PROJECT / "scripts" / "pages" / "results.txt", facts)


def shortfalls(grids: Mapping[str, Grid]) -> list[str]:
    """Where MD2N does not equal modality dropout within the noise, or does not beat zeros; as list items."""
    items = []
    for d, g in grids.items():
        sign = 1 if g.measure.higher_is_better else -1
        mine = g.seed_means(OURS, g.incomplete) if OURS in g.models else {}
        for rival in (FLOOR, "zero_fill"):
            theirs = g.seed_means(rival, g.incomplete) if rival in g.models else {}
            gaps = [sign * (mine[s] - theirs[s]) * g.scale for s in mine if s in theirs]
            if len(gaps) < 2:
                items.append(f"- `{d}`: not measured beside `{rival}`")
                continue
            mean, error = fmean(gaps), stdev(gaps) / len(gaps) ** 0.5
            if mean < (-error if rival == FLOOR else 0.0):
                digits = g.measure.digits if g.measure.percent else g.measure.digits + 1
                items.append(f"- `{d}`: behind `{rival}` by {-mean:.{digits}f} (se {error:.{digits}f})")
    return items or ["- nowhere"]
