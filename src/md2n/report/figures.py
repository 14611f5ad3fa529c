"""The figures of a report: radar over patterns (Fig. 1), rate curves (Fig. 3), true against recovered.

matplotlib comes in here and in ``style``, inside the functions.  A function returns a figure; ``style.save`` writes it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.errors import UsageError
from md2n.report.grid import Grid
from md2n.report.style import COLOURS, DASHES, FAINT, GRID, INK, MARKERS, STYLE, Figure


@dataclass(frozen=True, eq=False)
class RecoveryExample:
    """Frames of one recovered modality, for ``recovery_figure``.

    Args:
        dataset: name.
        model: label of the method.
        target: the recovered modality.
        condition: what was available.
        truth: ``[frames, d]``, normalised units.
        recovered: ``[frames, d]``, mean over draws.
        draw: ``[frames, d]``, one draw each.
    """

    dataset: str
    model: str
    target: str
    condition: str
    truth: npt.NDArray[Any]
    recovered: npt.NDArray[Any]
    draw: npt.NDArray[Any]

    __repr__ = brief


def radar(grid: Grid, *, emphasis: str = "", bands: bool = False) -> Figure:
    """Fig. 1: one spoke per available set, one outline per method, further out is better.

    Args:
        grid: of one measure under the fixed protocol.
        emphasis: label of the method drawn strongest; the first where empty.
        bands: fills one deviation between runs around every outline, instead of the strongest one's inside.

    Raises:
        UsageError: fewer than three conditions: no outline has an inside.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as NewFigure

    spokes = grid.incomplete if len(grid.incomplete) >= 3 else grid.conditions
    if len(spokes) < 3:
        raise UsageError(f"a radar of {len(spokes)} conditions has no inside", "evaluate under the fixed protocol")
    series: dict[str, list[float]] = {}
    widths: dict[str, list[float]] = {}
    for label in grid.models:
        summaries = [grid.summary(label, c) for c in spokes]
        held = [s.mean * grid.scale for s in summaries if s is not None]
        if len(held) == len(spokes):
            series[label] = held
            widths[label] = [(s.deviation or 0.0) * grid.scale * bands for s in summaries if s is not None]
    edges = [(v - w, v + w) for label, values in series.items() for v, w in zip(values, widths[label])]
    everything = [v for pair in edges for v in pair]
    rings = _ticks(min(everything), max(everything))
    inward = grid.measure.higher_is_better is False
    centre, rim = (rings[-1], rings[0]) if inward else (rings[0], rings[-1])

    def place(spoke: int, value: float) -> tuple[float, float]:
        # The innermost ring keeps a tenth of the radius, so that outlines near it can still be told apart.
        radius = 0.1 + 0.9 * (value - centre) / (rim - centre)
        angle = math.pi / 2 - 2 * math.pi * spoke / len(spokes)
        return radius * math.cos(angle), radius * math.sin(angle)

    with mpl.rc_context(STYLE):
        figure = NewFigure(figsize=(7.8, 5.4))
        axes = figure.add_axes((0.0, 0.0, 0.7, 0.94))
        axes.set_aspect("equal")
        axes.axis("off")
        # Room for the labels beside the rim: about 0.085 inches a letter, in axes 5.46 inches wide.
        reach = 1.35
        for i, spoke in enumerate(spokes):
            inches = 0.085 * max(map(len, _stacked(spoke).split("\n")))
            x = abs(place(i, rim)[0])
            reach = max(reach, 1.05 * x / max(0.4, 1 - 2 * inches / 5.46)) if x >= 0.1 else reach
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-1.26, 1.26)
        for ring in rings:
            outline = [place(i, ring) for i in range(len(spokes))]
            axes.add_patch(mpl.patches.Polygon(outline, fill=False, edgecolor=GRID, linewidth=0.9, zorder=1))
        for i, spoke in enumerate(spokes):
            x, y = place(i, rim)
            axes.plot([0, x], [0, y], color=GRID, linewidth=0.9, zorder=1)
            aside = "center" if abs(x) < 0.1 else ("left" if x > 0 else "right")
            upright = "center" if abs(y) < 0.1 else ("bottom" if y > 0 else "top")
            axes.text(1.05 * x, 1.05 * y, _stacked(spoke), ha=aside, va=upright, zorder=6)
        for label, style in _styles(grid, emphasis).items():
            if label not in series:
                continue
            points = [place(i, v) for i, v in enumerate(series[label])]
            xs, ys = zip(*[*points, points[0]])
            if bands:
                colour, spread = style["line"]["color"], zip(series[label], widths[label])
                inner, outer = zip(*((place(i, v - w), place(i, v + w)) for i, (v, w) in enumerate(spread)))
                there, back = [*outer, outer[0]], [inner[0], *inner[::-1]]
                axes.fill(*zip(*there, *back), color=colour, alpha=0.12, linewidth=0, zorder=2)
            elif style["strong"]:
                axes.fill(xs, ys, color=style["line"]["color"], alpha=0.12, linewidth=0, zorder=2)
            axes.plot(xs, ys, label=label, markersize=5, zorder=5 if style["strong"] else 4, **style["line"])
        for ring in rings:
            # Between two spokes, where no outline has a corner.
            (ax, ay), (bx, by) = place(0, ring), place(1, ring)
            axes.text(
                (ax + bx) / 2, (ay + by) / 2, f"{ring:g}", color=FAINT, fontsize=8, ha="center", va="center", zorder=7,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
            )  # fmt: skip
        lines, names = axes.get_legend_handles_labels()  # the emphasised one is drawn last and named first
        figure.legend(lines[-1:] + lines[:-1], names[-1:] + names[:-1], loc="center left", bbox_to_anchor=(0.7, 0.48))
        figure.text(0.03, 0.945, f"{grid.dataset}: {grid.measure.title}", fontsize=11.5, fontweight="bold")
        figure.text(0.71, 0.03, "spokes: what is available\nfurther out is better", fontsize=8, color=FAINT)
    return figure


