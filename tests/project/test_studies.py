"""The studies of the paper's tables: what replaces what in their file, pages that say what agrees, a plan that fits."""

import json
from dataclasses import replace
from pathlib import Path

from scripts.pages.studies import WHAT, command_of, page_of
from scripts.studies import FILE, PLAN, SMALL, add, plan_lines, planned, read

from md2n.experiment.reproduce import STUDIES, study_of, titles
from md2n.report.reproduced import Reproduced, from_json, reproduced, to_json
from tests.report.made import random_rows

TABLE2 = study_of("table2")


def of(gain: float, seeds: int = 3) -> Reproduced:
    rows = [r for i, row in enumerate(TABLE2.rows) for r in random_rows(row.name, [0.5 + i * gain] * 8)]
    rows = [r for r in rows if r.seed < seeds]
    called = titles(TABLE2)
    facts = {"protocol": "random", "measures": ("acc2_nonzero",), "rates": TABLE2.rates, "sets": SMALL}
    return reproduced("table2", TABLE2.title, rows, (), called, TABLE2.pairs, **facts)


def reported(folder: Path, one: Reproduced) -> Path:
    (folder / "reports").mkdir(parents=True)
    (folder / "reports" / "reproduced.json").write_text(json.dumps(to_json(one)))
    return folder


def test_a_report_replaces_one_of_no_more_runs(tmp_path: Path) -> None:
    file = tmp_path / "studies.json"
    add([reported(tmp_path / "a", of(0.01))], file)
    (one,) = add([reported(tmp_path / "b", of(0.02))], file)
    assert round(one.differences[0].gain, 6) == 0.02
    (one,) = add([reported(tmp_path / "c", of(0.03, seeds=1))], file)
    assert round(one.differences[0].gain, 6) == 0.02
    assert len(read(file)) == 1


def test_rows_of_fewer_runs_are_named() -> None:
    whole = of(0.02)
    last = titles(TABLE2)[TABLE2.rows[-1].name]
    values = {k: {s: v for s, v in seeds.items() if s < 1 or k[0] != last} for k, seeds in whole.first.values.items()}
    one = replace(whole, grids=(replace(whole.first, values=values),))
    assert f"3 runs of each row, 1 of {last})" in page_of("table2", [one])


def test_a_page_says_what_agrees_and_keeps_the_published_values_apart() -> None:
    text = page_of("table2", [of(0.02)])
    ours, published = text.split("## Published")
    assert "*same direction, may be chance*: (ii) with VP-SDE over (i) base model (+2.0)" in ours
    assert "| (iv) MD²N | 56.0 ± 1.0 |" in ours.replace("**", "")
    assert "76.5" in published
    assert "76.5" not in ours
    unmade = page_of("table2", [])
    assert "Not measured yet" in unmade
    assert "last run" not in unmade


def test_the_command_on_a_page_is_the_one_that_made_it() -> None:
    sets = " ".join(f"--set {s}" for s in SMALL)
    assert command_of(of(0.01)).endswith(f"table2 --data mosi --out runs/studies-small --seeds 3 {sets}")
    folded = replace(of(0.01), grids=tuple(replace(g, folded=True) for g in of(0.01).grids))
    assert "--folds 3" in command_of(folded)


def test_the_plan_has_every_study_and_fits_two_cores_in_six_hours() -> None:
    assert {one.study for one in PLAN} == set(STUDIES) == set(WHAT)
    assert {one.study for one in planned(cheap=True)} == set(STUDIES)
    for cheap, most in ((False, 12.0), (True, 1.5)):
        assert float(plan_lines(cheap)[-1].split()[2]) <= most


def test_runs_of_the_benchmark_are_measured_under_every_pattern_where_it_left_some_out() -> None:
    commands = {one.data: one.command() for one in PLAN if one.study == "table1"}
    assert "--no-run" in commands["ravdess_av"]
    assert "--no-run" not in commands["stressid"]
    assert "--models dcca,dccae,mctn,mmin,gcnet" in commands["stressid"]  # these the benchmark trains on all folds


def test_the_file_can_be_read() -> None:
    for one in read(FILE):
        assert from_json(one).study in STUDIES
