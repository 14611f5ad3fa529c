"""Contributions of modalities: sums, nothing from what is ignored, equal ones from equal ones, and known games."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from md2n.data.samples import Samples
from md2n.errors import DataError, UsageError
from md2n.modality import Task
from md2n.serve.explaining import EXACT, baseline
from md2n.serve.predictor import Predictor
from tests.serve.games import ruled
from tests.serve.test_predictor import arrays

MANY = "abcdefgh"


def numbers(names: str, count: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {name: rng.normal(size=(count, 1)).astype(np.float32) for name in names}


def with_gaps(digits: Samples) -> dict[str, list]:
    x = arrays(digits)
    return {k: [None if (i + j) % 3 == 0 else v[i] for i in range(12)] for j, (k, v) in enumerate(x.items())}


@pytest.mark.parametrize("method", ["dropout", "recovering"])
def test_baseline_and_contributions_are_the_prediction(method: str, digits: Samples, request) -> None:
    predictor: Predictor = request.getfixturevalue(method)
    data = with_gaps(digits)
    answer, predicted = predictor.explain(data), predictor.predict(data, draws=1)
    np.testing.assert_allclose(answer.baseline + answer.contributions.sum(axis=1), answer.output, atol=1e-9)
    np.testing.assert_allclose(answer.output, predicted.output, atol=1e-6)
    assert not answer.contributions[~answer.available].any()
    assert not answer.available.all()
    assert answer.exact.all()
    assert np.abs(answer.contributions).max() > 1e-4


def test_class_probabilities_move_by_nothing_in_sum(dropout: Predictor, digits: Samples) -> None:
    answer = dropout.explain(digits.select(np.arange(6)))
    assert answer.contributions.shape == (6, 4, 10)
    np.testing.assert_allclose(answer.contributions.sum(axis=2), 0, atol=1e-6)
    best = answer.output.argmax(axis=1)
    assert answer.own.tolist() == [answer.contributions[i, :, c].tolist() for i, c in enumerate(best)]


@pytest.mark.parametrize("names", ["abc", MANY])
def test_of_a_sum_each_adds_its_own_and_the_ignored_adds_nothing(names: str) -> None:
    """In every order, so drawn orders give the same as all of them."""
    predictor = ruled(names, lambda x, there: 7 + 2 * x["a"] - x["b"], centre=7.0)
    data = numbers(names)
    answer = predictor.explain(data, orders=4)
    expected = np.zeros((5, len(names)))
    expected[:, 0], expected[:, 1] = 2 * data["a"][:, 0], -data["b"][:, 0]
    np.testing.assert_allclose(answer.contributions, expected, atol=1e-5)
    assert (answer.contributions[:, 2:] == 0).all()
    assert answer.exact.all() == (len(names) <= EXACT)


def test_symmetric_modalities_have_equal_contributions() -> None:
    predictor = ruled("abc", lambda x, there: (x["a"] + x["b"]) * (x["a"] + x["b"]) + x["c"])
    same = np.ones((2, 1), np.float32)
    answer = predictor.explain({"a": same, "b": same, "c": 3 * same})
    assert answer.contributions[:, 0].tolist() == answer.contributions[:, 1].tolist() == [2, 2]
    assert answer.contributions[:, 2].tolist() == [3, 3]


def gloves(x, there) -> torch.Tensor:
    """A pair is worth 1: a left glove, and one of two right ones."""
    return (there["a"] & (there["b"] | there["c"])).float()


def test_a_game_with_a_known_answer() -> None:
    answer = ruled("abc", gloves).explain(numbers("abc", 1))
    np.testing.assert_allclose(answer.contributions[0], [2 / 3, 1 / 6, 1 / 6], atol=1e-12)
    assert answer.mean_size.tolist() == np.abs(answer.contributions[0]).tolist()


def test_a_sample_plays_with_what_it_has() -> None:
    data = {"a": np.ones((3, 1)), "b": [None, np.ones(1), np.ones(1)], "c": [None, None, np.ones(1)]}
    answer = ruled("abc", gloves).explain(data)
    np.testing.assert_allclose(answer.contributions, [[0, 0, 0], [0.5, 0.5, 0], [2 / 3, 1 / 6, 1 / 6]], atol=1e-12)


def test_drawn_orders_come_near_the_exact_values_and_keep_the_sum() -> None:
    predictor = ruled(MANY, gloves)
    answer = predictor.explain(numbers(MANY, 40), orders=64)
    np.testing.assert_allclose(answer.contributions.sum(axis=1), answer.output, atol=1e-12)
    np.testing.assert_allclose(answer.contributions[:, :3].mean(axis=0), [2 / 3, 1 / 6, 1 / 6], atol=0.02)
    assert answer.contributions[:, 0].std() > 0
    assert not answer.contributions[:, 3:].any()


def test_orders_are_a_samples_own() -> None:
    predictor, data = ruled(MANY, gloves), numbers(MANY, 6)
    whole = predictor.explain(data, orders=4).contributions
    some = predictor.explain({k: x[[4, 1]] for k, x in data.items()}, orders=4).contributions
    assert some.tolist() == whole[[4, 1]].tolist()
    other = Predictor(predictor.model, predictor.schema, predictor.normaliser, seed=1)
    assert other.explain(data, orders=4).contributions.tolist() != whole.tolist()


def test_a_set_is_predicted_from_once() -> None:
    predictor = ruled("abcd", gloves)
    predictor.explain(numbers("abcd", 7))
    assert predictor.model.calls == 2**4 - 1


def test_the_prediction_from_nothing_is_what_training_labels_say() -> None:
    task = Task("classification", classes=("x", "y"), counts=(30, 10))
    assert baseline(task).tolist() == [0.75, 0.25]
    assert baseline(replace(task, counts=())).tolist() == [0.5, 0.5]
    assert baseline(Task("regression", centre=2.5)).tolist() == [2.5]


def test_what_cannot_be_explained_is_refused() -> None:
    predictor = ruled("ab", lambda x, there: x["a"])
    with pytest.raises(UsageError, match="1 orders are too few"):
        predictor.explain(numbers("ab"), orders=1)
    with pytest.raises(DataError, match="knows no modality 'z'"):
        predictor.explain(numbers("az"))


def test_an_order_comes_with_its_reverse() -> None:
    """So a pair that is worth something together only is shared evenly, however few orders are drawn."""
    predictor = ruled(MANY, lambda x, there: (there["a"] & there["b"]).float())
    assert (predictor.explain(numbers(MANY), orders=2).contributions[:, :2] == 0.5).all()
