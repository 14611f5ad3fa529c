"""Tables from rows: means and deviations over seeds, best, published columns apart."""

from dataclasses import replace

import pytest

from md2n.errors import DataError, UsageError
from md2n.evaluation.results import ResultRow
from md2n.report.equity import equity_table
from md2n.report.grid import Naming, Summary, grid, measured
from md2n.report.published import published
from md2n.report.table import Table
from md2n.report.tables import (
    fixed_table,
    hidden_table,
    inside_table,
    patterns_by_method,
    published_table,
    published_variants,
    rate_table,
    recovery_table,
    shares_by_method,
)
from tests.report.made import SETS, fixed_rows, random_rows, recovery_rows, scores

ROWS = fixed_rows("md2n", scores(0.8, 0.6, 0.85)) + fixed_rows("zero_fill", scores(0.7, 0.65, 0.9))


def column(table: Table, head: str) -> dict[str, str]:
    at = table.columns.index(head)
    return {row[0].text: row[at].plain for row in table.rows}


def test_cells_are_means_and_deviations_over_seeds() -> None:
    table = fixed_table(ROWS)
    assert table.columns == ("method", "mean of incomplete", "worst", *SETS, "complete", "seeds")
    assert column(table, "text") == {"md2n": "80.0 ± 1.0", "zero_fill": "70.0 ± 1.0"}
    assert column(table, "mean of incomplete") == {"md2n": "70.0 ± 1.0", "zero_fill": "67.5 ± 1.0"}
    assert column(table, "worst")["md2n"] == "60.0 ± 1.0"
    assert column(table, "seeds")["md2n"] == "3"
    assert any("100 under every condition" in note for note in table.notes)


def test_the_deviation_of_a_mean_is_between_runs_not_between_conditions() -> None:
    # Two seeds whose conditions differ, but whose means are the same: no deviation between runs.
    rows = fixed_rows("m", {"text": 0.9, "audio": 0.5}, shifts=(0.0,))
    rows += fixed_rows("m", {"text": 0.5, "audio": 0.9}, shifts=(0.0, 0.0))[2:]
    table = fixed_table(rows)
    assert column(table, "mean of incomplete")["m"] == "70.0 ± 0.0"
    assert column(table, "text")["m"] == "70.0 ± 28.3"


def test_one_seed_has_no_deviation() -> None:
    assert Summary.over([0.5]) == Summary(0.5, None, 1)
    assert Summary.over([]) is None
    assert column(fixed_table(fixed_rows("md2n", scores(0.8, 0.6), shifts=(0.0,))), "text")["md2n"] == "80.0"


def test_bold_is_the_best_shown_and_ties_share_it() -> None:
    rows = ROWS + fixed_rows("third", scores(0.8001, 0.1, 0.1)) + fixed_rows("dedicated", scores(0.99, 0.99, 0.99))
    table = fixed_table(rows)
    best = {row[0].text for row in table.rows if row[table.columns.index("text")].best}
    assert best == {"md2n", "third"}  # 80.0 and 80.01; the upper bound is not compared
    assert "not compared: dedicated" in table.notes[0]
    errors = fixed_table(fixed_rows("a", scores(0.5, 0.5), "mae") + fixed_rows("b", scores(0.6, 0.6), "mae"))
    assert [row[1].best for row in errors.rows] == [True, False]
    assert column(errors, "worst")["b"] == "0.600 ± 0.010"
    assert not fixed_table(fixed_rows("alone", scores(0.5, 0.5))).rows[0][1].best


def test_published_numbers_stand_in_a_column_of_their_own() -> None:
    table = fixed_table(ROWS, published=published())
    assert table.columns[-1] == "published: mean of the same sets"
    assert column(table, table.columns[-1]) == {"md2n": "78.1", "zero_fill": "–"}
    assert not any(row[-1].best for row in table.rows)
    assert "do not compare directly" in table.notes[-1]
    two = fixed_rows("md2n", {"text": 0.8, "audio": 0.6})
    assert column(fixed_table(two, published=published()), table.columns[-1])["md2n"] == "78.1"  # (87.4 + 68.8) / 2
    other = fixed_rows("md2n", {"face": 0.8, "audio": 0.6})
    assert "published" not in fixed_table(other, published=published()).columns[-1]
    assert "published" not in fixed_table(ROWS, published=None).columns[-1]


