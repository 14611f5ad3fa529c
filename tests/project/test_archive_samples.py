"""What the standing benchmark keeps of samples, and the margins its page shows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scripts.archive import keep, read
from scripts.archive_samples import FOLDER, keep_samples, read_samples
from scripts.pages import benchmark

from md2n.evaluation.metrics import accuracy
from md2n.evaluation.results import PROTOCOLS, ResultRow
from md2n.report.grid import Grid, grid
from md2n.report.runs import RunFacts

ROW = ResultRow(
    dataset="digits", split="test", data_checksum="d" * 64, model="md2n", config_hash="c" * 12, seed=0,
    protocol=PROTOCOLS["fixed"], run="", settings={}, versions={}, md2n_version="1", git_commit="e" * 40,
    created="now", condition="rows", rate_requested=None, rate_realised=0.5, n=6, metric="accuracy", value=0.5,
)  # fmt: skip
SAMPLES = 12


def measure(folder: Path, model: str, seed: int, chance: float) -> tuple[list[ResultRow], RunFacts]:
    """A run whose predictions are right with this chance: its rows, and where it is."""
    rng, place, rows = np.random.default_rng(seed), folder / f"{model}-{seed}", []
    (place / "fixed-test").mkdir(parents=True, exist_ok=True)
    for condition in ("rows", "edges"):
        labels = rng.integers(0, 2, SAMPLES)
        output = np.eye(2)[np.where(rng.random(SAMPLES) < chance, labels, 1 - labels)]
        told = {"output": output, "labels": labels, "rows": np.arange(3, 3 + SAMPLES)}
        np.savez(place / "fixed-test" / f"{condition}.npz", **told)
        row = replace(ROW, model=model, seed=seed, condition=condition, value=accuracy(output, labels))
        rows += [row, replace(row, metric="macro_f1")]
    return rows, RunFacts(str(place), "digits", model, ROW.config_hash, seed, str(place))


def kept(folder: Path, *made: tuple[list[ResultRow], RunFacts]) -> Grid:
    """Keeps runs; the grid of what is kept."""
    rows, runs = [r for told, _ in made for r in told], [run for _, run in made]
    keep(folder, rows, runs)
    keep_samples(folder, rows, runs)
    return benchmark.grids_of(read(folder)[0], "fixed")["digits"]


def test_a_line_is_a_run_and_its_mean_is_the_runs_number(tmp_path: Path) -> None:
    g = kept(tmp_path, *(measure(tmp_path, m, s, 0.7) for m in ("md2n", "imder") for s in (0, 1)))
    found = read_samples(tmp_path, g)
    assert {m: sorted(seeds) for m, seeds in found.items()} == {"md2n": [0, 1], "imder": [0, 1]}
    assert list(found["md2n"][0]) == list(range(3, 3 + SAMPLES))
    mean = np.mean(list(found["imder"][1].values()))
    assert mean == pytest.approx(g.seed_means("imder", g.incomplete)[1], abs=1e-6)


def test_other_sittings_add_lines_and_a_line_of_another_run_is_not_read(tmp_path: Path) -> None:
    kept(tmp_path, measure(tmp_path, "md2n", 0, 0.9), measure(tmp_path, "md2n", 1, 0.9))
    g = kept(tmp_path, measure(tmp_path, "gcnet", 0, 0.5))
    assert {m: sorted(seeds) for m, seeds in read_samples(tmp_path, g).items()} == {"md2n": [0, 1], "gcnet": [0]}
    before = read_samples(tmp_path, g)["md2n"]
    again = [measure(tmp_path / "again", "md2n", s, 0.1) for s in (0, 1)]
    kept(tmp_path, again[0])  # one seed of two: its numbers are not kept yet
    assert read_samples(tmp_path, g)["md2n"] == before
    g = kept(tmp_path, *again)
    now = read_samples(tmp_path, g)["md2n"]
    assert sorted(now) == [0, 1] and now != before
    assert (tmp_path / FOLDER / "digits.csv").read_text().count("md2n,") == 2
    old = grid([r for r in read(tmp_path)[0] if r.model == "gcnet"], "accuracy")
    assert read_samples(tmp_path, old).keys() == {"gcnet"}  # a grid without a method has no use for its lines


def test_the_page_shows_margins_where_samples_are_kept(tmp_path: Path) -> None:
    runs = [measure(tmp_path, m, s, c) for m, c in (("md2n", 0.6), ("imder", 0.95)) for s in (0, 1, 2)]
    kept(tmp_path, *runs, *(measure(tmp_path, "gcnet", s, 0.9) for s in (0, 1)))
    told = benchmark.page_of(*read(tmp_path), folder=tmp_path)
    margins = benchmark.margins_of(benchmark.grids_of(read(tmp_path)[0], "fixed"), tmp_path)
    assert margins.keys() == {("digits", "imder"), ("digits", "gcnet")}
    wide = f"± {100 * margins['digits', 'imder']:.1f}"
    line = next(line for line in told.splitlines() if line.startswith("| imder | -"))
    assert wide in line
    assert f"{wide}" in next(line for line in told.splitlines() if line.startswith("- `digits`: behind"))
    assert "95 % margin" in told
    (tmp_path / FOLDER / "digits.csv").unlink()
    assert "95 % margin" not in benchmark.page_of(*read(tmp_path), folder=tmp_path)
