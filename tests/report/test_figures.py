"""Figures: deterministic bytes, realised rates on the axis, limits, and who is shown."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest

from md2n.errors import StorageError, UsageError
from md2n.report import figures, style
from md2n.report.figures import RecoveryExample, radar, rate_curves, recovered_images, recovery_figure
from md2n.report.grid import grid, measured
from tests.report.made import fixed_rows, random_rows, scores

pytest.importorskip("matplotlib", reason="extra 'plot'")

FIXED = fixed_rows("md2n", scores(0.8, 0.6)) + fixed_rows("zero_fill", scores(0.7, 0.5))
RANDOM = random_rows("md2n", [0.8 - 0.02 * i for i in range(8)]) + random_rows("floor", [0.7] * 8)


def fixed_grid(rows=FIXED, metric="acc2_nonzero"):
    return grid(measured(rows, "mosi", "fixed"), metric)


def example() -> RecoveryExample:
    truth = np.random.default_rng(0).normal(size=(200, 3))
    return RecoveryExample("mosi", "md2n", "audio", "text+vision", truth, 0.7 * truth, truth + 0.1)


def drawn():
    rates = grid(measured(RANDOM, "mosi", "random"), "acc2_nonzero")
    return {"radar": radar(fixed_grid()), "rates": rate_curves([rates]), "recovery": recovery_figure(example())}


def test_the_same_results_give_the_same_bytes() -> None:
    first, second = drawn(), drawn()
    for name, figure in first.items():
        assert style.svg(figure) == style.svg(second[name]), name
        assert style.png(figure, dpi=50) == style.png(second[name], dpi=50), name
        assert "<dc:date>" not in style.svg(figure)


def test_files_are_written_in_both_formats(tmp_path: Path) -> None:
    paths = style.save(radar(fixed_grid()), tmp_path / "new", "one")
    assert [p.name for p in paths] == ["one.svg", "one.png"]
    assert paths[0].read_text().startswith("<?xml")
    assert paths[1].read_bytes()[:4] == b"\x89PNG"
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        style.save(radar(fixed_grid()), tmp_path / "file", "two")


def test_a_radar_shows_every_set_and_every_method_and_the_emphasised_first() -> None:
    figure = radar(fixed_grid(), emphasis="zero_fill")
    told = [t.get_text() for t in figure.axes[0].texts]
    assert {"text", "audio +\nvision", "text +\naudio"} <= set(told)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["zero_fill", "md2n"]


def test_further_out_is_better_for_errors_too() -> None:
    for metric, better in (("acc2_nonzero", 0.9), ("mae", 0.1)):
        rows = fixed_rows("good", dict.fromkeys(("a", "b", "c"), better), metric)
        rows += fixed_rows("bad", dict.fromkeys(("a", "b", "c"), 0.5), metric)
        lines = {line.get_label(): line for line in radar(fixed_grid(rows, metric)).axes[0].lines}
        radius = {k: np.hypot(*lines[k].get_xydata()[0]) for k in ("good", "bad")}
        assert radius["good"] > radius["bad"], metric


def test_a_method_without_every_set_has_no_outline() -> None:
    rows = FIXED + fixed_rows("half", {"text": 0.9})
    assert [t.get_text() for t in radar(fixed_grid(rows)).legends[0].get_texts()] == ["md2n", "zero_fill"]


def test_two_modalities_make_a_triangle_with_the_complete_set() -> None:
    rows = fixed_rows("md2n", {"text": 0.8, "audio": 0.6, "complete": 0.9})
    assert "complete" in [t.get_text() for t in radar(fixed_grid(rows)).axes[0].texts]
    with pytest.raises(UsageError, match="2 conditions has no inside"):
        radar(fixed_grid(fixed_rows("md2n", {"text": 0.8, "audio": 0.6})))


def test_rate_curves_stand_at_the_realised_rates() -> None:
    panel = rate_curves([grid(measured(RANDOM, "mosi", "random"), "acc2_nonzero")]).axes[0]
    assert panel.get_xlabel() == "realised missing rate (%)"
    assert panel.get_xticks()[-1] == pytest.approx(200 / 3)
    assert panel.get_xticklabels()[-1].get_text() == "66.7"
    line = next(line for line in panel.lines if len(line.get_xdata()) == 8)
    assert line.get_xdata()[-1] == pytest.approx(200 / 3)
    with pytest.raises(UsageError, match="0 panels"):
        rate_curves([])


def test_colours_and_markers_tell_methods_apart() -> None:
    rows = [r for i in range(12) for r in fixed_rows(f"m{i}", scores(0.5 + i / 100, 0.4), shifts=(0.0,))]
    lines = [line for line in radar(fixed_grid(rows)).axes[0].lines if line.get_label().startswith("m")]
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines}
    assert len(looks) == len(lines) == 12


def test_the_recovery_figure_tells_r2() -> None:
    assert recovery_figure(example()).axes[0].get_title(loc="left") == "R² 0.91"


def test_recovered_images_are_true_recovered_and_spread() -> None:
    images = [np.random.default_rng(i).normal(size=(8, 8)) for i in range(3)]
    drawn = recovered_images(images, images, [np.zeros((8, 8))] * 3)
    assert [axes.get_ylabel() for axes in drawn.axes[::3]] == ["true", "recovered", "std"]
    assert np.array_equal(drawn.axes[4].images[0].get_array(), images[1])
    with pytest.raises(UsageError, match="3 true, 2 recovered"):
        recovered_images(images, images[:2], images)


def test_rings_are_round_numbers_around_the_values() -> None:
    for low, high in ((58.2, 86.9), (0.31, 0.37), (50.0, 50.0), (-1.2, 3.4)):
        ticks = figures._ticks(low, high)
        assert ticks[0] <= low <= high <= ticks[-1]
        assert 2 <= len(ticks) <= 7
        assert len({round(b - a, 9) for a, b in itertools.pairwise(ticks)}) == 1


def test_png_is_of_the_size_asked_for() -> None:
    content = style.png(radar(fixed_grid()), dpi=100)
    width, height = (int.from_bytes(io.BytesIO(content).getvalue()[i : i + 4], "big") for i in (16, 20))
    assert (width, height) == (780, 540)
