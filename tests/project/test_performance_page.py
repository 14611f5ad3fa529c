"""The page of costs: exponents are those of the numbers, and what was not run is marked."""

import pytest
from benchmarks.growth import Point, timed
from scripts.pages.performance import exponent, growth_table, largest, reached, settings_table


def test_a_power_has_its_exponent_and_a_fixed_cost_only_disturbs_small_sizes() -> None:
    assert exponent({n: 3 * n**1.5 for n in (1, 2, 4, 8)}) == pytest.approx(1.5)
    assert exponent({n: 1.0 + (n**2 if n > 10 else 0) for n in (1, 5, 100, 200, 400)}) == pytest.approx(2, abs=1e-3)


def test_costs_that_were_not_run_are_marked_and_follow_from_the_largest_that_were() -> None:
    of = {100: 0.001, 1_000: 0.01, 10_000: 0.19}
    assert reached("epoch", of, 10_000).text == "" and reached("epoch", of, 10_000).value == pytest.approx(190)
    assert reached("epoch", of, 100_000).text == "1,900 (extrapolated)"
    assert reached("calibration", of, 100_000).text == "1,990 (extrapolated)"
    assert reached("recovery", of, 100_000).text == "190 (extrapolated)"


def test_only_rows_are_extrapolated() -> None:
    points = [
        {"over": over, "what": "epoch", "method": "md2n", "size": n, "cpu_s": [n, 2 * n, 9 * n]}
        for over in ("rows", "calls")
        for n in (2, 4)
    ]
    assert "(extrapolated)" in growth_table("rows", points).markdown()
    calls = growth_table("calls", points)
    assert "(extrapolated)" not in calls.markdown()
    assert [row[1].value for row in calls.rows] == [4000, 8000]  # medians in milliseconds


def test_a_setting_is_compared_round_by_round() -> None:
    taken = {"modality_dropout": [1.0, 2.0, 4.0], "md2n": [3.0, 8.0, 12.0], "model.a=0 model.b=1": [2.0, 4.0, 6.0]}
    table = settings_table([{"modalities": 3, "frames": 1, "cpu_s": taken}])
    assert [[c.plain for c in row] for row in table.rows] == [["the default", "3.00"], ["model.a=0, model.b=1", "2.00"]]


def test_what_is_in_no_part_counts_as_the_rest() -> None:
    one = {"what": "a step", "parts": {"whole": 0.1, "encoders": 0.02, "backward": 0.05, "decoders": 0.001}}
    assert largest(one) == "- a step, 100 CPU-ms: backward 50 %, the rest 29 %, encoders 20 %"


def test_every_round_of_a_point_is_timed_and_a_warm_up_is_not() -> None:
    calls: list[int] = []
    (row,) = timed([Point("rows", "epoch", "md2n", 7, lambda: calls.append(1), rounds=3)])
    assert (len(row["cpu_s"]), len(calls)) == (3, 4)
    assert row["size"] == 7
