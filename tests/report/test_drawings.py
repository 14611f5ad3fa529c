"""Where the points of a figure stand: radii, rates, bands and distributions are those of the numbers."""

import numpy as np
import pytest

from md2n.report.figures import RecoveryExample, radar, rate_curves, recovery_figure
from md2n.report.grid import Grid, grid, measured
from tests.report.made import SETS, fixed_rows, random_rows

pytest.importorskip("matplotlib", reason="extra 'plot'")

VALUES = dict(zip(SETS, (0.9, 0.5, 0.6, 0.8, 0.7, 0.55)))


def fixed_grid(values: dict[str, float], metric: str = "acc2_nonzero") -> Grid:
    return grid(measured(fixed_rows("md2n", values, metric), "mosi", "fixed"), metric)


def rings(figure) -> dict[float, float]:
    """Value of a ring -> distance of its corners from the centre."""
    axes = figure.axes[0]
    outlines = [p.get_xy() for p in axes.patches if not p.get_fill()]
    values = [float(t.get_text()) for t in axes.texts if t.get_text().replace(".", "").isdigit()]
    return {value: float(np.hypot(*outline[0])) for value, outline in zip(values, outlines, strict=True)}


@pytest.mark.parametrize("metric", ["acc2_nonzero", "mae"])
def test_a_corner_of_a_radar_lies_on_its_spoke_as_far_out_as_its_value(metric: str) -> None:
    figure = radar(fixed_grid(VALUES, metric))
    scale = 100 if metric == "acc2_nonzero" else 1
    points = next(line for line in figure.axes[0].lines if line.get_label() == "md2n").get_xydata()
    assert len(points) == len(SETS) + 1 and np.array_equal(points[0], points[-1])
    angles = np.arctan2(points[:-1, 1], points[:-1, 0])
    turned = (np.pi / 2 - 2 * np.pi * np.arange(6) / 6 - angles + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(turned, 0, atol=1e-9)  # the first upwards, then clockwise
    radii, known = np.hypot(*points[:-1].T), rings(figure)
    order = sorted(known)
    wanted = np.interp([scale * v for v in VALUES.values()], order, [known[v] for v in order])
    np.testing.assert_allclose(radii, wanted, atol=1e-9)
    assert {round(r, 9) for r in (min(known.values()), max(known.values()))} == {0.1, 1.0}
    assert (known[order[0]] < known[order[-1]]) == (metric != "mae")  # further out is better


def test_names_of_sets_stand_at_their_spokes() -> None:
    places = {t.get_text(): t.get_position() for t in radar(fixed_grid(VALUES)).axes[0].texts}
    for i, name in enumerate(SETS):
        x, y = places[name.replace("+", " +\n")]
        angle = np.pi / 2 - 2 * np.pi * i / 6
        assert (x, y) == pytest.approx((1.05 * np.cos(angle), 1.05 * np.sin(angle)))


@pytest.mark.parametrize("name", ["text", "transcript"])
def test_no_name_is_cut_off_at_the_edge(name: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = radar(fixed_grid({k.replace("text", name): v for k, v in VALUES.items()}))
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[0]
    assert axes.get_aspect() == 1  # a circle is one
    for text in axes.texts:
        box = text.get_window_extent()
        assert axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1, text.get_text()
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, text.get_text()


def test_three_incomplete_sets_are_the_spokes_and_the_complete_one_is_none() -> None:
    figure = radar(fixed_grid({"text": 0.8, "audio": 0.6, "vision": 0.7, "complete": 0.9}))
    assert "complete" not in [t.get_text() for t in figure.axes[0].texts]


def test_bands_are_a_deviation_wide_on_either_side() -> None:
    rows = random_rows("md2n", [0.8 - 0.02 * i for i in range(8)])[::-1]
    figure = rate_curves([grid(measured(rows, "mosi", "random"), "acc2_nonzero")])
    panel = figure.axes[0]
    line = next(line for line in panel.lines if len(line.get_xdata()) == 8)
    np.testing.assert_allclose(line.get_xdata(), [0, 10, 20, 30, 40, 50, 60, 200 / 3])
    np.testing.assert_allclose(line.get_ydata(), [80 - 2 * i for i in range(8)])
    corners = panel.collections[0].get_paths()[0].vertices
    for x, y in zip(line.get_xdata(), line.get_ydata()):
        beside = corners[np.isclose(corners[:, 0], x), 1]
        assert (beside.min(), beside.max()) == pytest.approx((y - 1, y + 1))
    assert [t.get_text() for t in panel.get_xticklabels()] == ["0", "10", "20", "30", "40", "50", "60", "66.7"]
    assert tuple(figure.get_size_inches()) == (5.6, 4.1)


def test_panels_are_measures_in_order_and_the_emphasised_method_leads_the_legend() -> None:
    rows = random_rows("first", [0.7] * 8) + random_rows("second", [0.6] * 8)
    rows += random_rows("first", [0.4] * 8, "acc7") + random_rows("second", [0.3] * 8, "acc7")
    random = measured(rows, "mosi", "random")
    figure = rate_curves([grid(random, "acc2_nonzero"), grid(random, "acc7")], emphasis="second")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["ACC2, zero labels left out (%)", "ACC7 (%)"]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["second", "first"]
    assert figure.get_size_inches()[0] == pytest.approx(0.8 + 3.5 * 2)


def test_a_recovery_is_drawn_against_its_truth_and_as_densities() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(2000, 2))
    recovered, draw = 0.5 * truth + 0.1, rng.normal(2.0, 0.2, size=(2000, 2))
    truth[0, 0], recovered[1, 0] = 50.0, -50.0  # outliers of either are outside the frame
    left, right = recovery_figure(RecoveryExample("mosi", "MD²N", "audio", "text+vision", truth, recovered, draw)).axes
    low, high = left.get_xlim()
    spots = left.collections[0]
    counts, places = np.asarray(spots.get_array()), np.asarray(spots.get_offsets())
    inside = (np.abs(np.stack([truth, recovered]) - (low + high) / 2) <= (high - low) / 2).all(axis=0)
    assert counts.sum() == inside.sum() < truth.size - 1
    fit = np.polyfit(places[:, 0], places[:, 1], 1, w=np.sqrt(counts))
    assert fit == pytest.approx([0.5, 0.1], abs=0.02)
    span = np.quantile(truth, [0.005, 0.995])
    assert (low, high) == pytest.approx((span[0] - 0.08 * np.ptp(span), span[1] + 0.08 * np.ptp(span)))
    shapes = {p.get_label(): p.get_data() for p in right.patches if p.get_label()}
    assert list(shapes) == ["true", "one draw", "mean of draws"]
    for (label, shape), values in zip(shapes.items(), (truth, draw, recovered)):
        within = ((values >= low) & (values <= high)).mean()
        assert np.sum(shape.values * np.diff(shape.edges)) == pytest.approx(within), label
        centre = np.average((shape.edges[1:] + shape.edges[:-1]) / 2, weights=shape.values)
        assert centre == pytest.approx(values[(values >= low) & (values <= high)].mean(), abs=0.06), label
