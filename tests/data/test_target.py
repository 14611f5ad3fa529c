"""Centre and scale of real labels, counts of classes: what they are, and that no unit changes them."""

from dataclasses import replace

import numpy as np
import pytest

from md2n.data.readers.labels import label_column
from md2n.data.target import Unit, measure_labels, outside_range, real_values, unit_of
from md2n.errors import DataError
from md2n.modality import Task

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=400)
LABELS = {
    "normal": NORMAL,
    "heavy": np.exp(3 * NORMAL),
    "zeros": np.where(RNG.random(400) < 0.8, 0.0, 1 + RNG.random(400)),
    "one": np.full(400, 0.1),
}
HEAVY = {"heavy"}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize(("a", "b"), [(1e-6, 0.0), (8e4, 3e5), (-1.0, 0.0), (-8e4, 3e5), (1e-200, 0.0), (1e200, 0.0)])
def test_the_unit_moves_with_the_label(kind: str, a: float, b: float) -> None:
    one, other = unit_of(LABELS[kind]), unit_of(a * LABELS[kind] + b)
    assert other.heavy == one.heavy == (kind in HEAVY)
    assert other.centre == pytest.approx(a * one.centre + b, rel=1e-9, abs=abs(a) * 1e-9)
    assert other.scale == (1.0 if kind == "one" else pytest.approx(abs(a) * one.scale, rel=1e-9))


def test_it_is_mean_and_deviation_or_what_tails_do_not_move() -> None:
    unit = unit_of(NORMAL)
    assert (unit.centre, unit.scale) == pytest.approx((NORMAL.mean(), NORMAL.std()))
    wild = np.append(NORMAL, [1e9, -3e9])
    assert unit_of(wild).heavy
    assert (unit_of(wild).centre, unit_of(wild).scale) == pytest.approx((0, 1), abs=0.1)
    # Mostly one value, and one that is far away: the scale is that of the rest.
    stuck = np.append(np.where(np.arange(400) % 10 < 8, 0.0, NORMAL), 1e9)
    assert unit_of(stuck).scale == pytest.approx(stuck[:-1].std(), rel=0.2)
    assert unit_of(np.append(np.zeros(60), 5.0)).scale == pytest.approx(np.append(np.zeros(60), 5.0).std())
    assert unit_of(np.zeros(0)) == Unit()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (NORMAL, np.float32),
        (3e5 + 8e4 * NORMAL, np.float32),
        (1e-9 * NORMAL, np.float32),
        (1e12 + NORMAL, np.float64),
        (1e-40 * NORMAL, np.float64),
        (1e40 * NORMAL, np.float64),
        (np.append(NORMAL, 1e300), np.float64),
        (np.full(5, np.nan), np.float32),
    ],
)
def test_labels_are_float32_where_it_tells_them_apart(values: np.ndarray, kind: type) -> None:
    values = np.append(values, np.nan)
    kept = real_values(values)
    assert kept.dtype == kind
    known = np.isfinite(values)
    assert np.array_equal(np.isfinite(kept), known)
    if known.any():
        scale = unit_of(values[known]).scale
        assert np.abs(kept[known].astype(np.float64) - values[known])[:300].max() < 1e-3 * scale
    assert label_column(values, "y").values.dtype == kind


def test_the_task_is_told_what_training_labels_look_like() -> None:
    task = measure_labels(Task("regression"), np.asarray([1.0, np.nan, 3.0], np.float32))
    assert (task.centre, task.scale, task.counts) == (2.0, 1.0, ())
    classes = Task("classification", classes=("a", "b", "c"))
    assert measure_labels(classes, np.asarray([0, 2, -1, 2, 2**40])).counts == (1, 0, 2)
    assert not measure_labels(classes, np.asarray([-1])).lopsided
    assert not replace(classes, counts=(10, 0, 2)).lopsided
    assert replace(classes, counts=(11, 0, 2)).lopsided
    with pytest.raises(DataError, match="2 counts for 3 classes"):
        replace(classes, counts=(1, 2))
    for scale in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(DataError, match="scale"):
            Task("regression", scale=scale)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 123456.7])
def test_a_range_holds_its_end_whatever_its_unit_and_nothing_beyond(unit: float) -> None:
    task = Task("regression", low=-unit, high=unit)
    ends = np.asarray([-unit, unit, 1.001 * unit, -1.001 * unit, np.nan], np.float32)
    assert outside_range(task, ends).tolist() == [False, False, True, True, False]
