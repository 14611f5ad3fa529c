"""Measures of certainty: answers worked out by hand, limits, and independence of the order of samples."""

import numpy as np
import pytest

from md2n.evaluation.certainty import Certainty
from md2n.evaluation.metrics import CERTAINTY_MEASURES, MEASURES, cross_entropy
from md2n.evaluation.reliability import (
    accuracy_of_surest,
    calibration_error,
    certainty_measures,
    risk_coverage_area,
)
from md2n.modality import Task

CLASSES = Task("classification", classes=("a", "b"))
REAL = Task("regression")


def of_tops(tops: list[float]) -> np.ndarray:
    """Two classes; the first is the answer."""
    return np.stack([np.array(tops), 1 - np.array(tops)], axis=1)


def test_calibration_error_by_hand() -> None:
    # Four samples, four bins: |1 - .9| + |0 - .8| + |1 - .7| + |0 - .6|, over four.
    assert calibration_error(of_tops([0.9, 0.8, 0.7, 0.6]), np.array([0, 1, 0, 1])) == pytest.approx(1.8 / 4)
    # Thirty samples, two a bin: all are equally sure, and three of five are right.
    assert calibration_error(of_tops([0.75] * 30), np.array([0, 0, 0, 1, 1] * 6)) == pytest.approx(0.15)
    assert calibration_error(of_tops([1.0] * 30), np.zeros(30, np.int64)) == 0


def test_what_is_equally_sure_is_in_no_order() -> None:
    rng = np.random.default_rng(0)
    tops = rng.choice([0.6, 0.7, 0.8], size=70)
    codes = rng.integers(0, 2, 70)
    orders = [rng.permutation(70) for _ in range(5)]
    for measure in (calibration_error, risk_coverage_area, lambda p, y: accuracy_of_surest(p, y, 0.5)):
        values = {round(measure(of_tops(tops[o]), codes[o]), 12) for o in orders}
        assert len(values) == 1


def test_risk_and_coverage_by_hand() -> None:
    p, codes = of_tops([0.9, 0.8, 0.7, 0.6]), np.array([0, 0, 1, 0])
    assert accuracy_of_surest(p, codes, 0.5) == 1
    assert accuracy_of_surest(p, codes, 0.8) == pytest.approx(2 / 3)
    assert accuracy_of_surest(p, codes, 0.01) == 1  # one sample at least
    assert risk_coverage_area(p, codes) == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)
    # An answer that is always as sure: the area is the error of all, and so is that of any part.
    flat = of_tops([0.7] * 4)
    assert risk_coverage_area(flat, codes) == pytest.approx(0.25)
    assert accuracy_of_surest(flat, codes, 0.5) == pytest.approx(0.75)


def test_measures_of_classes_before_and_after() -> None:
    rng = np.random.default_rng(1)
    p = of_tops(list(rng.uniform(0.5, 1, 3000)))
    codes = (rng.random(3000) > p[:, 0]).astype(np.int64)
    sharp = p**3 / (p**3).sum(axis=1, keepdims=True)
    number = np.ones(3000, np.int64)
    before = certainty_measures(CLASSES, sharp, codes, number, None)
    after = certainty_measures(CLASSES, sharp, codes, number, Certainty(temperatures=(3.0,)))
    assert set(after) == {m for m in CERTAINTY_MEASURES if "interval" not in m} <= set(MEASURES)
    assert set(after) - set(before) == {"calibration_error_after", "cross_entropy_after"}
    assert before["calibration_error"] == after["calibration_error"] > 0.1
    assert after["calibration_error_after"] < 0.04
    assert after["cross_entropy_after"] == pytest.approx(cross_entropy(p, codes))
    unknown = np.concatenate([codes, [-1]])
    more = np.concatenate([sharp, sharp[:1]]), unknown, np.ones(3001, np.int64)
    assert certainty_measures(CLASSES, *more, None) == before
    assert certainty_measures(CLASSES, sharp, np.full(3000, -1), number, None) == {}


def test_measures_of_real_labels_take_the_width_of_their_own_number() -> None:
    certainty = Certainty(half_widths=((0.0, 0.0), (0.0, 0.0), (1.0, 3.0)))
    labels, number = np.array([0.5, 2.0, 2.0, np.nan]), np.array([1, 1, 2, 2])
    measured = certainty_measures(REAL, np.zeros(4), labels, number, certainty)
    assert measured == {"interval90_coverage": pytest.approx(2 / 3), "interval90_width": pytest.approx(10 / 3)}
    assert certainty_measures(REAL, np.zeros(4), labels, number, None) == {}