def rate_curves(grids: Sequence[Grid], *, emphasis: str = "") -> Figure:
    """Fig. 3: one panel per measure, means over seeds with bands of one deviation, at the realised missing rates.

    Args:
        grids: of one data set under the random protocol, one per measure, one to four.
        emphasis: label of the method drawn strongest; the first where empty.

    Raises:
        UsageError: no grid, or more than four.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as NewFigure

    if not 1 <= len(grids) <= 4:
        raise UsageError(f"{len(grids)} panels do not make a figure", "give one to four measures")
    with mpl.rc_context(STYLE):
        width = 0.8 + 3.5 * len(grids) if len(grids) > 1 else 5.6
        figure = NewFigure(figsize=(width, 4.1), layout="constrained")
        panels = figure.subplots(1, len(grids), squeeze=False)[0]
        handles: dict[str, Any] = {}
        for grid, panel in zip(grids, panels):
            conditions = sorted(grid.conditions, key=lambda c: grid.realised[c])
            rates = [100 * grid.realised[c] for c in conditions]
            for label, style in _styles(grid, emphasis).items():
                points = [(r, s) for r, c in zip(rates, conditions) if (s := grid.summary(label, c)) is not None]
                if not points:
                    continue
                xs = [r for r, _ in points]
                mean = np.array([s.mean for _, s in points]) * grid.scale
                band = np.array([s.deviation or 0.0 for _, s in points]) * grid.scale
                panel.fill_between(xs, mean - band, mean + band, color=style["line"]["color"], alpha=0.15, linewidth=0)
                (handles[label],) = panel.plot(xs, mean, markersize=4.5, **style["line"])
            panel.set_xticks(rates, [f"{r:.0f}" if abs(r - round(r)) < 0.05 else f"{r:.1f}" for r in rates])
            panel.set_title(grid.measure.title)
            panel.set_xlabel("realised missing rate (%)")
            panel.margins(x=0.03)
        figure.suptitle(grids[0].dataset, x=0.01, ha="left", fontweight="bold", fontsize=11.5)
        order = [*handles][-1:] + [*handles][:-1]  # the emphasised one is drawn last and named first
        shown = {label: handles[label] for label in order}
        figure.legend(
            list(shown.values()), list(shown), loc="outside lower center", ncols=min(len(shown), 2 + len(grids))
        )
    return figure


def recovery_figure(example: RecoveryExample) -> Figure:
    """True against recovered values of one modality, and their distributions.

    Left: every value of the mean over draws against its truth; on the diagonal it is right, on the horizontal line it
    is the training mean.  Right: how values are distributed; draws should follow the truth, means are narrower.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as NewFigure

    truth, recovered, draw = (np.ravel(v) for v in (example.truth, example.recovered, example.draw))
    low, high = np.quantile(truth, [0.005, 0.995])
    margin = 0.08 * max(high - low, 1e-6)
    low, high = low - margin, high + margin
    error, total = float(np.sum((truth - recovered) ** 2)), float(np.sum(truth**2))
    title = "" if total == 0 else f"R² {1 - error / total:.2f}"
    with mpl.rc_context(STYLE):
        figure = NewFigure(figsize=(8.6, 4.3), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.05))
        inside = (truth >= low) & (truth <= high) & (recovered >= low) & (recovered <= high)
        colours = mpl.colors.LinearSegmentedColormap.from_list("ink", ["#DCEAF4", COLOURS[0], "#00263E"])
        left.hexbin(
            truth[inside], recovered[inside], gridsize=45, extent=(low, high, low, high), mincnt=1, bins="log",
            cmap=colours, linewidths=0.1,
        )  # fmt: skip
        left.axline((0, 0), slope=1, color=COLOURS[1], linewidth=1.4)
        left.axhline(0, color=FAINT, linewidth=0.9, linestyle=":")
        left.set(
            xlim=(low, high), ylim=(low, high), xlabel="true value (normalised)", ylabel="recovered (mean of draws)"
        )
        left.set_aspect("equal")
        left.set_title(title)
        bins = np.linspace(low, high, 49)
        shapes = {
            "true": (truth, INK, "-"),
            "one draw": (draw, COLOURS[0], "-"),
            "mean of draws": (recovered, COLOURS[1], "--"),
        }
        for label, (values, colour, line) in shapes.items():
            counts, _ = np.histogram(values, bins=bins)  # of all values, those beyond the edges too
            density = counts / (len(values) * (bins[1] - bins[0]))
            right.stairs(density, bins, color=colour, linestyle=line, linewidth=1.6, label=label, baseline=None)
            if label == "true":
                right.stairs(density, bins, color=INK, alpha=0.08, fill=True)
        right.set(xlim=(low, high), xlabel="value (normalised)", ylabel="density")
        right.set_ylim(bottom=0)
        right.set_title("distribution")
        right.legend(loc="upper right")
        available = example.condition.replace("+", " + ")
        figure.suptitle(
            f"{example.dataset}: {example.target} recovered from {available} by {example.model}",
            x=0.01, ha="left", fontweight="bold", fontsize=11.5,
        )  # fmt: skip
    return figure