def test_the_published_table_is_table_1() -> None:
    table = published_table(published(), "mosei")
    assert column(table, "text+vision")["MD²N"] == "88.3 / 88.4 / 56.1"
    assert column(table, "mean of incomplete")["IMDer"] == "74.5 / 73.7 / 47.6"
    assert "ICDN [retracted]" in column(table, "text")


def test_the_published_variants_are_tables_2_to_4_and_what_others_print() -> None:
    table = published_variants(published(), "mosi")
    assert column(table, "ACC2 (%)") == {
        "(i) base model": "76.5",
        "(ii) with VP-SDE": "76.7",
        "(iii) with several stages": "77.1",
        "(iv) MD²N": "80.0",
        "MCTN": "71.3",
        "MCTN with MD²N's recovery": "75.7",
        "encoders and decoders": "83.4",
        "without encoders": "81.2",
        "without decoders": "80.4",
        "without either": "78.5",
        "IMDer": "–",
        "CyIN": "–",
        "best with everything present": "85.5",
    }
    assert column(table, "F1 (%)")["CyIN"] == "72.2"
    assert column(table, "where")["MCTN"] == "Table 3, missing rate 30 %"
    assert "MCTN" not in column(published_variants(published(), "mosei"), "where")


def test_a_repeated_measurement_counts_once_and_the_last_wins() -> None:
    rows = ROWS + fixed_rows("md2n", {"text": 0.9})
    assert column(fixed_table(rows), "text")["md2n"] == "90.0 ± 1.0"
    assert column(fixed_table(rows), "seeds")["md2n"] == "3"


def test_configurations_of_one_method_are_told_apart() -> None:
    rows = fixed_rows("md2n", scores(0.8, 0.6)) + fixed_rows("md2n", scores(0.7, 0.6), config_hash="feedbeef00")
    told = column(fixed_table(rows), "text")
    assert told == {"md2n (md2nxxx)": "80.0 ± 1.0", "md2n (feedbee)": "70.0 ± 1.0"}


def test_retracted_methods_are_marked_and_titles_used() -> None:
    naming = Naming({"md2n": "MD²N"}, retracted={"zero_fill"})
    assert list(column(fixed_table(ROWS, naming=naming), "text")) == ["MD²N", "zero_fill [retracted]"]


def test_two_versions_of_the_data_are_refused() -> None:
    with pytest.raises(DataError, match=r"'mosi' come from 2 versions of the data \(dddddddddddd, eeeeeeeeeeee\)"):
        fixed_table(ROWS + fixed_rows("new", scores(0.5, 0.5), data_checksum="e" * 64))


def test_two_sets_of_masks_are_refused_by_name() -> None:
    def under(rows, masks: str):
        return [replace(r, settings={"masks": masks, "draws": 1}) for r in rows]

    one = under(random_rows("md2n", [0.8, 0.7]), "aaaa")
    other = under(random_rows("imder", [0.8, 0.7]), "bbbb")
    told = r"'mosi' under 'random' were measured with 2 sets of masks \(aaaa: md2n; bbbb: imder\)"
    with pytest.raises(DataError, match=told):
        rate_table(one + other)
    again = under(random_rows("imder", [0.6, 0.5]), "aaaa")  # measured again, with the masks of all
    assert column(rate_table(one + other + again), "10.0%") == {"md2n": "70.0 ± 1.0", "imder": "50.0 ± 1.0"}
    assert len(measured(one + random_rows("old", [0.8]), "mosi", "random")) == 9  # rows that do not say are let pass


def test_methods_of_fewer_seeds_are_shown_and_not_compared() -> None:
    table = fixed_table(ROWS + fixed_rows("lucky", scores(0.9, 0.9), shifts=(0.0,)))
    assert {row[0].text for row in table.rows if row[table.columns.index("text")].best} == {"md2n"}
    assert column(table, "text")["lucky"] == "90.0"
    assert "Fewer seeds than others, so not compared: lucky (1)." in table.notes[0]
    assert "Fewer" not in fixed_table(ROWS).notes[0]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="no protocol is called 'fixt'"):
        measured(ROWS, "mosi", "fixt")
    with pytest.raises(UsageError, match="no measure is called 'acc3'"):
        grid(ROWS, "acc3")
    with pytest.raises(DataError, match="no result holds 'mae'"):
        grid(ROWS, "mae")


