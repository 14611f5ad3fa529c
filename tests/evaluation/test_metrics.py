"""Measures: known answers, the same as scikit-learn where it has the same, and what they refuse."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from md2n.errors import DataError
from md2n.evaluation import metrics
from md2n.modality import Task

SENTIMENT = Task("regression", low=-3, high=3, sentiment=True)
SIMS = Task("regression", low=-1, high=1, sentiment=True)
CLASSES = Task("classification", classes=("a", "b", "c", "d"))


def some_sentiments(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.round(rng.uniform(-3, 3, n), 1)
    labels[::7] = 0
    return labels + rng.normal(0, 1.5, n), labels


@pytest.mark.parametrize("seed", range(5))
def test_sentiment_measures_are_sklearns(seed: int) -> None:
    p, y = some_sentiments(seed)
    told = metrics.measures(SENTIMENT, p, y)
    side = y != 0
    assert told["acc2_nonzero"] == pytest.approx(reference.accuracy_score(y[side] > 0, p[side] > 0))
    assert told["acc2_nonnegative"] == pytest.approx(reference.accuracy_score(y >= 0, p >= 0))
    weighted = {"average": "weighted"}
    assert told["f1_weighted_nonzero"] == pytest.approx(reference.f1_score(y[side] > 0, p[side] > 0, **weighted))
    assert told["f1_weighted_nonnegative"] == pytest.approx(reference.f1_score(y >= 0, p >= 0, **weighted))
    assert told["mae"] == pytest.approx(reference.mean_absolute_error(y, p))
    assert told["pearson_r"] == pytest.approx(np.corrcoef(p, y)[0, 1])
    assert metrics.r2(p, y) == pytest.approx(reference.r2_score(y, p))


@pytest.mark.parametrize("seed", range(5))
def test_class_measures_are_sklearns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 100)  # class 3 never occurs as a label
    p = rng.dirichlet(np.full(4, 0.5), 100)
    told = metrics.measures(CLASSES, p, y)
    assert told["accuracy"] == pytest.approx(reference.accuracy_score(y, p.argmax(1)))
    assert told["macro_f1"] == pytest.approx(reference.f1_score(y, p.argmax(1), average="macro"))
    assert told["weighted_f1"] == pytest.approx(reference.f1_score(y, p.argmax(1), average="weighted"))
    assert told["cross_entropy"] == pytest.approx(reference.log_loss(y, p, labels=range(4)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_balanced_accuracy_is_sklearns_and_sees_small_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.choice(4, 300, p=[0.88, 0.06, 0.06, 0])
    p = rng.dirichlet(np.full(4, 0.5), 300)
    assert metrics.balanced_accuracy(p, y) == pytest.approx(reference.balanced_accuracy_score(y, p.argmax(1)))
    always = np.tile([1.0, 0, 0, 0], (300, 1))
    assert metrics.balanced_accuracy(always, y) == pytest.approx(1 / 3)
    assert metrics.accuracy(always, y) > 0.8


@pytest.mark.parametrize("seed", range(5))
def test_the_measures_of_ch_sims_are_those_of_its_code(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = (np.round(np.clip(rng.normal(0, 0.6, 457), -1, 1) * 5) / 5).astype(np.float32)
    p = y + rng.normal(0, 0.4, 457)

    def places(values: np.ndarray, edges: list[float]) -> np.ndarray:
        """As MMSA's __eval_sims_regression puts them: low < value <= high, after clipping."""
        clipped, found = np.clip(values, -1, 1), np.zeros(len(values), int)
        for i, (low, high) in enumerate(pairwise(edges)):
            found[(clipped > low) & (clipped <= high)] = i
        return found

    told = metrics.measures(SIMS, p, y)
    for name, edges in (
        ("acc2_nonpositive", [-1.01, 0.0, 1.01]),
        ("acc3_sims", [-1.01, -0.1, 0.1, 1.01]),
        ("acc5_sims", [-1.01, -0.7, -0.1, 0.1, 0.7, 1.01]),
    ):
        assert told[name] == pytest.approx(reference.accuracy_score(places(y, edges), places(p, edges))), name
    assert told["f1_weighted_nonpositive"] == pytest.approx(reference.f1_score(y > 0, p > 0, average="weighted"))
    assert not {"acc7", "acc5"} & set(told)


def test_an_edge_belongs_to_the_bin_below_it_though_labels_are_float32() -> None:
    edges = np.array([0.1, -0.1, 0.7, -0.7], np.float32)
    inside = np.array([0.0, -0.2, 0.3, -0.9])
    assert metrics.acc5_sims(inside, edges) == 1.0
    assert metrics.acc3_sims(np.array([0.0, -0.2]), edges[:2]) == 1.0
    assert metrics.acc2_nonpositive(np.array([0.0, 0.0, 1e-9]), np.array([-1.0, 0.0, 1.0])) == 1.0


def test_acc5_clips_to_two_and_rounds_halves_to_even() -> None:
    p = np.array([2.4, -9.0, 0.5, 1.5, 2.5, -0.5])
    y = np.array([3.0, -2.0, 0.0, 2.0, 2.0, 0.0])
    assert metrics.acc5(p, y) == 1.0
    assert metrics.acc7(p, y) == pytest.approx(4 / 6)  # 2.4 is no 3, and -9 no -2


