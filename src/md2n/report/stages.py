"""Fig. 4: a measure against t1 at a fixed t2, and against t2 at a fixed t1, with bands over runs."""

import re
from collections.abc import Sequence

from md2n.errors import UsageError
from md2n.report.grid import Grid
from md2n.report.style import COLOURS, FAINT, MARKERS, STYLE, Figure

NAMED = re.compile(r"t1 = (\d+), t2 = (\d+)")


def points_of(grid: Grid) -> dict[tuple[int, int], str]:
    """(t1, t2) -> label, of rows that are called by them."""
    matches = {label: NAMED.fullmatch(label) for label in grid.models}
    return {(int(m[1]), int(m[2])): label for label, m in matches.items() if m}


def stage_curves(grids: Sequence[Grid], t1: int, t2: int) -> Figure:
    """Two panels: t1 varies at ``t2``, t2 varies at ``t1``; a line for each measure.

    Args:
        grids: one per measure; rows are called ``t1 = 200, t2 = 800``.
        t1: at which t2 varies.
        t2: at which t1 varies.

    Raises:
        UsageError: a panel would have fewer than two points.
    """
    import matplotlib as mpl
    import numpy as np
    from matplotlib.figure import Figure as NewFigure

    points = points_of(grids[0])
    axes = (("t1", t2, sorted(a for a, b in points if b == t2)), ("t2", t1, sorted(b for a, b in points if a == t1)))
    if min(len(values) for *_, values in axes) < 2:
        raise UsageError("a curve of fewer than two points", "run more of them: md2n reproduce fig4")
    with mpl.rc_context(STYLE):
        figure = NewFigure(figsize=(8.6, 3.9), layout="constrained")
        panels = figure.subplots(1, 2)
        for panel, (name, fixed, values) in zip(panels, axes):
            for i, g in enumerate(grids):
                labels = [points[(v, fixed) if name == "t1" else (fixed, v)] for v in values]
                summaries = [g.mean_over(label, g.incomplete) for label in labels]
                held = [(v, s) for v, s in zip(values, summaries) if s is not None]
                mean = np.array([s.mean for _, s in held]) * g.scale
                band = np.array([s.deviation or 0.0 for _, s in held]) * g.scale
                xs = [v for v, _ in held]
                panel.fill_between(xs, mean - band, mean + band, color=COLOURS[i], alpha=0.15, linewidth=0)
                panel.plot(xs, mean, color=COLOURS[i], marker=MARKERS[i], markersize=4.5, label=g.measure.title)
            panel.axvline(t1 if name == "t1" else t2, color=FAINT, linewidth=0.9, linestyle=":")
            panel.set_xticks(values)
            panel.set_xlabel(name)
            panel.set_title(f"{'t2' if name == 't1' else 't1'} = {fixed}")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        figure.suptitle(grids[0].dataset, x=0.01, ha="left", fontweight="bold", fontsize=11.5)
    return figure
