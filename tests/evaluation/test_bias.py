"""Equity: known answers and limits; chance."""

import numpy as np
import pytest

from md2n.errors import DataError
from md2n.evaluation.bias import chance_output, chance_outputs, equity
from md2n.evaluation.metrics import measures
from md2n.modality import Task

CHANCE = {"text": 0.5, "audio": 0.5}
UPPER_BOUND = {"text": 0.9, "audio": 0.6}


def test_the_upper_bound_is_1_everywhere_and_chance_0() -> None:
    best, worst = equity(UPPER_BOUND, CHANCE, UPPER_BOUND), equity(CHANCE, CHANCE, UPPER_BOUND)
    assert best.per_pattern == {"text": 1.0, "audio": 1.0}
    assert (best.minimum, best.range) == (1.0, 0.0)
    assert (worst.minimum, worst.range) == (0.0, 0.0)


def test_an_even_score_is_not_even_in_equity() -> None:
    told = equity({"text": 0.58, "audio": 0.58}, CHANCE, UPPER_BOUND)
    assert told.per_pattern == pytest.approx({"text": 0.2, "audio": 0.8})
    assert told.worst == "text"
    assert told.range == pytest.approx(0.6)


def test_errors_turn_around() -> None:
    told = equity({"text": 0.8}, {"text": 1.0}, {"text": 0.6}, higher_is_better=False)
    assert told.per_pattern["text"] == pytest.approx(0.5)


def test_a_pattern_nothing_can_be_learnt_from_is_left_out_and_named() -> None:
    told = equity({"text": 0.7, "audio": 0.6}, CHANCE, {"text": 0.9, "audio": 0.505})
    assert told.undefined == ("audio",)
    assert set(told.per_pattern) == {"text"}
    with pytest.raises(DataError, match="no pattern's upper bound is above chance"):
        equity({"text": 0.7}, CHANCE, {"text": 0.5})
    with pytest.raises(DataError, match="no chance or no upper bound for: vision"):
        equity({"vision": 0.7}, CHANCE, UPPER_BOUND)


def test_the_unit_of_an_error_decides_nothing() -> None:
    def of(unit: float) -> dict[str, float]:
        score, chance, upper_bound = (
            {k: unit * v for k, v in at.items()}
            for at in ({"a": 0.8, "b": 0.9}, {"a": 1.0, "b": 1.0}, {"a": 0.6, "b": 0.999})
        )
        return dict(equity(score, chance, upper_bound, higher_is_better=False).per_pattern)

    assert of(1.0) == {"a": pytest.approx(0.5)}
    assert of(1e-9) == pytest.approx(of(1.0))
    assert of(8e4) == pytest.approx(of(1.0))


def test_chance_is_the_majority() -> None:
    task = Task("classification", classes=("a", "b", "c"))
    train = np.array([0, 1, 1, 2, -1])
    assert chance_output(task, train).tolist() == [0.25, 0.5, 0.25]
    test = np.array([0, 1, 1, 1])
    assert measures(task, chance_outputs(task, train, 4), test)["accuracy"] == 0.75


def test_chance_of_sentiment_takes_the_majoritys_side() -> None:
    task = Task("regression", sentiment=True)
    # The median is 0, which would count as negative; most labels that have a side are positive.
    train = np.array([0.0, 0.0, 0.0, 1.0, 2.0, -1.0])
    test = np.array([1.0, 2.0, -1.0])
    assert measures(task, chance_outputs(task, train, 3), test)["acc2_nonzero"] == pytest.approx(2 / 3)
    # Labels of zero are on no side: most that have one are negative.
    assert float(chance_output(task, np.array([0.0, 0.0, 0.0, 0.0, 1.0, -1.0, -2.0]))) < 0
    assert float(chance_output(Task("regression"), train)) == 0.0
    with pytest.raises(DataError, match="no training label"):
        chance_output(task, np.array([np.nan]))
