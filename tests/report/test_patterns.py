"""Many available sets: grouped by number and by modality with the right means, and drawn whatever their number."""

from itertools import combinations

import pytest

from md2n.errors import UsageError
from md2n.report.grid import grid, measured
from md2n.report.patterns import every_table, heat_map, missing_table, number_table
from md2n.report.render import write_report
from tests.report.made import fixed_rows

NAMES = tuple("abcdef")
SETS = ["+".join(p) for size in range(1, 6) for p in combinations(NAMES, size)]


def rows(model: str = "md2n"):
    """A set scores a tenth for every modality it holds, and another half tenth for ``a``."""
    scores = {s: 0.1 * len(s.split("+")) + 0.05 * ("a" in s) for s in SETS} | {"complete": 0.65}
    return fixed_rows(model, scores, protocol="every@1")


def whole(*models: str):
    return grid(measured([r for m in models for r in rows(m)], "mosi", "every"), "acc2_nonzero")


def test_sixty_two_sets_are_a_column_for_every_number_that_is_missing() -> None:
    table = number_table(whole("md2n", "mctn"))
    assert table.columns == ("method", "all incomplete sets", "0", "1", "2", "3", "4", "5")
    values = [c.value for c in table.rows[0][2:]]
    # Of the sets of n modalities n / 6 hold a.
    assert values == pytest.approx([65.0, *(10 * n + 5 * n / 6 for n in (5, 4, 3, 2, 1))])
    assert table.rows[0][3].deviation == pytest.approx(1.0)
    assert "5: 6" in table.notes[0]
    assert every_table(rows()).rows[0][2].value == pytest.approx(65.0)


def test_what_a_missing_modality_costs_is_the_difference_of_two_columns() -> None:
    table = missing_table(whole("md2n", "mctn"))
    cell = dict(zip(table.columns, table.rows[0]))
    with_a = [0.1 * len(s.split("+")) + 0.05 for s in SETS if "a" in s]
    without = [0.1 * len(s.split("+")) for s in SETS if "a" not in s]
    assert cell["with a"].value == pytest.approx(100 * sum(with_a) / len(with_a))
    assert cell["without a"].value == pytest.approx(100 * sum(without) / len(without))


def test_the_heat_map_and_the_page_hold_all_of_them(tmp_path) -> None:
    figure = heat_map(whole("md2n", "mctn"))
    assert figure.axes[0].images[0].get_array().shape == (2, 62)
    with pytest.raises(UsageError, match="needs incomplete sets"):
        heat_map(grid(measured(fixed_rows("md2n", {"complete": 0.5}), "mosi", "fixed"), "acc2_nonzero"))
    page = write_report(tmp_path, [*rows(), *rows("mctn")]).read_text()
    assert "by number of missing modalities" in page
    assert "by which modality is missing" in page
    assert (tmp_path / "figures" / "mosi-patterns.svg").exists()
