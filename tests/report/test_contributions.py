"""The figure of contributions: the same bytes, one point for each sample that has the modality, and names in order."""

from pathlib import Path

import numpy as np
import pytest

from md2n.errors import UsageError, install_hint
from md2n.report import style
from md2n.report.contributions import MOST, contribution_figure

pytest.importorskip("matplotlib", reason="extra 'plot'")

OWN = np.asarray([[0.1, -0.6], [0.2, 0.0], [0.3, 0.4]])
THERE = np.asarray([[True, True], [True, False], [True, True]])


def figure(own=OWN, there=THERE):
    return contribution_figure(("text", "audio"), own, there, "md2n on mosi", "probability")


def test_the_largest_mean_size_is_on_top_and_what_is_missing_draws_no_point() -> None:
    (axes,) = figure().axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["text", "audio"]
    points = [c.get_offsets() for c in axes.collections]
    assert [len(p) for p in points] == [3, 2]
    assert points[1][:, 0].tolist() == [-0.6, 0.4]
    assert [round(bar.get_width(), 6) for bar in axes.patches] == [0.2, 0.5]


def test_many_samples_draw_a_part_and_a_modality_that_nobody_has_draws_none() -> None:
    many = np.random.default_rng(0).normal(size=(5000, 2))
    (axes,) = figure(many, np.tile([True, False], (5000, 1))).axes
    assert sorted(len(c.get_offsets()) for c in axes.collections) == [0, MOST]


def test_a_figure_is_written_as_its_name_says(tmp_path: Path) -> None:
    one, two = (style.write_figure(figure(), tmp_path / name) for name in ("a.svg", "b.svg"))
    assert one.read_bytes() == two.read_bytes()
    assert b"<svg" in one.read_bytes()
    assert style.write_figure(figure(), tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match=r"a figure cannot be written to 'c\.pdf'"):
        style.check_drawable(Path("c.pdf"))


def test_without_matplotlib_a_figure_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "undrawable", lambda: "no")
    with pytest.raises(UsageError) as error:
        style.check_drawable(Path("c.png"))
    assert error.value.hint == install_hint("plot")
