"""What the standing benchmark keeps, and what its page says of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from scripts.kept import INCOMPLETE, keep, read
from scripts.pages import benchmark, results

from md2n.evaluation.results import PROTOCOLS, ResultRow
from md2n.report.runs import RunFacts

ROW = ResultRow(
    dataset="digits", split="test", data_checksum="d" * 64, model="md2n", config_hash="c" * 12, seed=0,
    protocol=PROTOCOLS["fixed"], run="runs/digits/md2n/seed-0", settings={}, versions={}, md2n_version="1",
    git_commit="e" * 40, created="now", condition="rows", rate_requested=None, rate_realised=0.5, n=10,
    metric="accuracy", value=0.5,
)  # fmt: skip


def predicted(model: str, seed: int, values: dict[str, float], dataset: str = "digits") -> list[ResultRow]:
    """Accuracy by condition, and the measure that is kept beside it."""
    made = [replace(ROW, dataset=dataset, model=model, seed=seed, condition=c, value=v) for c, v in values.items()]
    return [*made, *(replace(r, metric="macro_f1") for r in made), *(replace(r, metric="weighted_f1") for r in made)]


def facts(model: str, seed: int) -> RunFacts:
    cost = {"parameters": 3, "training": {"cpu_s": 2.0 + seed}}
    return RunFacts("runs/a", "digits", model, "c" * 12, seed, "runs/a/predictions", cost=cost)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    rows = predicted("md2n", 0, {"rows": 0.5, "complete": 0.9}) + predicted("md2n", 1, {"rows": 0.7})
    keep(tmp_path, rows, [facts("md2n", 0)])
    found, runs = read(tmp_path)
    assert {r.metric for r in found} == {"accuracy", "macro_f1"}
    assert {(r.seed, r.condition): r.value for r in found if r.metric == "accuracy"} == {
        (0, "rows"): 0.5, (0, "complete"): 0.9, (1, "rows"): 0.7,
    }  # fmt: skip
    assert [(r.model, r.seed, r.cost["training"]) for r in runs] == [("md2n", 0, {"cpu_s": 2.0})]


def test_recoveries_are_kept_as_means_over_incomplete_patterns(tmp_path: Path) -> None:
    told = replace(ROW, metric="recovery_r2", target="edges")
    rows = [replace(told, value=0.2), replace(told, condition="moments", value=0.4)]
    keep(tmp_path, [*predicted("md2n", 0, {"rows": 0.5}), *rows], [])
    found = [r for r in read(tmp_path)[0] if r.target]
    assert [(r.condition, r.metric, r.value) for r in found] == [(INCOMPLETE, "recovery_r2", pytest.approx(0.3))]


def test_numbers_are_replaced_once_there_are_as_many_seeds_and_others_stay(tmp_path: Path) -> None:
    before = [r for s in (0, 1) for m in ("md2n", "zero_fill") for r in predicted(m, s, {"rows": 0.5})]
    keep(tmp_path, before, [facts(m, s) for s in (0, 1) for m in ("md2n", "zero_fill")])
    keep(tmp_path, predicted("md2n", 0, {"rows": 0.8}), [facts("md2n", 0)])
    assert {r.value for r in read(tmp_path)[0]} == {0.5}
    keep(tmp_path, [r for s in (0, 1) for r in predicted("md2n", s, {"rows": 0.8})], [facts("md2n", 0)])
    found, runs = read(tmp_path)
    assert {r.value for r in found if r.model == "md2n"} == {0.8}
    assert {r.value for r in found if r.model == "zero_fill"} == {0.5}
    assert sorted((r.model, r.seed) for r in runs) == [("md2n", 0), ("zero_fill", 0), ("zero_fill", 1)]


def test_the_page_says_where_it_falls_short_and_what_it_lacks() -> None:
    scores = {"md2n": 0.6, "imder": 0.59, "gcnet": 0.7, "modality_dropout": 0.5, "majority": 0.1, "dedicated": 0.9}
    rows = [
        r
        for model, score in scores.items()
        for seed in ((0,) if model == "gcnet" else (0, 1))
        for r in predicted(model, seed, {"rows": score + seed / 100, "edges": score, "complete": 1.0})
    ]
    told = benchmark.told_of(rows, [])
    assert "- `digits`: behind `gcnet` by 9.7; over `imder` by 1.0 points only" in told
    assert "gcnet 1" in told and "mmin none" in told and "`mosi` not at all" in told
    assert "**0.70" not in told and "**70.0**" in told  # the best of the nine; the ceiling is never bold


def test_the_short_page_judges_by_the_error_of_the_paired_difference() -> None:
    def page(ours: list[float]) -> str:
        floors = [r for m in ("zero_fill", "modality_dropout") for s in (0, 1) for r in predicted(m, s, {"rows": 0.5})]
        return results.told_of(floors + [r for s, v in enumerate(ours) for r in predicted("md2n", s, {"rows": v})])

    assert "- nowhere" in page([0.52, 0.51])
    noisy = page([0.6, 0.38])  # behind by one point, its standard error is eleven
    assert "behind `zero_fill` by 1.0 (se 11.0)" in noisy and "behind `modality_dropout`" not in noisy
    assert "behind `modality_dropout` by 5.0 (se 0.0)" in page([0.45, 0.45])
