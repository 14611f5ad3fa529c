"""Tables over data sets: what is bold, what failed, where code differs, and how far a difference is sure."""

import re
from dataclasses import replace

import pytest

from md2n.evaluation.results import ResultRow
from md2n.report.equity import equity_overview
from md2n.report.grid import Naming
from md2n.report.runs import Failure, RunFacts
from md2n.report.summary import (
    clustered_tests,
    difference_table,
    first_grids,
    overview_table,
    standing_table,
)
from md2n.report.table import Table
from md2n.report.tables import patterns_by_method
from tests.report.made import fixed_rows, scores

VALUES = {"md2n": 0.8, "zero_fill": 0.5, "gcnet": 0.6, "majority": 0.1, "dedicated": 0.9}


def of(model: str, value: float, dataset: str = "mosi", seeds: int = 5) -> list[ResultRow]:
    """Every condition alike; MD2N's seeds differ, so that its differences have a p-value."""
    shifts = tuple((s % 2) / 100 * (model == "md2n") for s in range(seeds))
    return fixed_rows(model, scores(value, value, 1.0), shifts=shifts, dataset=dataset)


ROWS = [r for m, v in VALUES.items() for r in of(m, v)]


def cells(table: Table, label: str) -> list[str]:
    """A method's cells as Markdown shows them."""
    (row,) = (r for r in table.rows if r[0].text == label)
    return [f"**{c.plain}**" if c.best else c.plain for c in row[1:]]


def test_methods_are_in_rows_and_data_sets_in_columns() -> None:
    table = overview_table(first_grids([*ROWS, *of("md2n", 0.7, "other")], "fixed"), "fixed")
    assert table.columns[1:] == ("mosi: ACC2, zero labels left out (%)", "other: ACC2, zero labels left out (%)")
    assert cells(table, "md2n") == ["**80.4 ± 0.5**", "70.4 ± 0.5"]  # nothing to be better than
    assert cells(table, "dedicated") == ["90.0 ± 0.0", "–"]  # an upper bound
    few = overview_table(first_grids([*ROWS, *of("imder", 0.85, seeds=1)], "fixed"), "fixed")
    assert cells(few, "imder") == ["85.0"]  # the best, of one seed


def test_what_failed_is_said_with_its_reason_once() -> None:
    lost = [Failure("mosi", "imder", s, "task is nan", "") for s in (0, 1)] + [Failure("mosi", "md2n", 9, "full", "")]
    naming = Naming(retracted=("imder",))
    table = overview_table(first_grids(ROWS, "fixed", naming), "fixed", naming, lost)
    assert cells(table, "imder [retracted]") == ["failed"]
    assert "Failed: imder [retracted] on mosi, seed 0, 1: task is nan" in table.notes
    assert cells(table, "md2n")[0].startswith("**80")  # one seed more failed


def test_across_states_of_the_shared_code_nothing_is_bold_and_there_is_no_star() -> None:
    def starred(rows: list[ResultRow]) -> tuple[list[str], list[str], bool, bool]:
        grids = first_grids(rows, "fixed")
        table, equity = difference_table(grids, "md2n"), equity_overview(grids, "majority", "dedicated")
        shown = [overview_table(grids, "fixed"), equity, patterns_by_method(grids["mosi"])]
        bold = any(c.best for t in shown for row in t.rows for c in row)
        return cells(table, "gcnet"), cells(table, "zero_fill"), bold, grids["mosi"].mixed

    assert starred(ROWS) == (["+20.4*"], ["+30.4*"], True, False)
    other = [replace(r, git_commit="f" * 40) if r.model == "gcnet" else r for r in ROWS]
    assert starred(other) == (["+20.4"], ["+30.4*"], False, True)
    # Other commits, but what all methods share is the same code.
    assert starred([replace(r, settings={"code": {"shared": "a"}}) for r in other]) == starred(ROWS)


