"""Beside the numbers: costs, failures, and the way from a number to its run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from md2n.evaluation.results import append_results
from md2n.report.grid import Naming, grid, measured
from md2n.report.published import published
from md2n.report.render import write_report
from md2n.report.runs import Failure, RunFacts, cost_table, failure_table, trace_commands, with_failures
from md2n.report.tables import fixed_table, patterns_by_method
from tests.report.made import fixed_rows, random_rows, scores
from tests.report.test_render import Balance

ROWS = fixed_rows("md2n", scores(0.8, 0.6, 0.85)) + fixed_rows("icdn", scores(0.7, 0.5, 0.8))
NAMING = Naming({"md2n": "MD2N", "icdn": "ICDN", "imder": "IMDer"}, retracted=("icdn",))


def cost(cpu_s: float, recovers: bool = True) -> dict:
    told = {
        "parameters": 1000,
        "training": {"cpu_s": cpu_s, "wall_s": 9.0},
        "peak_memory_mib": 400.0,
        "prediction": {"fixed": {"cpu_s": 2.0, "samples": 1000}, "random": {"cpu_s": 50.0, "samples": 1000}},
    }
    return told | ({"recovery": {"fixed": {"cpu_s": 4.0, "samples": 500, "draws": 8}}} if recovers else {})


def runs(model: str, recovers: bool = True, **other: str) -> list[RunFacts]:
    return [
        RunFacts(
            folder=f"bench/runs/mosi/{model}/seed-{seed}",
            dataset="mosi",
            model=model,
            config_hash=f"{model:x<16}",
            seed=seed,
            predictions=f"bench/runs/mosi/{model}/seed-{seed}/predictions/mosi",
            cost=cost(10.0 + seed, recovers),
            **other,
        )
        for seed in range(3)
    ]


RUNS = runs("md2n", masks="bench/masks/mosi.npz") + runs("icdn", False)
FAILED = [Failure("mosi", "imder", s, "the loss term 'task' is nan", f"bench/imder-{s}.json") for s in (0, 1)]


def test_costs_are_means_over_seeds_and_per_sample() -> None:
    table = cost_table(RUNS, "mosi", NAMING)
    assert table is not None
    told = {row[0].text: dict(zip(table.columns, (c.plain for c in row))) for row in table.rows}
    assert list(told) == ["MD2N", "ICDN [retracted]"]
    assert told["MD2N"]["parameters"] == "1000"  # no deviation where all are the same
    assert told["MD2N"]["training CPU-s"] == "11.0 ± 1.0"
    assert told["MD2N"]["CPU-ms per predicted sample"] == "2.000"  # under the fixed protocol
    assert told["MD2N"]["CPU-ms per recovered sample"] == "8.000"
    assert told["MD2N"]["draws per recovery"] == "8"
    assert told["ICDN [retracted]"]["CPU-ms per recovered sample"] == "–"
    assert told["MD2N"]["peak memory (MiB)"] == "400"


def test_there_is_no_cost_table_where_no_cost_was_recorded() -> None:
    assert cost_table(RUNS, "mosei", NAMING) is None
    assert cost_table([RunFacts("r", "mosi", "md2n", "c", 0, "p")], "mosi", NAMING) is None
    table = cost_table(
        [RunFacts("r", "mosi", "md2n", "c", 0, "p", cost={"parameters": 5, "prediction": 3})], "mosi", NAMING
    )
    assert table is not None
    assert [c.plain for c in table.rows[0]] == ["MD2N", "5", "–", "–", "–", "–", "–", "1"]


def test_a_method_that_failed_has_a_row_and_a_reason() -> None:
    table = with_failures(fixed_table(ROWS, naming=NAMING), FAILED, NAMING)
    last = dict(zip(table.columns, (c.plain for c in table.rows[-1])))
    assert (last["method"], last["text"], last["mean of incomplete"], last["seeds"]) == (
        "IMDer",
        "failed",
        "failed",
        "0",
    )
    assert [len(row) for row in table.rows] == [len(table.columns)] * 3
    assert table.notes[-2:] == (
        "Failed: IMDer, seed 0: the loss term 'task' is nan (bench/imder-0.json)",
        "Failed: IMDer, seed 1: the loss term 'task' is nan (bench/imder-1.json)",
    )
    assert "**failed**" not in table.markdown()


def test_what_the_paper_printed_did_not_fail() -> None:
    whole = patterns_by_method(grid(measured(ROWS, "mosi", "fixed"), "acc2_nonzero"), published())
    heads = [head for head in whole.columns if head.startswith("published")]
    last = dict(zip(whole.columns, (c.plain for c in with_failures(whole, FAILED, NAMING).rows[-1])))
    assert heads and {last[head] for head in heads} == {"–"}


def test_every_run_that_failed_is_in_a_table() -> None:
    table = failure_table(FAILED, NAMING)
    assert [[c.plain for c in row] for row in table.rows] == [
        ["mosi", "IMDer", str(seed), "the loss term 'task' is nan", f"bench/imder-{seed}.json"] for seed in (0, 1)
    ]


def test_a_method_of_which_one_seed_failed_keeps_its_numbers() -> None:
    lost = [Failure("mosi", "icdn", 4, "disk full", "x.json")]
    table = with_failures(fixed_table(ROWS, naming=NAMING), lost, NAMING)
    assert [row[0].text for row in table.rows] == ["MD2N", "ICDN [retracted]"]
    assert table.notes[-1] == "Failed: ICDN [retracted], seed 4: disk full (x.json)"


def test_commands_lead_from_a_number_to_what_it_came_from() -> None:
    told = trace_commands(RUNS, grid(measured(ROWS, "mosi", "fixed"), "acc2_nonzero"), "test", "md2n")
    text = "\n".join(told)
    assert "RUN=bench/runs/mosi/md2n/seed-0" in told
    assert 'cat "$RUN"/config.json "$RUN"/run.json' in told
    found = """grep -F '"condition": "text"' "$RUN"/results.jsonl | grep -F '"metric": "acc2_nonzero"' """
    assert found + """| grep -F '"split": "test"'""" in told
    assert '"$RUN"/predictions/mosi/fixed-test/text.npz' in text
    assert "bench/masks/mosi.npz" in text
    assert told[-1] == 'md2n evaluate "$RUN" --protocol fixed --split test'
    rates = random_rows("md2n", [0.8 - 0.02 * i for i in range(8)])
    told = trace_commands(RUNS, grid(measured(rates, "mosi", "random"), "acc2_nonzero"), "test", "md2n")
    assert "random-test/rate=0.1.npz" in "\n".join(told)
    assert told[-1].endswith("--protocol random --split test --masks bench/masks/mosi.npz --no-recovery")
    (mean,) = (i for i, line in enumerate(told) if "mean" in line and line.startswith("#"))
    assert "mean of 30–70%" in told[mean]  # the column that the table has
    assert told[mean + 1].endswith("rate=0.3 rate=0.4 rate=0.5 rate=0.6 rate=0.7")
    assert trace_commands([], grid(measured(ROWS, "mosi", "fixed"), "acc2_nonzero"), "test", "md2n") == []


def test_every_command_runs_from_the_folder_it_names_whatever_folders_are_called(tmp_path: Path) -> None:
    """All of the way, in a folder with a space in its name; ``md2n`` is a stand-in that says what it was given."""
    run = tmp_path / "my bench" / "seed-0"
    predictions = run / "predictions" / "mosi" / "fixed-test"
    predictions.mkdir(parents=True)
    masks = tmp_path / "my bench" / "masks.npz"
    np.savez(masks, head=np.array("these masks"))
    np.savez(predictions / "text.npz", output=np.arange(3.0))
    for name in ("config", "run"):
        (run / f"{name}.json").write_text(json.dumps({name: 1}))
    append_results(run / "results.jsonl", [r for r in ROWS if (r.model, r.seed) == ("md2n", 0)])
    command = tmp_path / "bin" / "md2n"
    command.parent.mkdir()
    command.write_text('#!/bin/sh\nfor word in "$@"; do echo "given: $word"; done\n')
    command.chmod(0o755)
    facts = RunFacts(
        "my bench/seed-0", "mosi", "md2n", "c", 0, "my bench/seed-0/predictions/mosi", masks="my bench/masks.npz"
    )
    g = grid(measured(ROWS, "mosi", "fixed"), "acc2_nonzero")
    told = trace_commands([facts], g, "test", "md2n")
    path = os.pathsep.join([str(command.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-eu"], input="\n".join(told), capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | {"PATH": path}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert '{"config": 1}{"run": 1}' in done.stdout
    assert done.stdout.count('"condition": "text",') == 1
    assert "output\t(3,)" in done.stdout
    means = g.seed_means("md2n", g.incomplete)
    (mean,) = (line for line in done.stdout.splitlines() if "{'" in line)
    assert float(mean.partition(" ")[0]) == pytest.approx(means[0])
    assert all(condition in mean for condition in g.incomplete)
    assert "these masks" in done.stdout
    given = [line.removeprefix("given: ") for line in done.stdout.splitlines() if line.startswith("given: ")]
    assert given == ["evaluate", "my bench/seed-0", "--protocol", "fixed", "--split", "test"]


def test_a_retracted_method_of_several_configurations_is_one_method(tmp_path: Path) -> None:
    rows = ROWS + fixed_rows("icdn", scores(0.6, 0.5, 0.8), config_hash="feedbeef00")
    lost = [Failure("mosi", "icdn", 4, "disk full", "x.json")]
    table = with_failures(fixed_table(rows, naming=NAMING), lost, NAMING)
    assert [row[0].text for row in table.rows] == ["MD2N", "ICDN (icdnxxx) [retracted]", "ICDN (feedbee) [retracted]"]
    assert NAMING.calls("ICDN [retracted]", "icdn")
    assert not NAMING.calls("ICDN", "icdn")
    assert not NAMING.calls("MD2N (b) and more", "md2n")


def test_a_run_is_called_the_same_in_every_table_of_its_data_set(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="extra 'plot'")
    rows = ROWS + fixed_rows("icdn", scores(0.6, 0.5, 0.8), config_hash="feedbeef00")
    rows += random_rows("icdn", [0.8, 0.7])  # of the first configuration alone
    write_report(tmp_path, rows, naming=NAMING, runs=RUNS)
    for name in ("patterns-acc2-nonzero", "rates-acc2-nonzero", "cost", "runs"):
        text = (tmp_path / "tables" / f"mosi-{name}.md").read_text()
        assert r"ICDN (icdnxxx) \[retracted\]" in text, name
    assert r"| mosi | icdn \[retracted\] |" in (tmp_path / "tables" / "origins.md").read_text()


def test_the_report_prints_them_beside_the_tables(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="extra 'plot'")
    notes = ["Search budget, the same for every method: presets, no search."]
    page = write_report(tmp_path, ROWS, naming=NAMING, runs=RUNS, failures=FAILED, notes=notes)
    text = page.read_text()
    told = Balance()
    told.feed(text)
    assert told.open == []
    assert len(set(told.ids)) == len(told.ids)
    assert "From a number to its predictions" in text
    assert "cat &#34;$RUN&#34;/config.json" in text
    assert "bench/runs/mosi/icdn/seed-2" in text
    assert text.count("ICDN [retracted]") > 3
    assert not re.search(r"ICDN(?! \[retracted\])", text.replace("ICDN [retracted]", ""))
    names = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert {"tables/mosi-cost.csv", "tables/mosi-runs.md", "tables/failed.md", "from-a-number-mosi.sh"} <= names
    table = (tmp_path / "tables" / "mosi-patterns-acc2-nonzero.md").read_text()
    assert "| IMDer | failed |" in table
    assert "Search budget, the same for every method: presets" in table
    assert "MD2N against the others" in (tmp_path / "tables" / "mosi-compare-acc2-nonzero.md").read_text()
    assert "Holm" in text
