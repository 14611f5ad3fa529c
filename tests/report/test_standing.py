"""Summaries over sets: answers made by hand, ties, gaps, and intervals."""

import numpy as np
import pytest

from md2n.report.standing import improvability, improvement, interval, mean_rank, table_of, win_rate

NAN = float("nan")
SCORES = np.array([[0.9, 0.5, 0.7], [0.6, 0.6, 0.2], [0.1, 0.3, NAN]])


def test_ranks_and_wins_by_hand() -> None:
    assert mean_rank(SCORES) == pytest.approx([(1 + 1.5 + 2) / 3, (3 + 1.5 + 1) / 3, (2 + 3) / 2])
    assert win_rate(SCORES) == pytest.approx([(1 + 0.75 + 0) / 3, (0 + 0.75 + 1) / 3, (0.5 + 0) / 2])


def test_improvability_is_the_part_of_the_error_that_the_best_does_not_make() -> None:
    errors = np.array([[0.1, 0.2, 0.4], [0.0, 0.0, 0.5], [0.3, 0.3, NAN]])
    assert improvability(errors) == pytest.approx([0, 0.5 / 3, (0.75 + 1) / 2])


def test_the_probability_of_improvement_counts_pairs_of_runs() -> None:
    shares = improvement([[1, 3], [2], [0, 0]], [[2, 2], [2, 1, 3, 2], [1]])
    assert shares == pytest.approx([0.5, (1 + 2 * 0.5) / 4, 0])
    assert 1 - improvement([[2, 2], [2, 1, 3, 2], [1]], [[1, 3], [2], [0, 0]]) == pytest.approx(shares)


def test_an_interval_is_over_sets() -> None:
    low, high = interval(np.repeat(SCORES[:1], 8, axis=0), mean_rank)
    assert low == pytest.approx([1, 3, 2]) and high == pytest.approx(low)  # sets agree
    half = np.array([0.0, 1.0] * 4)
    low, high = interval(half, lambda x: np.mean(x, axis=0))
    # The mean of eight fair coins: P(1/8 or less) is 9/256, P(0) is 1/256.
    assert (low, high) == (pytest.approx(1 / 8), pytest.approx(7 / 8))
    assert interval(SCORES, mean_rank, seed=1)[0] == pytest.approx(interval(SCORES, mean_rank, seed=1)[0])


def test_a_method_without_a_number_on_a_set_is_left_out_there() -> None:
    table = table_of({"a": {"x": 1.0, "y": 0.0}, "b": {"y": 2.0}}, ["x", "y", "z"])
    assert mean_rank(table)[:2] == pytest.approx([1, 1.5])
    assert np.isnan(mean_rank(table)[2]) and np.isnan(win_rate(table)[2])
    assert win_rate(table)[1] == 0  # alone on b, where nobody is to be beaten