def test_rates_name_the_realised_one() -> None:
    rows = random_rows("md2n", [0.8, 0.78, 0.76, 0.74, 0.72, 0.7, 0.68, 0.66])
    table = rate_table(rows)
    assert table.columns[1:3] == ("mean of 30–70%", "0.0%")
    assert table.columns[-2] == "66.7% (asked: 70%)"
    assert column(table, "mean of 30–70%")["md2n"] == "70.0 ± 1.0"
    assert "mean of 30–70%" not in rate_table(rows[:5]).columns


def test_recovery_is_told_per_target_and_best_per_target() -> None:
    rows = (
        recovery_rows("md2n", "text", 0.1) + recovery_rows("floor", "text", 0.2) + recovery_rows("md2n", "audio", 0.3)
    )
    table = recovery_table(rows)
    assert [(r[0].text, r[1].text) for r in table.rows] == [("text", "md2n"), ("text", "floor"), ("audio", "md2n")]
    r2, energy, covered = (
        table.columns.index(h)
        for h in ("R² of recovered features", "energy distance", "coverage of the 90% interval (%)")
    )
    assert [r[r2].plain for r in table.rows] == ["0.100 ± 0.010", "0.200 ± 0.010", "0.300 ± 0.010"]
    assert [r[r2].best for r in table.rows] == [False, True, False]
    assert [r[energy].best for r in table.rows] == [False, True, False]
    assert not any(r[covered].best for r in table.rows)


def test_the_crps_of_a_point_forecast_says_so() -> None:
    def judged(model: str, crps: float) -> list[ResultRow]:
        return [replace(r, metric="recovery_crps", value=crps) for r in recovery_rows(model, "text", 0.1)[::3]]

    rows = recovery_rows("md2n", "text", 0.1) + judged("md2n", 0.3) + judged("points", 0.4)
    table = recovery_table(rows)
    at = table.columns.index("CRPS")
    assert {r[1].text: r[at].plain for r in table.rows} == {"md2n": "0.300 ± 0.000", "points": "0.400 ± 0.000 (point)"}
    assert "0.400 ± 0.000 (point)" in table.markdown()
    assert r"0.400 $\pm$ 0.000 (point)" in table.latex()
    assert "(point)" not in table.csv()  # machines get the number
    assert any("(point): a point forecast" in note for note in table.notes)
    without = recovery_table(recovery_rows("md2n", "text", 0.1) + judged("md2n", 0.3))
    assert not any("(point)" in note for note in without.notes)


def test_nothing_measured_is_an_empty_table() -> None:
    for table in (fixed_table([]), rate_table(ROWS), recovery_table(ROWS), recovery_table([])):
        assert table.rows == ()


def test_equity_needs_chance_and_upper_bound() -> None:
    rows = ROWS + fixed_rows("majority", scores(0.5, 0.5, 0.5)) + fixed_rows("dedicated", scores(0.9, 0.7, 0.9))
    told = grid(measured(rows, "mosi", "fixed"), "acc2_nonzero")
    table = equity_table(told, "majority", "dedicated")
    assert table is not None
    assert [r[0].text for r in table.rows] == ["md2n", "zero_fill"]
    assert column(table, "text") == {"md2n": "0.75", "zero_fill": "0.50"}
    assert column(table, "minimum")["md2n"] == "0.50"
    assert column(table, "range")["md2n"] == "0.25"
    assert equity_table(told, "majority", "absent") is None
    without = grid(measured(ROWS, "mosi", "fixed"), "acc2_nonzero")
    assert equity_table(without, "majority", "dedicated") is None


def equity_of(*rows, upper_bound: dict[str, float], shifts: tuple[float, ...] = (-0.01, 0.0, 0.01)) -> Table | None:
    bounds = fixed_rows("majority", scores(0.5, 0.5, 0.5)) + fixed_rows("dedicated", upper_bound, shifts=shifts)
    every = [r for found in rows for r in found] + bounds
    return equity_table(grid(measured(every, "mosi", "fixed"), "acc2_nonzero"), "majority", "dedicated")


