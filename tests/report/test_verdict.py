"""The sentence above a table: every number in it is in the table, and it claims no more than they do."""

import pytest

from md2n.report.grid import Naming, grid, measured
from md2n.report.verdict import verdict, verdict_of
from tests.report.made import fixed_rows, random_rows, scores

MINE = fixed_rows("md2n", scores(0.8, 0.6, 0.99))
ZERO = fixed_rows("zero_fill", scores(0.7, 0.55))
ONE = (0.0,)


def test_a_run_alone_is_compared_with_nothing() -> None:
    said = verdict(MINE, naming=Naming({"md2n": "MD²N"}))
    assert said == "MD²N: ACC2 70.0 % on average over 6 incomplete patterns, worst 60.0 % (audio)."


def test_the_comparison_is_with_the_best_of_the_others() -> None:
    dropout = fixed_rows("modality_dropout", scores(0.79, 0.6))
    said = verdict([*MINE, *ZERO, *dropout])
    assert said.endswith("; 0.5 points better than modality_dropout, the best of 2 others (no interval).")
    said = verdict([*MINE, *ZERO, *dropout], reference="modality_dropout")
    assert said.endswith("; 0.5 points worse than md2n, the best of 2 others (no interval).")
    assert "the best" not in verdict([*MINE, *ZERO])


def test_patterns_are_counted_in_words() -> None:
    assert " over 2 incomplete patterns, worst " in verdict(fixed_rows("md2n", {"text": 0.8, "audio": 0.6}))
    assert " over 1 incomplete pattern." in verdict(fixed_rows("md2n", {"text": 0.8}))


def test_upper_bounds_are_nothing_to_be_compared_with() -> None:
    said = verdict([*MINE, *fixed_rows("dedicated", scores(0.9, 0.9))])
    assert ";" not in said


def test_less_is_better_for_an_error() -> None:
    rows = fixed_rows("md2n", scores(0.9, 1.3), "mae") + fixed_rows("zero_fill", scores(1.0, 1.25), "mae")
    assert verdict(rows) == (
        "md2n: MAE 1.100 on average over 6 incomplete patterns, worst 1.300 (audio); "
        "0.025 better than zero_fill (no interval)."
    )


def test_what_looks_the_same_is_level() -> None:
    other = fixed_rows("other", scores(0.8002, 0.6))
    assert "; level with other (no interval)." in verdict([*MINE, *other])


def test_one_seed_has_no_interval_and_says_so() -> None:
    rows = fixed_rows("md2n", scores(0.8, 0.6), shifts=ONE) + fixed_rows("zero_fill", scores(0.7, 0.6), shifts=ONE)
    assert verdict(rows).endswith("; 5.0 points better than zero_fill (one seed: no interval).")


def test_two_seeds_are_enough_for_an_interval_and_not_called_one() -> None:
    rows = fixed_rows("md2n", scores(0.8, 0.6), shifts=(0.0, 0.01)) + fixed_rows("zero_fill", scores(0.7, 0.6))
    assert verdict(rows).endswith(" better than zero_fill (no interval).")


@pytest.mark.parametrize(("gap", "doubt"), [(0.5, ""), (0.02, ", which includes no difference")])
def test_the_interval_is_the_margin_of_samples_and_seeds(gap: float, doubt: str) -> None:
    rows = fixed_rows("md2n", scores(0.5 + gap / 2, 0.5 + gap / 2)) + fixed_rows(
        "zero_fill", scores(0.5 - gap / 2, 0.5 - gap / 2)
    )
    told = grid(measured(rows, "mosi", "fixed"), "acc2_nonzero")
    # One sample in four differs from the mean difference by 0.1 to either side.
    first = {s: {i: 0.5 + gap + (0.1, -0.1, 0.0, 0.0)[i % 4] for i in range(40)} for s in range(3)}
    second = {s: dict.fromkeys(range(40), 0.5) for s in range(3)}
    said = verdict_of(told, "md2n", {"md2n": first, "zero_fill": second})
    half = 2.0227 * (40 / 39 * 0.005 / 40) ** 0.5 * 100  # t of 39 degrees of freedom
    low, high = (f"{100 * gap + side * half:.1f}".replace("-", "−") for side in (-1, 1))
    assert said.endswith(f"(95 % interval {low} to {high}{doubt}).")


def test_under_the_random_protocol_it_is_of_the_high_rates() -> None:
    said = verdict(random_rows("md2n", [0.8, 0.78, 0.76, 0.74, 0.72, 0.7, 0.68, 0.66]))
    assert said == "md2n: ACC2 70.0 % on average over missing rates of 30 to 70 %, worst 66.0 % (rate=0.7)."


def test_without_the_reference_it_is_of_the_best() -> None:
    assert verdict([*ZERO, *fixed_rows("other", scores(0.9, 0.8))]).startswith("other: ACC2 85.0 %")


def test_nothing_measured_is_nothing_said() -> None:
    assert verdict([]) == ""
    assert verdict(fixed_rows("md2n", {"complete": 0.5})) == ""