def test_over_folds_there_is_no_star_but_by_samples() -> None:
    folds = [replace(r, seed=0, settings={**r.settings, "fold": f"{r.seed}/5"}) for r in ROWS]
    grids = first_grids(folds, "fixed")
    assert cells(difference_table(grids, "md2n"), "gcnet") == ["+20.4"]
    for p, star in ((0.01, "*"), (0.02, ""), (0.2, ""), (None, "")):  # the smallest of three counts three times
        tests = {("mosi", "gcnet"): (0.1, p), ("mosi", "zero_fill"): (0.1, 0.03), ("mosi", "majority"): (0.1, 0.04)}
        table = difference_table(grids, "md2n", tests)
        assert cells(table, "gcnet") == [f"+20.4{star} ± 10.0"]


def test_a_margin_is_shown_where_samples_are_known() -> None:
    grids = first_grids(ROWS, "fixed")

    def run(model: str, seed: int, right: float) -> RunFacts:
        config = next(r.config_hash for r in ROWS if r.model == model)
        given = {i: float(i < right) for i in range(10)}
        return RunFacts("", "mosi", model, config, seed, "", scores={"acc2_nonzero": given})

    runs = [run(m, s, n + s) for m, n in (("md2n", 7), ("gcnet", 5)) for s in range(2)]
    tests = clustered_tests(grids, runs, "md2n")
    assert tests.keys() == {("mosi", "gcnet")}
    margin, p = tests["mosi", "gcnet"]
    assert p is not None and p > 0.05  # ten samples cannot tell
    table = difference_table(grids, "md2n", tests)
    assert cells(table, "gcnet") == [f"+20.4 ± {100 * margin:.1f}"]
    assert cells(table, "zero_fill") == ["+30.4*"]
    assert any("Without ±" in note for note in table.notes)


def test_there_is_no_equity_where_chance_or_upper_bound_leave_none() -> None:
    def overview(**values: float) -> Table:
        rows = [r for m, v in values.items() for r in of(m, v)]
        return equity_overview(first_grids(rows, "fixed"), "majority", "dedicated")

    assert "mosi: no equity, majority and dedicated not measured." in overview(md2n=0.6).notes
    flat = overview(md2n=0.6, majority=0.5, dedicated=0.5)  # where nothing can be learnt
    assert "mosi: no equity, no pattern that both have leaves a gap." in flat.notes
    assert cells(flat, "md2n") == ["–"]
    table = overview(imder=0.6, gcnet=0.55, majority=0.5, dedicated=0.7)
    assert (cells(table, "imder"), cells(table, "gcnet")) == (
        ["**0.50 [0.50, 0.50] / 0.50**"],
        ["0.25 [0.25, 0.25] / 0.25"],
    )


def test_equity_is_the_worst_mean_over_runs_and_the_mean_over_patterns() -> None:
    """Text alone is the worst at .3 of the way; the other five patterns are at .5."""
    rows = [r for m, v in (("majority", 0.0), ("dedicated", 1.0)) for r in of(m, v, seeds=4)]
    uneven = scores(0.5, 0.5, 0.9) | {"text": 0.3}
    rows += fixed_rows("md2n", uneven, shifts=(-0.1, 0.0, 0.0, 0.1)) + of("gcnet", 0.4, seeds=4)
    table = equity_overview(first_grids(rows, "fixed"), "majority", "dedicated")
    (cell,) = cells(table, "md2n")
    worst, low, high, area = map(float, re.fullmatch(r"(\S+) \[(\S+), (\S+)\] / (\S+)", cell).groups())
    assert (worst, area) == (0.30, round(2.8 / 6, 2)) and 0.2 <= low < worst < high <= 0.4
    assert cells(table, "gcnet") == ["**0.40 [0.40, 0.40] / 0.40**"]
    two = [r for r in rows if r.seed < 2]
    assert "[" not in cells(equity_overview(first_grids(two, "fixed"), "majority", "dedicated"), "md2n")[0]


