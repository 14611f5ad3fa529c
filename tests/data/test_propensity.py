"""Inverse-probability weights: constant where gaps are random, right where they are not, and honest where they fail."""

import numpy as np
import pytest

from md2n.data.propensity import MOST, effective_number, gap_weights, weighted_order
from md2n.seeding import numpy_generator

COUNT = 1500


def inputs(seed: int = 0, count: int = COUNT) -> np.ndarray:
    return numpy_generator(seed, "inputs").normal(size=(count, 4))


def coins(probability: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.asarray(numpy_generator(seed, "coins").random(len(probability)) < probability)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_gaps_that_are_completely_random_have_constant_weights(rate: float) -> None:
    held = coins(np.full(COUNT, 1 - rate))
    weights = gap_weights(inputs(), held, np.arange(COUNT)).weights
    assert weights.tolist() == held.astype(float).tolist()


def test_weighted_means_are_those_of_all_samples() -> None:
    x = inputs()
    held = coins(1 / (1 + np.exp(-1.2 * x[:, 0])))
    found = gap_weights(x, held, np.arange(COUNT))
    naive = abs(x[held, 0].mean() - x[:, 0].mean())
    weighted = abs(np.average(x[:, 0], weights=found.weights) - x[:, 0].mean())
    assert naive > 0.3
    assert weighted < naive / 5
    assert found.weights[held].mean() == pytest.approx(1)
    assert not found.weights[~held].any()
    assert found.effective < held.sum()
    assert found.notes("samples") == ()


def test_weights_that_explode_are_clipped_and_it_is_said() -> None:
    x = inputs()
    held = coins(1 / (1 + np.exp(3 - 3 * x[:, 0])))
    found = gap_weights(x, held, np.arange(COUNT))
    assert found.clipped > 0
    largest = found.weights.max()
    assert (found.weights == largest).sum() == found.clipped
    said = found.notes("samples with 'voice'")
    assert f"weights of {found.clipped} samples with 'voice' were clipped at {MOST:g} times the mean" in said


def test_a_kind_of_sample_that_always_lacks_it_is_reported() -> None:
    x = inputs()
    held = (x[:, 0] > 0) & coins(np.full(COUNT, 0.9))
    found = gap_weights(x, held, np.arange(COUNT))
    assert found.uncovered > 0.4 * found.without
    assert "no weights can make these stand for them" in found.notes("samples with 'voice'")[-1]


def test_what_only_tells_people_apart_gives_no_weights() -> None:
    """Sixteen people, of whom half have it always; each is known by a number that says nothing of the others."""
    people = np.repeat(np.arange(16), 40)
    x = np.eye(16)[people] + 0.1 * numpy_generator(0, "noise").normal(size=(640, 16))
    held = people % 2 == 0
    assert not gap_weights(x, held, people).uneven
    assert gap_weights(x, held, np.arange(640)).without == 320


@pytest.mark.parametrize("held", [np.ones(5, bool), np.zeros(5, bool), np.eye(5, dtype=bool)[0]])
def test_nothing_to_learn_from_gives_equal_weights(held: np.ndarray) -> None:
    assert gap_weights(np.zeros((5, 2)), held, np.arange(5)).weights.tolist() == held.astype(float).tolist()
    assert gap_weights(np.zeros((5, 0)), held, np.arange(5)).weights.tolist() == held.astype(float).tolist()


def test_every_sample_is_drawn_as_often_as_its_weight_says() -> None:
    weights = np.array([0.0, 0.3, 1.2, 2.5, 1.0])
    counts = np.array([np.bincount(weighted_order(weights, numpy_generator(0, n)), minlength=5) for n in range(2000)])
    assert (counts.sum(axis=1) == 5).all()
    assert (counts >= np.floor(weights)).all()
    assert (counts <= np.ceil(weights)).all()
    np.testing.assert_allclose(counts.mean(axis=0), weights, atol=0.04)
    assert sorted(weighted_order(np.full(7, 2.0), numpy_generator(0, "x")).tolist()) == list(range(7))


def test_equal_weights_count_in_full() -> None:
    assert effective_number(np.array([2.0, 2.0, 0.0, 2.0])) == 3
    assert effective_number(np.zeros(3)) == 0
