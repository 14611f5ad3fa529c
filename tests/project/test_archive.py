"""What the standing benchmark keeps, and what its page says of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from scripts.archive import INCOMPLETE, keep, read
from scripts.pages import benchmark, results, rivals

from md2n.errors import DataError
from md2n.evaluation.results import PROTOCOLS, ResultRow
from md2n.experiment.source import measuring_code, shared_code, training_code
from md2n.report.runs import Failure, RunFacts

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
    found, runs, _ = read(tmp_path)
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
    found, runs, _ = read(tmp_path)
    assert {r.value for r in found if r.model == "md2n"} == {0.8}
    assert {r.value for r in found if r.model == "zero_fill"} == {0.5}
    assert sorted((r.model, r.seed) for r in runs) == [("md2n", 0), ("zero_fill", 0), ("zero_fill", 1)]


def test_seeds_of_another_sitting_are_added_to_those_of_the_same_code_only(tmp_path: Path) -> None:
    def made(seed: int, value: float, code: str) -> list[ResultRow]:
        return [replace(r, settings={"code": {"measuring": code}}) for r in predicted("imder", seed, {"rows": value})]

    def kept() -> dict[int, float]:
        return {r.seed: r.value for r in read(tmp_path)[0]}

    keep(tmp_path, made(0, 0.5, "a") + made(1, 0.6, "a"), [facts("imder", s) for s in (0, 1)])
    keep(tmp_path, made(2, 0.7, "a"), [facts("imder", 2)])
    assert kept() == {0: 0.5, 1: 0.6, 2: 0.7}
    assert [r.seed for r in read(tmp_path)[1]] == [0, 1, 2]
    keep(tmp_path, made(3, 0.8, "b"), [facts("imder", 3)])  # one seed of other code does not stand beside three
    assert kept() == {0: 0.5, 1: 0.6, 2: 0.7}
    keep(tmp_path, [r for s in (0, 1, 2) for r in made(s, 0.9, "b")], [facts("imder", s) for s in (0, 1, 2)])
    assert kept() == {0: 0.9, 1: 0.9, 2: 0.9}
    assert [r.seed for r in read(tmp_path)[1]] == [0, 1, 2]


def test_only_the_test_split_is_kept(tmp_path: Path) -> None:
    rows = predicted("md2n", 0, {"rows": 0.5})
    keep(tmp_path, [*rows, *(replace(r, split="valid", value=0.9) for r in predicted("md2n", 1, {"rows": 0.9}))], [])
    assert {(r.seed, r.value) for r in read(tmp_path)[0]} == {(0, 0.5)}


def test_keeping_one_protocol_leaves_the_other(tmp_path: Path) -> None:
    def under(protocol: str, value: float) -> list[ResultRow]:
        return [replace(r, protocol=PROTOCOLS[protocol]) for r in predicted("md2n", 0, {"rows": value})]

    def run(**told: float) -> RunFacts:
        return replace(facts("md2n", 0), cost={"prediction": {p: {"cpu_s": s} for p, s in told.items()}})

    keep(tmp_path, under("fixed", 0.5) + under("random", 0.6), [run(fixed=1.0, random=2.0)])
    keep(tmp_path, under("fixed", 0.7), [run(fixed=3.0)])
    found, runs, _ = read(tmp_path)
    assert {(r.protocol, r.value) for r in found} == {("fixed@1", 0.7), ("random@1", 0.6)}
    assert [r.cost["prediction"] for r in runs] == [{"fixed": {"cpu_s": 3.0}, "random": {"cpu_s": 2.0}}]


def test_numbers_under_other_masks_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    def under(model: str, masks: str) -> list[ResultRow]:
        return [replace(r, settings={"masks": masks}) for r in predicted(model, 0, {"rows": 0.5})]

    keep(tmp_path, under("md2n", "aaaa"), [])
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(DataError, match="2 sets of masks"):
        keep(tmp_path, under("imder", "bbbb"), [])
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    keep(tmp_path, under("imder", "aaaa"), [])
    assert {(r.model, r.settings["masks"]) for r in read(tmp_path)[0]} == {("md2n", "aaaa"), ("imder", "aaaa")}


def test_a_failure_is_kept_until_its_run_has_results(tmp_path: Path) -> None:
    lost = [Failure("digits", "imder", s, "task is nan", f"runs/{s}.json") for s in (0, 1)]
    keep(tmp_path, predicted("md2n", 0, {"rows": 0.5}), [], lost)
    assert read(tmp_path)[2] == [replace(f, record="") for f in lost]
    keep(tmp_path, predicted("imder", 0, {"rows": 0.5}), [], [replace(lost[1], reason="disk full")])
    assert [(f.seed, f.reason) for f in read(tmp_path)[2]] == [(1, "disk full")]


def test_the_page_says_what_failed_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "SEEDS", 2)
    rows = [r for m in ("md2n", "icdn") for s in (0, 1) for r in predicted(m, s, {"rows": 0.5})]
    lost = [Failure("digits", "imder", s, "task is nan", "") for s in (0, 1)]
    lost += [Failure("digits", "icdn", 2, "it refuses four modalities", "")]
    told = benchmark.page_of(rows, [], lost)
    assert "| imder | failed |" in told
    assert "- Failed: imder on digits, seed 0, 1: task is nan" in told
    assert "- Failed: icdn \\[retracted\\] on digits, seed 2: it refuses four modalities" in told
    assert "| icdn \\[retracted\\] | **50.0 ± 0.0** |" in told
    assert "failed |" not in results.page_of(rows, [], lost)  # it shows neither of them


def test_the_page_counts_training_and_answering() -> None:
    cost = {
        "training": {"cpu_s": 3600.0},
        "prediction": {"fixed": {"cpu_s": 1800.0}, "random": {"cpu_s": 1800.0}},
        "recovery": {"fixed": {"cpu_s": 3600.0}},
    }
    rows = [*predicted("md2n", 0, {"rows": 0.5}), *predicted("imder", 0, {"rows": 0.5})]
    theirs = {"training": {"cpu_s": 5400.0}}
    runs = [replace(facts("md2n", 0), cost=cost), replace(facts("imder", 0), cost=theirs)]
    told = benchmark.page_of(rows, runs)
    assert "took 4.5 hours of CPU time, IMDer's 1.5 of them: 2.5 to train" in told
    assert "and 2.0 inside the methods" in told


def test_there_is_no_equity_where_chance_or_ceiling_leave_none() -> None:
    def page(**scores: float) -> str:
        return benchmark.page_of(
            [r for m, v in scores.items() for s in (0, 1) for r in predicted(m, s, {"rows": v, "edges": v})], []
        )

    assert "- digits: no equity, majority and dedicated not measured." in page(md2n=0.6)
    told = page(md2n=0.6, majority=0.5, dedicated=0.5)  # where nothing can be learnt
    assert "- digits: no equity, no pattern that both have leaves a gap." in told
    assert "| md2n | – |" in told.partition("## Equity")[2].partition("## ")[0]
    told = page(md2n=0.6, gcnet=0.55, majority=0.5, dedicated=0.7)
    assert "| md2n | **0.50 / 0.00** |" in told and "| gcnet | 0.25 / 0.00 |" in told


def test_across_states_of_the_shared_code_nothing_is_bold_and_no_star_stands() -> None:
    values = {"md2n": 0.8, "zero_fill": 0.5, "gcnet": 0.6, "majority": 0.1, "dedicated": 0.9}
    rows = [
        r
        for m, v in values.items()
        for s in range(5)
        for r in predicted(m, s, {"rows": v + (s % 2) / 100 * (m == "md2n"), "edges": v})
    ]
    alike = benchmark.page_of(rows, [])
    assert "| md2n | **80.2 ± 0.3** |" in alike
    assert "| gcnet | +20.2\\* |" in alike and "| zero_fill | +30.2\\* |" in alike
    assert "On every set all methods were measured by one state of the code that they share." in alike
    other = [replace(r, git_commit="f" * 40) if r.model == "gcnet" else r for r in rows]
    told = benchmark.page_of(other, [])
    assert "**8" not in told and "**0." not in told
    assert "| gcnet | +20.2 |" in told and "| zero_fill | +30.2\\* |" in told
    assert "Nothing is bold where methods were measured by several states of the shared code: digits." in told
    assert "`digits` (majority, zero_fill, md2n, dedicated by eeeeeeeeeeee; gcnet by ffffffffffff)" in told
    # Other commits, but what all methods share is the same code.
    assert benchmark.page_of([replace(r, settings={"shared": "aaaa"}) for r in other], []).count("**80.2") == 1


def test_a_line_names_the_shared_code_of_rows_that_the_installed_code_made(tmp_path: Path) -> None:
    now = {"training": training_code("md2n"), "measuring": measuring_code("md2n")}
    own = [replace(r, settings={"code": now}) for r in predicted("md2n", 0, {"rows": 0.5})]
    older = [replace(r, settings={"code": now | {"training": "0" * 12}}) for r in predicted("md2n", 1, {"rows": 0.5})]
    keep(tmp_path, own + older, [])
    for _ in range(2):  # what is kept stays what it was
        found = {r.seed: r.settings.get("shared", "") for r in read(tmp_path)[0]}
        assert found == {0: shared_code(), 1: ""}
        keep(tmp_path, [], [])


def test_the_page_says_where_it_falls_short_and_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {"md2n": 0.6, "imder": 0.59, "gcnet": 0.7, "modality_dropout": 0.5, "majority": 0.1, "dedicated": 0.9}
    rows = [
        r
        for model, score in scores.items()
        for seed in ((0,) if model == "gcnet" else (0, 1))
        for r in predicted(model, seed, {"rows": score + seed / 100, "edges": score, "complete": 1.0})
    ]
    assert "**" not in benchmark.page_of(rows, []).split("## Random")[0]  # two seeds of five
    monkeypatch.setattr(benchmark, "SEEDS", 2)
    told = benchmark.page_of(rows, [])
    # Over the one seed that both have, as in the table of differences.
    assert "- `digits`: behind `gcnet` by 10.0 (1 seed); over `imder` by 1.00 points only; not measured: `dcca`" in told
    assert "| gcnet | -10.0 |" in told
    assert "gcnet 1" in told and "mmin none" in told and "`mosi` not at all" in told
    assert "| gcnet | 70.0 |" in told  # the best, of one seed
    assert "| md2n | **60.3 ± 0.4** |" in told  # the best of those that have both; the ceiling is never bold


def test_the_short_page_judges_by_the_error_of_the_paired_difference() -> None:
    def page(ours: list[float]) -> str:
        floors = [r for m in ("zero_fill", "modality_dropout") for s in (0, 1) for r in predicted(m, s, {"rows": 0.5})]
        return results.page_of(floors + [r for s, v in enumerate(ours) for r in predicted("md2n", s, {"rows": v})])

    assert "- nowhere" in page([0.52, 0.51])
    noisy = page([0.6, 0.38])  # behind by one point, its standard error is eleven
    assert "behind `zero_fill` by 1.0 (se 11.0)" in noisy and "behind `modality_dropout`" not in noisy
    assert "behind `modality_dropout` by 5.0 (se 0.0)" in page([0.45, 0.45])


def test_the_page_says_where_draws_are_better_than_draws_that_know_nothing() -> None:
    def recovered(model: str, target: str, crps: float, coverage: float) -> list[ResultRow]:
        told = replace(ROW, model=model, condition=INCOMPLETE, target=target)
        return [
            replace(told, metric="recovery_crps", value=crps),
            replace(told, metric="recovery_coverage90", value=coverage),
        ]

    rows = recovered("md2n", "edges", 0.3, 0.82) + recovered("md2n", "rows", 0.6, 0.93)
    rows += recovered("mean_fill", "edges", 0.5, 0.9) + recovered("mean_fill", "rows", 0.5, 0.9)
    rows += recovered("md2n", "moments", 0.1, 0.71)  # with nothing beside it
    told = rivals.drawn(rows, ["digits"], "md2n")
    assert "on 1 of 2 modalities (`digits` 1 of 2); its intervals hold the truth 71 to 93 % of the time" in told
    rows += recovered("neighbours", "edges", 0.2, 0.9)
    rows += recovered("regression_fill", "edges", 0.4, 0.9)[:1]  # a point forecast, of before it drew
    told = rivals.drawn(rows, ["digits"], "md2n")
    assert "`neighbours`, which draws the values of similar training samples, on 0 of 1 modalities (`digits` 0" in told
    assert "regression_fill" not in told
    assert rivals.drawn(predicted("md2n", 0, {"rows": 0.5}), ["digits"], "md2n") == ""


def test_the_page_says_which_crps_is_that_of_a_point() -> None:
    told = replace(ROW, condition=INCOMPLETE, target="rows")
    r2, crps = (replace(told, metric=f"recovery_{m}", value=v) for m, v in (("r2", 0.5), ("crps", 0.25)))
    covered = replace(told, metric="recovery_coverage90", value=0.9)
    rows = [replace(r, model=m) for m in ("regression_fill", "md2n") for r in (r2, crps)]
    table = benchmark.recovery([*rows, replace(covered, model="md2n")], "digits", {})
    assert table is not None
    assert {row[1].text: row[3].plain for row in table.rows} == {"regression_fill": "0.250 (point)", "md2n": "0.250"}


def test_the_page_counts_the_seeds_of_each_protocol_and_runs_without_cost() -> None:
    rows = [r for s in (0, 1) for r in predicted("md2n", s, {"rows": 0.5})] + predicted("imder", 0, {"rows": 0.5})
    rows += [
        replace(r, protocol=PROTOCOLS["random"], condition="rate=0.1", rate_requested=0.1, rate_realised=0.1)
        for r in predicted("md2n", 0, {"": 0.5})
    ]
    told = benchmark.page_of(rows, [facts("md2n", 0)])
    assert "2 seeds, but fewer so far on `digits` (zero_fill none" in told
    assert "Under `random@1` others than these: `digits` (md2n 1, imder none)." in told
    assert "Not counted: the 2 of 3 runs whose cost was not kept (`digits` 2), reading data" in told