def test_two_configurations_of_one_method_have_rows_of_their_own() -> None:
    other = [replace(r, config_hash="f" * 16, value=r.value - 0.1) for r in ROWS if r.model == "md2n"]
    grids = first_grids([*ROWS, *other], "fixed")
    runs = [
        RunFacts("", "mosi", m, c, s, "", scores={"acc2_nonzero": {i: float(i < 5 + s) for i in range(9)}})
        for m, c in {(r.model, r.config_hash) for r in [*ROWS, *other]}
        for s in (0, 1)
    ]
    assert cells(overview_table(grids, "fixed"), "md2n (fffffff)") == ["70.4 ± 0.5"]
    assert ("mosi", "md2n (fffffff)") in clustered_tests(grids, runs, "md2n (md2nxxx)")


@pytest.mark.parametrize("protocol", ["random", "inside"])
def test_what_was_not_measured_has_no_grid(protocol: str) -> None:
    assert first_grids(ROWS, protocol) == {}


def test_over_data_sets_methods_stand_by_rank_wins_error_and_runs() -> None:
    values = {"mosi": {"md2n": 0.8, "gcnet": 0.6}, "a": {"md2n": 0.9, "gcnet": 0.8}, "b": {"md2n": 0.5, "gcnet": 0.75}}
    rows = [r for d, of_set in values.items() for m, v in {**of_set, "dedicated": 1.0}.items() for r in of(m, v, d)]
    grids = first_grids(rows, "fixed")
    table = standing_table(grids, "md2n")
    assert table is not None
    md2n, gcnet = cells(table, "md2n"), cells(table, "gcnet")
    assert [len(md2n), md2n[:2], md2n[3]] == [4, ["1.3 [1.0, 2.0]", "67 [0, 100]"], "–"]
    assert (gcnet[:2], gcnet[3]) == (["1.7 [1.0, 2.0]", "33 [0, 100]"], "67 [0, 100]")
    # Errors .4 and .196, .2 and .096: twice about half is avoidable; on b nothing.
    assert gcnet[2].startswith("34 [")
    assert [row[0].text for row in table.rows] == ["md2n", "gcnet"]  # an upper bound is no rival
    assert standing_table({d: grids[d] for d in ("mosi", "a")}, "md2n") is None


def folds_of(model: str, lead: float, dataset: str) -> list[ResultRow]:
    """Three folds that differ by more than methods do."""
    made = fixed_rows(model, scores(0.5 + lead, 0.5 + lead, 1.0), shifts=(0.0, 0.1, 0.2), dataset=dataset)
    return [replace(r, seed=0, settings={**r.settings, "fold": f"{r.seed}/3"}) for r in made]


def test_runs_of_folds_are_compared_on_the_same_fold() -> None:
    """Run by run md2n would win 6 of 9 pairs, fold by fold it wins all."""
    rows = [r for d in "abc" for m, v in (("md2n", 0.05), ("gcnet", 0.0)) for r in folds_of(m, v, d)]
    table = standing_table(first_grids(rows, "fixed"), "md2n")
    assert table is not None and cells(table, "gcnet")[3] == "100 [100, 100]"


def test_a_method_of_few_folds_has_its_rank_among_the_others_on_these() -> None:
    """On the hardest fold alone imder's mean is the lowest, and it is between the two others there."""
    rows = [r for d in "abc" for m, v in (("md2n", 0.05), ("gcnet", 0.0)) for r in folds_of(m, v, d)]
    rows += [r for d in "abc" for r in folds_of("imder", 0.03, d) if r.settings["fold"] == "0/3"]
    table = standing_table(first_grids(rows, "fixed"), "md2n")
    assert table is not None
    assert {row[0].text: row[1].plain[:3] for row in table.rows} == {"md2n": "1.0", "imder": "2.0", "gcnet": "3.0"}
    # Errors .35, .37 and .40: the mean error of the two others, and what imder makes less on its fold.
    assert cells(table, "imder")[2] == "5 [5, 5]"