def recovered_images(
    truth: Sequence[npt.NDArray[Any]],
    recovered: Sequence[npt.NDArray[Any]],
    std: Sequence[npt.NDArray[Any]],
) -> Figure:
    """Some samples of a modality as images, frames downwards and features across: true, recovered, standard deviation.

    True and recovered share one grey scale, so that what was lost looks lost.  The standard deviation has its own, from
    white at 0.

    Args:
        truth: ``[T, d]`` per sample.
        recovered: ``[T, d]`` per sample, means over draws, in the same units.
        std: ``[T, d]`` per sample.

    Raises:
        UsageError: no sample, or the three differ in number.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as NewFigure

    if not truth or not len(truth) == len(recovered) == len(std):
        raise UsageError(
            f"{len(truth)} true, {len(recovered)} recovered samples and {len(std)} standard deviations make no picture",
            "give one of each per sample",
        )
    values = np.concatenate([np.ravel(v) for v in (*truth, *recovered)])
    low, high = (float(q) for q in np.nanquantile(values, [0.005, 0.995]))
    widest = max(float(np.nanmax(v)) for v in std)
    lines = {
        "true": (truth, "gray_r", low, high),
        "recovered": (recovered, "gray_r", low, high),
        "std": (std, "Blues", 0.0, widest or 1.0),
    }
    with mpl.rc_context(STYLE):
        figure = NewFigure(figsize=(1.1 + 0.95 * len(truth), 3.2), layout="constrained")
        panels = figure.subplots(len(lines), len(truth), squeeze=False)
        for (label, (images, colours, least, most)), line in zip(lines.items(), panels):
            for image, panel in zip(images, line):
                panel.imshow(np.atleast_2d(image), cmap=colours, vmin=least, vmax=most, aspect="auto")
                panel.set(xticks=[], yticks=[])
                panel.grid(False)
                for side in panel.spines.values():
                    side.set(visible=True, color=GRID)
            line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


def _styles(grid: Grid, emphasis: str) -> Mapping[str, dict[str, Any]]:
    """Label -> line style; the emphasised one takes the first colour and is drawn last, on top."""
    strong = emphasis if emphasis in grid.models else next(iter(grid.models))
    others = [label for label in grid.models if label != strong]
    styles = {}
    for i, label in enumerate([strong, *others]):
        styles[label] = {
            "strong": i == 0,
            "line": {
                "color": COLOURS[i % len(COLOURS)],
                "marker": MARKERS[i % len(MARKERS)],
                "linestyle": DASHES[i // len(COLOURS) % len(DASHES)],
                "linewidth": 2.4 if i == 0 else 1.4,
            },
        }
    return {label: styles[label] for label in [*others, strong]}


def _stacked(name: str) -> str:
    """``text+audio`` on two lines, longer sets on lines of two words, so that no label runs into the outlines."""
    words = name.split("+")
    lines = [" + ".join(words[i : i + 2]) for i in range(0, len(words), 2)] if len(words) > 2 else words
    return " +\n".join(lines)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers around [low, high], a few of them and at least two."""
    span = max(high - low, 0.01 * max(abs(low), abs(high)), 1e-6)
    power = 10 ** math.floor(math.log10(span / 3))
    step = next(power * f for f in (1, 2, 5, 10) if span / (power * f) <= 4.5)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(step * k, 10) for k in range(first, max(last, first + 1) + 1)]
