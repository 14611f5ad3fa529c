"""The table of certainty: means over incomplete patterns, its measures in no other table, nothing where nothing is."""

from md2n.report.certainty import certainty_table
from md2n.report.grid import metrics_of
from tests.report.made import fixed_rows, scores


def test_one_row_for_each_method_with_means_over_what_hides_something() -> None:
    rows = fixed_rows("md2n", scores(0.8, 0.7, complete=0.9), "accuracy")
    rows += fixed_rows("md2n", scores(0.2, 0.3, complete=0.9), "calibration_error")
    rows += fixed_rows("md2n", scores(0.1, 0.1, complete=0.9), "calibration_error_after")
    rows += fixed_rows("other", scores(0.1, 0.2, complete=0.0), "calibration_error")
    table = certainty_table(rows)
    assert table.columns == ("method", "calibration error before (%)", "calibration error (%)", "seeds")
    values = {
        row[0].text: [cell.value if cell.value is None else round(cell.value, 6) for cell in row[1:]]
        for row in table.rows
    }
    assert values == {"md2n": [25.0, 10.0, 3.0], "other": [15.0, None, 3.0]}
    assert [row[1].best for row in table.rows] == [False, True]
    assert metrics_of(rows) == ("accuracy",)


def test_results_of_an_older_md2n_have_no_such_table() -> None:
    assert not certainty_table(fixed_rows("md2n", scores(0.8, 0.7), "accuracy")).rows
    assert not certainty_table([]).rows