def test_one_set_has_no_spread() -> None:
    table = equity_of(ROWS, upper_bound=scores(0.505, 0.505, 0.505) | {"text": 0.9})
    assert table is not None
    assert column(table, "minimum") == column(table, "text") == {"md2n": "0.75", "zero_fill": "0.50"}
    assert column(table, "range") == {"md2n": "–", "zero_fill": "–"}
    assert not any(row[table.columns.index("range")].best for row in table.rows)
    assert "No range: one set alone, text," in " ".join(table.notes)


def test_equity_leaves_out_sets_on_which_there_is_next_to_nothing_to_learn() -> None:
    upper_bound = scores(0.9, 0.7, 0.9) | {"audio": 0.55}  # an eighth of the widest gap
    table = equity_of(fixed_rows("md2n", scores(0.9, 0.7, 0.9) | {"audio": 0.35}), upper_bound=upper_bound)
    assert table is not None
    assert column(table, "audio") == {"md2n": "–"}
    assert column(table, "minimum") == {"md2n": "1.00"}  # not -3
    assert "less than 0.1 above chance (25% of the widest gap, at least 0.01" in table.notes[-1]
    assert table.notes[-1].endswith(": audio.")
    assert equity_of(ROWS, upper_bound=scores(0.505, 0.505, 0.505)) is None


def test_equity_compares_methods_that_have_all_seeds() -> None:
    upper_bound, whole = scores(0.9, 0.7, 0.9), fixed_rows("good", scores(0.88, 0.68, 0.88))
    lucky = fixed_rows("lucky", scores(0.9, 0.7, 0.9), shifts=(0.0,))
    table = equity_of(ROWS, whole, lucky, upper_bound=upper_bound)
    assert table is not None
    for head in ("minimum", "range"):
        at = table.columns.index(head)
        assert {row[0].text for row in table.rows if row[at].best} == {"good"}
    assert column(table, "seeds")["lucky"] == "1"
    assert "not compared: lucky (1)" in table.notes[2]
    table = equity_of(ROWS, whole, upper_bound=upper_bound, shifts=(0.0,))  # an upper bound of one seed judges nobody
    assert table is not None
    assert not any(cell.best for row in table.rows for cell in row)
    assert "nothing is bold: dedicated (1)" in table.notes[2]


def test_shares_of_hidden_numbers_have_a_table_of_their_own() -> None:
    rows = []
    for share, value in ((0.0, 0.8), (0.5, 0.6)):
        for target, metric in (("", "acc2_nonzero"), ("text", "recovery_r2")):
            hidden = fixed_rows("md2n", {f"share={share:g}": value}, metric, protocol="inside@1")
            rows += [replace(r, rate_requested=share, target=target) for r in hidden]
    table = inside_table(rows)
    assert (table.name, table.columns) == ("inside-acc2-nonzero", ("method", "0%", "50%", "seeds"))
    assert column(table, "50%") == {"md2n": "60.0 ± 1.0"}
    table = shares_by_method(grid(measured(rows, "mosi", "inside"), "recovery_r2", target="text"))
    assert table.name == "inside-recovery-r2-text" and "text, R² of recovered features" in table.title
    assert column(table, "0%") == {"md2n": "0.800 ± 0.010"}


def test_complete_comes_last_whatever_the_order_of_rows() -> None:
    table = patterns_by_method(grid(measured(ROWS[::-1], "mosi", "fixed"), "acc2_nonzero"))
    assert table.columns[-2:] == ("complete", "seeds")


def test_hidden_conditions_have_a_table_of_their_own_and_masks_each() -> None:
    rows = []
    for condition, value in (("image=0.3", 0.8), ("image=0.7", 0.6)):
        made = fixed_rows("md2n", {condition: value}, protocol="hidden@1")
        rows += [replace(r, settings={"masks": condition}) for r in made]
    table = hidden_table([*ROWS, *rows])
    assert table.columns == ("method", "image=0.3", "image=0.7", "seeds")
    assert column(table, "image=0.7") == {"md2n": "60.0 ± 1.0"}
    assert "image=0.7" not in fixed_table([*ROWS, *rows]).columns
    other = [replace(r, model="zero_fill", settings={"masks": "x"}) for r in rows]
    with pytest.raises(DataError, match="2 sets of masks"):
        hidden_table([*rows, *other])
