"""A figure of what each modality adds to predictions: a point for each sample, a bar for the mean size."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.report.style import COLOURS, FAINT, INK, STYLE, Figure

MOST = 400  # points of a modality; of more samples, evenly chosen ones


def contribution_figure(
    names: Sequence[str], own: npt.NDArray[Any], available: npt.NDArray[np.bool_], title: str, what: str
) -> Figure:
    """One row for each modality, the largest mean size on top.

    Args:
        names: of the M modalities.
        own: ``[N, M]`` contributions to the answer.
        available: ``[N, M]``; False where a sample lacks the modality, which draws no point.
        title: of the figure.
        what: the contributions are in: ``probability of the predicted class``, or the label.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as NewFigure

    sizes = [np.abs(own[available[:, k], k]).mean() if available[:, k].any() else 0.0 for k in range(len(names))]
    order = np.argsort(sizes)
    with mpl.rc_context(STYLE):
        figure = NewFigure(figsize=(6.8, 1.4 + 0.55 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        for place, k in enumerate(order):
            values = own[available[:, k], k]
            values = values[np.unique(np.linspace(0, len(values) - 1, min(len(values), MOST)).astype(np.int64))]
            height = place + np.random.default_rng(0).uniform(-0.3, 0.3, len(values))
            axes.barh(place, sizes[k], height=0.7, color=COLOURS[0], alpha=0.18, zorder=1)
            axes.scatter(values, height, s=7, color=COLOURS[0], alpha=0.5, linewidths=0, zorder=3)
            axes.text(sizes[k], place + 0.36, f" {sizes[k]:.3g}", color=INK, fontsize=8, va="bottom", zorder=4)
        axes.axvline(0, color=FAINT, linewidth=0.9, zorder=2)
        axes.set_yticks(range(len(names)), [names[k] for k in order])
        axes.set_ylim(-0.6, len(names) - 0.2)
        axes.set_xlabel(f"adds to the {what}; bar and number: mean size")
        axes.set_title(title)
    return figure
