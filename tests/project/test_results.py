"""The project's own results: what goes into the file, what replaces what, what is missing, and commits of their own."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scripts import results
from scripts.pages.sentences import commits
from scripts.pages.studies import WHAT
from scripts.results import (
    BUDGETS,
    FILE,
    INCOMPLETE,
    SETS,
    Budget,
    merged,
    missing,
    runs_of,
    still_measured,
    trimmed,
)

from md2n.config import to_mapping
from md2n.errors import DataError, UsageError
from md2n.evaluation.metrics import accuracy
from md2n.evaluation.results import PROTOCOLS, ResultRow
from md2n.experiment.job import Job
from md2n.experiment.plan import check_options, options, plan
from md2n.experiment.results_store import Results, read_archive, write_archive
from md2n.report.grid import grid, measured
from md2n.report.runs import Failure, RunFacts
from md2n.training.run_identity import identity_hash
from tests.project.sources import ROOT

ROW = ResultRow(
    dataset="digits", split="test", data_checksum="d" * 64, model="md2n", config_hash="c" * 12, seed=0,
    protocol=PROTOCOLS["fixed"], run="runs/digits/md2n/seed-0", settings={}, versions={"torch": "2"}, md2n_version="1",
    git_commit="e" * 40, created="now", condition="rows", rate_requested=None, rate_realised=0.5, n=10,
    metric="accuracy", value=0.5,
)  # fmt: skip
# Made from the file.
PAGES = {
    "README.md",  # its table
    "docs/benchmark.md",
    "docs/results.md",  # until it became a part of the benchmark's
    "docs/recovery.md",
    "docs/performance.md",
    *(f"docs/studies/{s}.md" for s in WHAT),
}


def predicted(model: str, seed: int, values: dict[str, float], dataset: str = "digits") -> list[ResultRow]:
    """Accuracy by condition, and two measures more."""
    made = [replace(ROW, dataset=dataset, model=model, seed=seed, condition=c, value=v) for c, v in values.items()]
    return [replace(r, metric=m) for m in ("accuracy", "macro_f1", "weighted_f1") for r in made]


def facts(model: str, seed: int) -> RunFacts:
    cost = {"parameters": 3, "training": {"cpu_s": 2.0 + seed}}
    return RunFacts("runs/a", "digits", model, "c" * 12, seed, "runs/a/predictions", cost=cost)


def benched(model: str = "md2n", seeds: tuple[int, ...] = (0,), value: float = 0.5, **other: object) -> Results:
    """What a benchmark has of a method, trimmed."""
    rows = [replace(r, **other) for s in seeds for r in predicted(model, s, {"rows": value})]
    return trimmed(Results(rows, [facts(model, s) for s in seeds]))


def values(results: Results) -> dict[tuple[str, int], float]:
    return {(r.model, r.seed): r.value for r in results.rows}


def test_the_pages_need_two_measures_of_the_test_split(tmp_path: Path) -> None:
    rows = predicted("md2n", 0, {"rows": 1 / 3, "complete": 0.9})
    rows += [replace(r, split="valid") for r in predicted("md2n", 1, {"rows": 0.9})]
    results = trimmed(Results(rows, [facts("md2n", 0)]))
    assert {r.metric for r in results.rows} == {"accuracy", "macro_f1"}
    assert {(r.seed, r.condition, r.value) for r in results.rows} == {(0, "rows", 0.333333), (0, "complete", 0.9)}
    assert {(r.run, r.git_commit, r.data_checksum) for r in results.rows} == {("", "e" * 12, "d" * 12)}
    assert [(r.folder, r.predictions, r.cost["parameters"]) for r in results.runs] == [("", "", 3)]
    write_archive(tmp_path / "a.json.xz", results)
    assert read_archive(tmp_path / "a.json.xz") == results
    assert trimmed(results) == results


def test_folds_stay_apart_and_repeat_one_experiment() -> None:
    rows = [replace(r, settings={"fold": f"{k}/2", "masks": f"m{k}"}, data_checksum=f"d{k}" * 8)
            for k in (0, 1) for r in predicted("md2n", 0, {"rows": 0.4 + k})]  # fmt: skip
    results = merged(Results(), trimmed(Results(rows)))
    assert [(r.fold, r.repeat, r.value) for r in results.rows if r.metric == "accuracy"] == [
        ("0/2", 0, 0.4),
        ("1/2", 1, 1.4),
    ]
    fixed = grid(measured(results.rows, "digits", "fixed"), "accuracy")
    assert fixed.summary("md2n", "rows").mean == pytest.approx(0.9)


def test_recoveries_are_means_over_incomplete_conditions() -> None:
    recovered = replace(ROW, metric="recovery_r2", target="edges")
    rows = [replace(recovered, condition=c, value=v) for c, v in (("rows", 0.2), ("moments", 0.4), ("complete", 9.0))]
    found = [r for r in trimmed(Results([*predicted("md2n", 0, {"rows": 0.5}), *rows])).rows if r.target]
    assert [(r.condition, r.metric, r.value) for r in found] == [(INCOMPLETE, "recovery_r2", pytest.approx(0.3))]


def test_what_every_sample_gives_goes_with_its_run(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(0), []
    (tmp_path / "fixed-test").mkdir()
    for condition in ("rows", "edges"):
        labels, output = rng.integers(0, 2, 12), np.eye(2)[rng.integers(0, 2, 12)]
        np.savez(tmp_path / "fixed-test" / f"{condition}.npz", output=output, labels=labels, rows=np.arange(3, 15))
        rows += predicted("md2n", 0, {condition: accuracy(output, labels)})
    run = replace(facts("md2n", 0), predictions=str(tmp_path))
    (found,) = trimmed(Results(rows, [run])).runs
    assert list(found.scores["accuracy"]) == list(range(3, 15))
    mean = np.mean([r.value for r in rows if r.metric == "accuracy"])
    assert np.mean(list(found.scores["accuracy"].values())) == pytest.approx(mean, abs=1e-6)


def test_numbers_are_replaced_once_there_are_as_many_seeds_and_others_stay() -> None:
    old = merged(benched(seeds=(0, 1)), benched("zero_fill", seeds=(0, 1)))
    edited = {"code": {"measuring": "b"}}
    assert merged(old, benched(value=0.8, settings=edited)) == old  # one seed does not replace two
    now = merged(old, benched(seeds=(0, 1), value=0.8, settings=edited))
    assert values(now) == {("md2n", 0): 0.8, ("md2n", 1): 0.8, ("zero_fill", 0): 0.5, ("zero_fill", 1): 0.5}
    assert [(r.model, r.seed) for r in now.runs] == [(m, s) for m in ("md2n", "zero_fill") for s in (0, 1)]


def test_one_protocol_leaves_the_other_and_costs_go_with_the_fixed_one() -> None:
    def under(protocol: str, value: float, cost: float) -> Results:
        found = benched(value=value, protocol=PROTOCOLS[protocol])
        return replace(found, runs=[replace(found.runs[0], cost={"parameters": cost})])

    old = merged(under("fixed", 0.5, 1), under("random", 0.6, 2))
    assert [r.cost["parameters"] for r in old.runs] == [1]
    now = merged(old, under("fixed", 0.7, 3))
    assert {(r.protocol, r.value) for r in now.rows} == {("fixed@1", 0.7), ("random@1", 0.6)}
    assert [r.cost["parameters"] for r in now.runs] == [3]


def test_numbers_under_other_masks_or_of_other_data_are_refused() -> None:
    old = benched(settings={"masks": "aaaa"})
    with pytest.raises(DataError, match="2 sets of masks"):
        merged(old, benched("imder", settings={"masks": "bbbb"}))
    with pytest.raises(DataError, match="2 versions of the data"):
        merged(old, benched("imder", settings={"masks": "aaaa"}, data_checksum="f" * 64))
    assert {m for m, _ in values(merged(old, benched("imder", settings={"masks": "aaaa"})))} == {"md2n", "imder"}


def test_a_failure_stays_until_its_run_has_results() -> None:
    lost = [Failure("digits", "imder", s, "task is nan", "") for s in (0, 1)]
    old = merged(Results(), Results(failures=lost))
    assert old.failures == lost
    now = merged(old, replace(benched("imder"), failures=[replace(lost[1], reason="disk full")]))
    assert [(f.seed, f.reason) for f in now.failures] == [(1, "disk full")]


def test_a_run_is_missing_without_numbers_of_these_settings_and_this_code_under_both_protocols(tmp_path: Path) -> None:
    def measured(job: Job, *protocols: str, **other: object) -> list[ResultRow]:
        own = {"config_hash": identity_hash(to_mapping(job.config)), "settings": {"code": job.version}} | other
        made = predicted(job.model, job.seed, {"rows": 0.5})
        return [replace(r, protocol=PROTOCOLS[p], **own) for p in protocols for r in made]

    whole, half, edited, older, none = jobs = plan(["digits"], ["dcca", "dccae", "mctn", "transm", "icdn"], 1, tmp_path)
    rows = measured(whole, "fixed", "random") + measured(half, "fixed")
    rows += measured(edited, "fixed", "random", config_hash="0" * 64)
    rows += measured(older, "fixed", "random", settings={"code": {"measuring": "0" * 12}})
    assert missing(trimmed(Results(rows)).rows, jobs) == [half, edited, older, none]


def test_a_fold_is_missing_by_itself(tmp_path: Path) -> None:
    jobs = plan(["digits"], ["dcca"], 1, tmp_path, folds=2)
    own = {"config_hash": identity_hash(to_mapping(jobs[1].config))}
    settings = {"code": jobs[1].version, "fold": "1/2"}
    rows = [
        replace(r, protocol=PROTOCOLS[p], settings=settings, **own)
        for p in ("fixed", "random")
        for r in predicted("dcca", 0, {"rows": 0.5})
    ]
    assert missing(trimmed(Results(rows)).rows, jobs) == [jobs[0]]


def test_numbers_of_folds_take_the_place_of_all_that_a_set_had() -> None:
    old = merged(benched(seeds=(0, 1)), benched("zero_fill", seeds=(0, 1)))
    now = merged(old, benched("gcnet", settings={"fold": "0/5"}))
    assert values(now) == {("gcnet", 0): 0.5} and [r.model for r in now.runs] == ["gcnet"]
    other = benched("gcnet", dataset="mfeat", settings={"fold": "0/5"})
    assert {(r.dataset, r.model) for r in merged(old, other).rows} == {
        ("digits", "md2n"),
        ("digits", "zero_fill"),
        ("mfeat", "gcnet"),
    }


def test_a_budget_holds_for_every_method_and_slow_ones_make_fewer_runs() -> None:
    budget = Budget("some", ("digits", "mfeat"), 30, 3, ("mfeat",))
    with_imder, without = budget.jobs("mfeat"), budget.jobs("digits")
    assert {j.model for j in with_imder} - {j.model for j in without} == {"imder"}
    assert {(j.config.trainer.steps, j.config.trainer.validations) for j in with_imder} == {(30, 3)}
    assert {j.folds for j in without} == {5}
    folds = {m: sorted(j.fold for j in with_imder if j.model == m) for m in ("imder", "dicmor", "md2n", "dedicated")}
    whole = list(range(5))
    assert folds == {"imder": [0, 1], "dicmor": [0, 1], "md2n": whole, "dedicated": whole}
    assert [runs_of(m, 2, folded=False) for m in ("dicmor", "md2n")] == [1, 2]
    assert len(SETS) == len(set(SETS)) and {d for b in BUDGETS for d in b.imder} <= set(SETS)


def test_of_commits_with_the_same_shared_code_one_is_named() -> None:
    rows = [replace(ROW, git_commit=c, settings={"code": {"shared": code}}) for c, code in ("a1", "b1", "b1", "c2")]
    assert commits([*rows, replace(ROW, git_commit="old")]) == "b, c, old"


def test_imder_goes_where_a_set_is_measured_anew_without_it() -> None:
    kept = [ROW, replace(ROW, model="imder"), replace(ROW, model="imder", dataset="ict_mmmo")]
    old = Results([*kept, replace(ROW, dataset="mosi")])
    assert still_measured(old, Results([])).rows == kept
    anew = Results([ROW, replace(ROW, dataset="ict_mmmo")])
    assert still_measured(old, anew).rows == [ROW, kept[2]]


def test_folds_of_the_same_code_join_and_a_fold_made_again_replaces_its_own() -> None:
    def fold(k: int, value: float, **other: object) -> Results:
        found = benched(value=value, settings={"fold": f"{k}/5", "code": {"measuring": "a"}} | other)
        return replace(found, runs=[replace(r, fold=f"{k}/5") for r in found.runs])

    both = merged(merged(Results(), fold(0, 0.5)), fold(1, 0.7))
    assert {r.repeat: r.value for r in both.rows} == {0: 0.5, 1: 0.7} and [r.repeat for r in both.runs] == [0, 1]
    again = merged(both, fold(1, 0.8))
    assert {r.repeat: r.value for r in again.rows} == {0: 0.5, 1: 0.8} and [r.repeat for r in again.runs] == [0, 1]
    assert merged(both, fold(1, 0.9, code={"measuring": "b"})) == both  # other code, and one fold of two


def test_a_budget_has_a_folder_that_takes_no_other_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "OUT", tmp_path)
    made = []
    monkeypatch.setattr(results, "run_benchmark", lambda jobs, *rest: made.extend(jobs))
    budget = Budget("some", ("digits",), 30, 3)
    results.make(budget, budget.jobs("digits")[:2])
    assert [job.run.parents[3] for job in made] == [tmp_path / "benchmark-some"] * 2
    with pytest.raises(UsageError, match="was made with"):
        check_options(budget.out, options(0, "", ["trainer.steps=31"]))


def test_results_are_in_one_small_file_that_reads_back_equal(tmp_path: Path) -> None:
    assert FILE.stat().st_size < 500_000
    results = read_archive(FILE)
    write_archive(tmp_path / "again.json.xz", results)
    assert read_archive(tmp_path / "again.json.xz") == results == merged(Results(), results)


def test_a_commit_of_results_has_nothing_else_but_the_pages_made_from_them() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    # Of a shallow clone the first commit seems to add everything; it has no parent there, nor have merges one.
    form = ["--format=%x00%h", "--name-only", "--full-diff", "--min-parents=1", "--max-parents=1"]
    log = subprocess.run(
        ["git", "log", *form, "--", str(FILE)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for commit in filter(None, log.split("\0")):
        digest, *names = commit.split()
        others = {n for n in names if not n.startswith(("results/", "docs/pictures/studies/"))}
        assert others <= PAGES, f"{digest}: commit results/ alone"
