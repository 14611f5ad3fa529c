"""A reproduced table: whose differences count, what is said of the paper's order, and that it can be kept."""

import json
from dataclasses import replace

import pytest

from md2n.errors import DataError, UsageError
from md2n.report.reproduced import (
    Difference,
    agreement,
    from_json,
    own_tables,
    paired_tests,
    published_rows,
    reproduced,
    to_json,
)
from md2n.report.reproduction import published_tables, write_reproduction
from md2n.report.runs import RunFacts
from md2n.report.samples import clustered_test, margin
from md2n.report.stages import stage_curves
from tests.report.made import SHIFT, fixed_rows, random_rows, scores

TITLES = {"base": "(i) base model", "full": "(iv) MD²N"}
RATES = (0.3, 0.4, 0.5, 0.6, 0.7)
TABLE2 = ("table2", "Table 2")
AC = ("acc2_nonzero",)


def table2(base: float = 0.6, full: float = 0.65):
    rows = random_rows("base", [base - i / 100 for i in range(8)]) + random_rows(
        "full", [full - i / 100 for i in range(8)]
    )
    return reproduced(*TABLE2, rows, (), TITLES, [("full", "base")], protocol="random", measures=AC, rates=RATES)


def test_only_the_rates_that_the_paper_averages_count() -> None:
    one = table2()
    cells = dict(zip(own_tables(one)[0].columns, own_tables(one)[0].rows[0]))
    # 0.6 less i / 100, over i of 3 to 7.
    assert cells["ACC2, zero labels left out (%)"].value == pytest.approx(55.0)
    assert cells["ACC2, zero labels left out (%)"].deviation == pytest.approx(1.0)
    assert cells["runs"].value == 3
    assert one.differences[0].gain == pytest.approx(0.05)
    assert "mean of 30 to 70 %" in own_tables(one)[0].notes[0]


def test_of_an_error_less_is_the_gain() -> None:
    rows = random_rows("base", [0.9] * 8, "mae") + random_rows("full", [0.7] * 8, "mae")
    one = reproduced(*TABLE2, rows, (), TITLES, [("full", "base")], protocol="random", measures=["mae"], rates=RATES)
    assert one.differences[0].gain == pytest.approx(0.2)


def test_ours_and_the_published_values_are_never_in_one_table() -> None:
    ours = [t.markdown() for t in own_tables(table2())]
    theirs = [t.markdown() for t in published_tables("table2")]
    assert any("76.5" in text and "Not measured by md2n" in text for text in theirs)
    assert not any("76.5" in text or "ublished" in text for text in ours)
    assert len(published_rows("table4").rows) == 8
    assert published_rows("fig4") is None
    assert [t.title.partition(":")[0] for t in published_tables("table1")] == ["mosi", "mosei"]


@pytest.mark.parametrize(
    ("gain", "half", "words"),
    [
        (0.05, 0.01, "*holds*: (iv) MD²N over (i) base model (+5.0 ± 1.0)"),
        (0.01, 0.02, "*same direction, may be chance*"),
        (-0.01, 0.02, "*not seen*"),
        (-0.05, 0.01, "*reversed*"),
        (0.05, None, "*same direction, may be chance*"),
    ],
)
def test_what_is_said_of_the_papers_order_is_no_more_than_the_margin_allows(gain, half, words) -> None:
    one = replace(table2(), differences=(Difference("(iv) MD²N", "(i) base model", gain, half, None, 3, None),))
    assert words in agreement(one)
    (only,) = one.differences
    assert not replace(only, pairs=1).sure


def test_what_is_kept_makes_the_same_tables() -> None:
    one = table2()
    back = from_json(json.loads(json.dumps(to_json(one))))
    for make in (own_tables, lambda x: [paired_tests(x)]):
        assert [t.markdown() for t in make(back)] == [t.markdown() for t in make(one)]
    assert agreement(back) == agreement(one)
    with pytest.raises(DataError, match="a study of format 0"):
        from_json({"format": 0})
    with pytest.raises(DataError, match="nothing that table2 shows was measured: acc7"):
        reproduced(*TABLE2, random_rows("base", [0.5] * 8), (), TITLES, [], protocol="random", measures=["acc7"])


def test_table_1_has_the_papers_layout_and_a_page(tmp_path) -> None:
    rows = [
        *fixed_rows("base", scores(0.6, 0.5, 0.7)), *fixed_rows("full", scores(0.7, 0.6, 0.8)),
        *fixed_rows("base", scores(0.3, 0.2, 0.4), "acc7"), *fixed_rows("full", scores(0.4, 0.3, 0.5), "acc7"),
    ]  # fmt: skip
    pairs = [("full", "base")]
    one = reproduced("fig1", "Fig. 1", rows, (), TITLES, pairs, protocol="fixed", measures=[*AC, "acc7"])
    table = own_tables(one)[0]
    assert table.columns[1:] == ("text", "audio", "vision", "text+audio", "text+vision", "audio+vision")
    assert table.rows[0][1].plain == "60.0 / 30.0"
    page = write_reproduction(tmp_path, one, rows, TITLES).read_text()
    assert "paired tests" in page
    assert (tmp_path / "figures" / "mosi-radar.svg").exists()
    assert from_json(json.loads((tmp_path / "reproduced.json").read_text())).runs == len(SHIFT)


def test_fig_4_has_a_panel_for_each_time_and_needs_two_points() -> None:
    titles = {f"{a}-{b}": f"t1 = {a}, t2 = {b}" for a, b in ((20, 800), (200, 800), (200, 500), (200, 1000))}
    rows = [r for i, name in enumerate(titles) for r in random_rows(name, [0.5 + i / 100] * 8)]
    one = reproduced("fig4", "Fig. 4", rows, (), titles, [], protocol="random", measures=AC, rates=(0.3,))
    left, right = stage_curves(one.grids, 200, 800).axes
    assert left.lines[0].get_xdata().tolist() == [20, 200]
    assert right.lines[0].get_ydata().tolist() == pytest.approx([52, 51, 53])
    with pytest.raises(UsageError, match="fewer than two points"):
        stage_curves(one.grids, 100, 800)


def test_one_run_is_tested_on_its_samples_and_people_count_as_one() -> None:
    first, second = {0: {i: float(i % 4 > 0) for i in range(40)}}, {0: {i: float(i % 2) for i in range(40)}}
    half, p = clustered_test(first, second) or (0.0, None)
    assert margin(first, second) is None  # the standing tables want two runs
    assert 0 < half < 0.2
    assert p is not None
    assert p < 0.01
    alike = {i: i // 20 for i in range(40)}
    # Two people who differ alike: their difference is sure as far as two can tell, and the samples within do not count.
    assert clustered_test(first, second, alike) == (0.0, None)
    several = {s: {i: v + s / 100 for i, v in first[0].items()} for s in range(3)}
    base = dict.fromkeys(range(3), second[0])
    assert (clustered_test(several, base) or (0,))[0] == margin(several, base)


def test_costs_are_of_training_and_of_this_protocol() -> None:
    cost = {"training": {"cpu_s": 10.0}, "prediction": {"random": {"cpu_s": 2.0}, "fixed": {"cpu_s": 50.0}}}
    runs = [RunFacts("", "mosi", "base", "h", s, "", cost=cost) for s in range(2)]
    rows = random_rows("base", [0.5] * 8)
    assert reproduced(*TABLE2, rows, runs, TITLES, [], protocol="random", measures=AC).cpu_s == 24.0