def test_the_two_conventions_part_at_zero() -> None:
    p, y = np.array([-0.1, 0.0, 2.0, -1.0]), np.array([0.0, 1.0, 2.0, -2.0])
    # Left out: the zero label.  A prediction of exactly zero is not positive.
    assert metrics.acc2_nonzero(p, y) == pytest.approx(2 / 3)
    # Zero is non-negative on both sides: the first is wrong, the second right.
    assert metrics.acc2_nonnegative(p, y) == pytest.approx(3 / 4)


def test_acc7_clips_and_rounds_halves_to_even() -> None:
    p = np.array([5.0, -9.0, 0.5, 1.5, 2.5, -0.5, 0.49])
    y = np.array([3.0, -3.0, 0.0, 2.0, 2.0, 0.0, 0.0])
    assert metrics.acc7(p, y) == 1.0
    assert metrics.acc7(np.array([0.51]), np.array([0.0])) == 0.0
    assert metrics.acc7(np.array([1.0]), np.array([10 / 3])) == 0.0  # MOSEI's 10/3 counts as 3


def test_a_constant_answer_scores_the_majority_and_no_correlation() -> None:
    y = np.array([-1.0] * 6 + [2.0] * 4)
    told = metrics.measures(SENTIMENT, np.full(10, -0.1), y)
    assert told["acc2_nonzero"] == pytest.approx(0.6)
    assert told["f1_weighted_nonzero"] == pytest.approx(0.6 * 0.75)
    assert told["pearson_r"] == 0.0


def test_unknown_labels_are_dropped() -> None:
    p, y = np.array([1.0, 9.0, -1.0]), np.array([1.0, np.nan, -1.0])
    assert metrics.measures(SENTIMENT, p, y) == metrics.measures(SENTIMENT, p[[0, 2]], y[[0, 2]])
    probability = np.array([[1.0, 0], [0.5, 0.5], [0, 1.0]])
    told = metrics.measures(Task("classification", classes=("a", "b")), probability, np.array([0, -1, 1]))
    assert told["accuracy"] == 1.0


def test_what_is_not_defined_is_left_out() -> None:
    assert metrics.measures(SENTIMENT, np.ones(2), np.full(2, np.nan)) == {}
    zeros = metrics.measures(SENTIMENT, np.ones(2), np.zeros(2))
    assert set(zeros) == {"acc2_nonnegative", "f1_weighted_nonnegative", "acc7", "acc5", "mae"}
    assert set(metrics.measures(Task("regression"), np.arange(3.0), np.arange(3.0))) == {"mae", "pearson_r", "r2"}


def test_acc7_is_no_measure_of_a_narrower_scale() -> None:
    sims = Task("regression", low=-1, high=1, sentiment=True)
    told = metrics.measures(sims, np.array([0.4, -0.2]), np.array([0.2, -0.8]))
    assert "acc7" not in told
    assert told["acc2_nonzero"] == 1.0


def test_every_measure_has_a_title_and_the_primary_one_is_measured() -> None:
    for task in (SENTIMENT, SIMS, CLASSES, Task("regression")):
        names = metrics.scores_of(task)
        assert set(names) <= set(metrics.MEASURES)
        assert metrics.primary(task) in names
    assert metrics.primary(SENTIMENT) == "acc2_nonzero"
    assert metrics.primary(Task("regression")) == "mae"
    assert not metrics.MEASURES["mae"].higher_is_better


def test_percentages_are_shown_as_such_with_one_digit() -> None:
    for measure in metrics.MEASURES.values():
        assert measure.percent == measure.title.endswith("(%)")
        assert measure.digits == (1 if measure.percent else 3)


@given(st.integers(0, 2**31), st.integers(2, 40))
def test_measures_do_not_depend_on_the_order_of_samples(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    p, y = rng.normal(size=n), np.round(rng.normal(size=n), 1)
    order = rng.permutation(n)
    told, shuffled = metrics.measures(SENTIMENT, p, y), metrics.measures(SENTIMENT, p[order], y[order])
    assert told == pytest.approx(shuffled)
    assert all(math.isfinite(v) for v in told.values())


def test_refusals_name_what_is_wrong() -> None:
    with pytest.raises(DataError, match="1 of 2 predictions are not finite"):
        metrics.measures(SENTIMENT, np.array([np.nan, 1.0]), np.array([1.0, 1.0]))
    with pytest.raises(DataError, match="3 predictions for 2 labels"):
        metrics.measures(SENTIMENT, np.ones(3), np.ones(2))
    with pytest.raises(DataError, match="no sample"):
        metrics.mae(np.ones(0), np.ones(0))
    with pytest.raises(DataError, match="no sample"):
        metrics.accuracy(np.ones((0, 2)), np.ones(0, np.int64))
    with pytest.raises(DataError, match="every label is zero"):
        metrics.acc2_nonzero(np.ones(2), np.zeros(2))
    with pytest.raises(DataError, match="all 2 labels are 1"):
        metrics.pearson_r(np.arange(2.0), np.ones(2))
    with pytest.raises(DataError, match="not probabilities"):
        metrics.accuracy(np.array([[2.0, 0.0]]), np.array([0]))
    with pytest.raises(DataError, match=r"not codes 0\.\.1"):
        metrics.accuracy(np.array([[1.0, 0.0]]), np.array([2]))


def test_a_certain_and_wrong_answer_has_a_finite_cross_entropy() -> None:
    told = metrics.cross_entropy(np.array([[1.0, 0.0]]), np.array([1]))
    assert 80 < told < 100
