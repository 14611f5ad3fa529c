"""Paired tests: known answers, limits, correction."""

import numpy as np
import pytest
from scipy import stats

from md2n.errors import UsageError
from md2n.report.compare import comparison_table, holm, paired_test
from md2n.report.grid import grid, measured
from tests.report.made import fixed_rows, random_rows, scores

FIRST = {0: 0.81, 1: 0.83, 2: 0.80, 3: 0.86, 4: 0.85}
SECOND = {0: 0.80, 1: 0.79, 2: 0.81, 3: 0.82, 4: 0.80}


def test_the_tests_are_scipys() -> None:
    a, b = np.array(list(FIRST.values())), np.array(list(SECOND.values()))
    told = paired_test(FIRST, SECOND)
    assert told.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert told.difference == pytest.approx(float((a - b).mean()))
    assert told.pairs == 5
    assert paired_test(FIRST, SECOND, "wilcoxon").p == pytest.approx(stats.wilcoxon(a - b).pvalue)
    assert paired_test(SECOND, FIRST).p == pytest.approx(told.p)


def test_only_what_both_have_is_paired() -> None:
    assert paired_test(FIRST, {k: v for k, v in SECOND.items() if k < 3} | {99: 0.0}).pairs == 3
    with pytest.raises(UsageError, match="no pair to compare"):
        paired_test(FIRST, {9: 0.5})


def test_limits() -> None:
    assert paired_test(FIRST, FIRST).p == 1.0
    shifted = {k: v + 0.1 for k, v in FIRST.items()}
    assert paired_test(shifted, FIRST).p is None  # no variance: t is infinite
    assert paired_test(shifted, FIRST).difference == pytest.approx(0.1)
    assert paired_test(shifted, FIRST, "wilcoxon").p == pytest.approx(0.0625)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("test", ["t", "wilcoxon"])
def test_fewer_than_three_pairs_have_a_difference_and_no_p(count: int, test: str) -> None:
    told = paired_test(dict.fromkeys(range(count), 0.8), dict.fromkeys(range(count), 0.6), test)
    assert (told.p, told.pairs) == (None, count)
    assert told.difference == pytest.approx(0.2)


def test_differences_of_rounding_are_none() -> None:
    assert paired_test({k: v * (1 + 1e-15) for k, v in FIRST.items()}, FIRST).p == 1.0


def test_only_what_was_tested_counts_in_the_correction() -> None:
    rows = fixed_rows("md2n", {"text": 0.8}, shifts=(0.0, 0.01, 0.03)) + fixed_rows("a", {"text": 0.7})
    one = comparison_table(grid(measured(rows, "mosi", "fixed"), "acc2_nonzero"), "md2n")
    rows += fixed_rows("b", {"text": 0.7}, shifts=(0.0, 0.0))
    two = comparison_table(grid(measured(rows, "mosi", "fixed"), "acc2_nonzero"), "md2n")
    assert one is not None
    assert two is not None
    assert one.rows[0][4].value == two.rows[0][4].value == one.rows[0][3].value
    assert [c.plain for c in two.rows[1][2:]] == ["2", "–", "–"]
    assert "fewer than 3 pairs" in two.notes[1]
    assert not any("fewer than" in note for note in one.notes)


def test_holm_is_a_step_down_bonferroni() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([0.02]) == (0.02,)
    assert holm([]) == ()


def test_holm_never_goes_beyond_1() -> None:
    assert holm([0.9, 0.8, 0.7]) == (1.0, 1.0, 1.0)


def test_the_false_alarm_rate_is_the_level() -> None:
    rng = np.random.default_rng(0)
    alarms = [paired_test(dict(enumerate(a)), dict(enumerate(b))).p < 0.05 for a, b in rng.normal(size=(2000, 2, 5))]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.015)


def test_a_table_of_comparisons() -> None:
    rows = fixed_rows("md2n", scores(0.8, 0.6)) + fixed_rows("a", scores(0.7, 0.6)) + fixed_rows("b", scores(0.8, 0.6))
    table = comparison_table(grid(measured(rows, "mosi", "fixed"), "acc2_nonzero"), "md2n")
    assert table is not None
    assert [[c.plain for c in row] for row in table.rows] == [
        ["a", "5.00", "3", "–", "–"],  # the same in every pair
        ["b", "0.00", "3", "1.0000", "1.0000"],
    ]
    many = comparison_table(grid(measured(rows, "mosi", "fixed"), "acc2_nonzero"), "md2n", over="conditions")
    assert many is not None
    assert many.rows[0][2].plain == "18"
    assert "optimistic" in many.notes[1]
    with pytest.raises(UsageError, match="no results of 'gone'"):
        comparison_table(grid(measured(rows, "mosi", "fixed"), "acc2_nonzero"), "gone")
    alone = grid(measured(rows[:18], "mosi", "fixed"), "acc2_nonzero")
    assert comparison_table(alone, "md2n") is None


def test_a_rate_of_zero_is_not_an_incomplete_condition() -> None:
    told = grid(measured(random_rows("m", [0.9, 0.8, 0.7]), "mosi", "random"), "acc2_nonzero")
    assert told.incomplete == ("rate=0.1", "rate=0.2")
