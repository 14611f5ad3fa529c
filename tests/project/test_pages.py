"""The sentences of the results pages: what was run, what it took, and where MD2N falls short."""

from dataclasses import replace

from scripts.pages import benchmark, sentences
from scripts.results import INCOMPLETE

from md2n.evaluation.results import PROTOCOLS, ResultRow
from md2n.experiment.results_store import Results
from md2n.report.runs import Failure
from tests.project.test_results import ROW, facts, predicted


def page(rows: list[ResultRow], **other: list) -> str:
    return benchmark.page_of(Results(rows, **other))


def test_the_page_counts_training_and_answering() -> None:
    cost = {
        "training": {"cpu_s": 3600.0},
        "prediction": {"fixed": {"cpu_s": 1800.0}, "random": {"cpu_s": 1800.0}},
        "recovery": {"fixed": {"cpu_s": 3600.0}},
    }
    rows = [*predicted("md2n", 0, {"rows": 0.5}), *predicted("imder", 0, {"rows": 0.5})]
    runs = [replace(facts("md2n", 0), cost=cost), replace(facts("imder", 0), cost={"training": {"cpu_s": 5400.0}})]
    text = page(rows, runs=runs)
    assert "took 4.5 hours of CPU time, IMDer's 1.5 of them: 2.5 to train" in text
    assert "and 2.0 inside the methods" in text


def test_the_page_counts_the_seeds_of_each_protocol_and_runs_without_cost() -> None:
    rows = [r for s in (0, 1) for r in predicted("md2n", s, {"rows": 0.5})] + predicted("gcnet", 0, {"rows": 0.5})
    rows += [
        replace(r, protocol=PROTOCOLS["random"], condition="rate=0.1", rate_requested=0.1, rate_realised=0.1)
        for r in predicted("md2n", 0, {"": 0.5})
    ]
    text = page(rows, runs=[facts("md2n", 0)])
    assert "Two seeds on the split that there is: `digits`." in text
    assert "Fewer so far: `digits` (zero_fill none" in text and "gcnet 1" in text
    assert "Under `random@1` others than these: `digits` (md2n 1, gcnet none)." in text
    assert "Not measured yet: `ravdess_av`" in text
    folded = [replace(r, settings={"fold": f"{r.seed}/2"}, seed=0) for r in rows]
    assert "Two folds, one seed each: `digits`." in page(folded)
    assert "Not counted: the 2 of 3 runs whose cost is not known (`digits` 2), reading data" in text


def test_the_page_says_what_failed_and_which_code_measured() -> None:
    rows = [r for m in ("md2n", "icdn") for s in (0, 1) for r in predicted(m, s, {"rows": 0.5})]
    lost = [Failure("digits", "imder", 0, "task is nan", "")]
    text = page(rows, failures=lost)
    assert "| imder | failed |" in text
    assert "| icdn \\[retracted\\] | **50.0 ± 0.0** |" in text
    assert "On every set all methods were measured by one state of the code that they share." in text
    other = [replace(r, git_commit="f" * 40) if r.model == "icdn" else r for r in rows]
    assert "`digits` (icdn by ffffffffffff; md2n by eeeeeeeeeeee)" in page(other)


def test_the_page_says_where_md2n_falls_short() -> None:
    scores = {"md2n": 0.6, "imder": 0.59, "gcnet": 0.7, "modality_dropout": 0.5, "majority": 0.1, "dedicated": 0.9}
    rows = [
        r
        for model, score in scores.items()
        for seed in ((0,) if model == "gcnet" else (0, 1))
        for r in predicted(model, seed, {"rows": score + seed / 100, "edges": score, "complete": 1.0})
    ]
    text = page(rows)
    # Over the one seed that both have, as in the table of differences.
    assert "- `digits`: behind `gcnet` by 10.0 (1 seed); over `imder` by 1.00 points only; not measured: `dcca`" in text
    assert "| gcnet | -10.0 |" in text
    assert page([]).count("- nowhere") == 1


def test_a_larger_difference_of_equity_is_a_shortfall() -> None:
    scores = {"md2n": (0.8, 0.6), "imder": (0.6, 0.6), "majority": (0.5, 0.5), "dedicated": (0.9, 0.9)}
    rows = [r for m, (a, b) in scores.items() for s in (0, 1) for r in predicted(m, s, {"rows": a, "edges": b})]
    assert "equity range 0.50; smaller: `imder` 0.00" in page(rows)


def test_the_page_says_where_draws_are_better_than_those_of_reference_methods() -> None:
    def recovered(model: str, target: str, crps: float, coverage: float) -> list[ResultRow]:
        row = replace(ROW, model=model, condition=INCOMPLETE, target=target)
        measures = (("recovery_crps", crps), ("recovery_coverage90", coverage))
        return [replace(row, metric=metric, value=value) for metric, value in measures]

    rows = recovered("md2n", "edges", 0.3, 0.82) + recovered("md2n", "rows", 0.6, 0.93)
    rows += recovered("mean_fill", "edges", 0.5, 0.9) + recovered("mean_fill", "rows", 0.5, 0.9)
    rows += recovered("md2n", "moments", 0.1, 0.71)  # with nothing beside it
    text = sentences.draws(rows, ["digits"])
    assert "on 1 of 2 modalities (`digits` 1 of 2); its intervals hold the truth 71 to 93 % of the time" in text
    rows += recovered("neighbours", "edges", 0.2, 0.9)
    rows += recovered("regression_fill", "edges", 0.4, 0.9)[:1]  # a point forecast
    text = sentences.draws(rows, ["digits"])
    assert "`neighbours`, which draws the values of similar training samples, on 0 of 1 modalities (`digits` 0" in text
    assert "regression_fill" not in text
    assert sentences.draws(predicted("md2n", 0, {"rows": 0.5}), ["digits"]) == ""
