"""What a modality is worth: known answers, and the world of XOR in which gaps deceive."""

from dataclasses import dataclass

import numpy as np
import pytest

from md2n.data.propensity import gap_weights
from md2n.evaluation.value import gain, modality_values
from md2n.modality import Task
from md2n.seeding import numpy_generator

CLASSES = Task("classification", "y", ("no", "yes"))
VALUES = Task("regression", "y")
ONE = np.ones(4)


def sure(classes: np.ndarray) -> np.ndarray:
    """Probabilities of a classifier that is sure of these classes."""
    return np.eye(2)[np.asarray(classes, int)]


def test_a_gain_is_a_weighted_mean_of_differences() -> None:
    labels = np.array([0, 0, 1, 1])
    before, after = sure([0, 1, 0, 1]), sure([0, 0, 1, 0])
    assert gain(CLASSES, before, after, labels, ONE, np.arange(4)).value == 0.25
    # Differences are 0, 1, 1, -1.
    assert gain(CLASSES, before, after, labels, np.array([0, 1, 1, 2.0]), np.arange(4)).value == 0
    assert gain(CLASSES, before, before, labels, ONE, np.arange(4)).error == 0


def test_alone_it_is_compared_with_the_best_constant() -> None:
    labels = np.array([0, 0, 0, 1])
    assert gain(CLASSES, None, sure(labels), labels, ONE, np.arange(4)).value == 0.25
    assert gain(CLASSES, None, sure(labels), labels, np.array([1, 1, 1, 5.0]), np.arange(4)).value == pytest.approx(
        3 / 8
    )
    values = np.array([0.0, 1.0, 2.0, 10.0])
    # The lower median is 1: errors 1, 0, 1, 9.
    assert gain(VALUES, None, values, values, ONE, np.arange(4)).value == pytest.approx(11 / 4)
    assert gain(VALUES, None, values, values, np.array([0, 0, 1.0, 0]), np.arange(4)).value == 0


def test_the_error_is_over_groups() -> None:
    rng = numpy_generator(0, "error")
    labels = rng.integers(0, 2, 400)
    before, after = sure(rng.integers(0, 2, 400)), sure(labels)
    alone = gain(CLASSES, before, after, labels, np.ones(400), np.arange(400))
    difference = (before.argmax(axis=1) != labels).astype(float)
    assert alone.error == pytest.approx(difference.std() / 20)
    # Every sample four times, as four of one person, tells no more.
    four = [np.repeat(x, 4, axis=0) for x in (before, after, labels, np.ones(400), np.arange(400))]
    assert gain(CLASSES, *four).error == pytest.approx(alone.error)


@dataclass
class Answers:
    """What a model answered under a condition."""

    output: np.ndarray
    labels: np.ndarray
    rows: np.ndarray


def most_frequent(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The closed-form classifier: shares of the classes at each code."""
    shares = np.array([np.bincount(labels[codes == c], minlength=2) + 1e-9 for c in range(codes.max() + 1)])
    return (shares / shares.sum(axis=1, keepdims=True))[codes]


def xor_world(seed: int, useful: bool = False) -> tuple[float, float, float]:
    """Worth of b alone: the truth over all samples, as observed, and weighted.

    a and b are fair coins, and b is there with probability 0.9 where a = 1, else 0.1.  y = a XOR b, of which b alone
    says nothing.  Or, ``useful``: y is b where a = 0 and a coin of its own elsewhere, of which the samples that have b
    show too little.
    """
    rng = numpy_generator(seed, "xor")
    count = 4000
    a, b, coin = rng.integers(0, 2, (3, count))
    y = np.where(a == 0, b, coin) if useful else a ^ b
    held = rng.random(count) < np.where(a == 1, 0.9, 0.1)
    everywhere, there = np.arange(count), np.flatnonzero(held)
    output = most_frequent(b[there], y[there])
    one = Answers(output, y[there], there)
    weights = gap_weights(a[:, None] + 0.1 * rng.normal(size=(count, 3)), held, everywhere).weights
    [value] = modality_values(
        CLASSES, {"b": (one, Answers(output, y[there], there), one)}, everywhere, everywhere, {"b": (weights, weights)}
    )
    truth = gain(CLASSES, None, most_frequent(b, y), y, np.ones(count), everywhere).value
    assert value.effective < value.n
    assert value.added is not None
    assert value.added.value == 0
    return truth, value.alone.value, value.alone_weighted.value


@pytest.mark.parametrize("seed", range(3))
def test_a_useless_modality_does_not_read_as_useful(seed: int) -> None:
    truth, observed, weighted = xor_world(seed)
    assert abs(truth) < 0.03
    assert observed > 0.35
    assert abs(weighted - truth) < abs(observed - truth) / 2
    assert weighted < 0.05


@pytest.mark.parametrize("seed", range(3))
def test_a_useful_modality_does_not_read_as_useless(seed: int) -> None:
    truth, observed, weighted = xor_world(seed, useful=True)
    assert truth > 0.2
    assert observed < 0.1
    assert abs(weighted - truth) < abs(observed - truth) / 2


def test_what_no_labelled_sample_has_is_left_out() -> None:
    none = Answers(np.zeros((0, 2)), np.zeros(0, int), np.zeros(0, int))
    unknown = Answers(sure([0, 1]), np.array([-1, -1]), np.array([0, 1]))
    rows, two = np.arange(4), (np.ones(4), np.ones(4))
    results = {
        "a": (unknown, none, none),
        "b": (Answers(sure([1, 1]), np.array([1, -1]), np.array([2, 3])), none, none),
    }
    [value] = modality_values(CLASSES, results, rows, rows, {"a": two, "b": two})
    assert (value.modality, value.n, value.added, value.added_weighted) == ("b", 1, None, None)
