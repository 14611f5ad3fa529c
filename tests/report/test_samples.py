"""What samples give to a score, and the margin over seeds and samples: known answers, limits, coverage."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from md2n.evaluation.metrics import acc2_nonzero, accuracy, mae
from md2n.report.compare import comparison_table
from md2n.report.grid import Grid, Naming, grid, measured
from md2n.report.runs import RunFacts
from md2n.report.samples import PER_SAMPLE, Scores, groups_of, margin, sample_scores, scores_by_label
from tests.report.made import fixed_rows

CONDITIONS = {"text": (0, 1, 2, 5, 6), "audio": (1, 2, 3, 4, 6), "text+audio": (0, 1, 6)}  # and the rows they have


def save(folder: Path, metric: str, seed: int, protocol: str = "fixed") -> dict[str, float]:
    """Predictions of every condition under a run's folder; condition -> the measure of them."""
    rng, told = np.random.default_rng(seed), {}
    for condition, rows in CONDITIONS.items():
        labels: np.ndarray
        if metric == "accuracy":
            output, labels = rng.dirichlet(np.ones(3), len(rows)), rng.integers(0, 3, len(rows))
            labels[0] = -1  # not known
            told[condition] = accuracy(output[1:], labels[1:])
        else:
            output, labels = rng.normal(size=len(rows)), rng.normal(size=len(rows))
            labels[:2] = np.nan, 0.0
            told[condition] = (mae if metric == "mae" else acc2_nonzero)(output[1:], labels[1:])
        place = folder / f"{protocol}-test"
        place.mkdir(parents=True, exist_ok=True)
        np.savez(place / f"{condition}.npz", output=output, labels=labels, rows=np.array(rows))
    return told


def made(folder: Path, metric: str, model: str = "md2n", seeds: int = 1) -> tuple[Grid, list[RunFacts]]:
    """A grid with the runs behind it, their predictions saved."""
    rows, runs = [], []
    for seed in range(seeds):
        place = folder / f"{model}-{seed}"
        values = save(place, metric, seed + 100 * len(model))
        rows += [replace(r, seed=seed) for r in fixed_rows(model, values, metric, shifts=(0.0,))]
        runs.append(RunFacts(str(place), "mosi", model, rows[-1].config_hash, seed, str(place)))
    return grid(measured(rows, "mosi", "fixed"), metric), runs


@pytest.mark.parametrize("metric", PER_SAMPLE)
def test_the_mean_over_samples_is_the_number_of_the_run(tmp_path: Path, metric: str) -> None:
    g, runs = made(tmp_path, metric)
    told = sample_scores(runs[0], g, "test")
    assert told is not None
    assert np.mean(list(told.values())) == pytest.approx(g.seed_means("md2n", g.incomplete)[0], abs=1e-12)
    assert set(told) <= set(range(7)) and list(told) == sorted(told)


def test_nothing_is_told_without_predictions_or_of_other_measures(tmp_path: Path) -> None:
    g, runs = made(tmp_path, "accuracy")
    assert sample_scores(replace(runs[0], predictions=str(tmp_path / "gone")), g, "test") is None
    assert sample_scores(runs[0], g, "valid") is None
    assert sample_scores(runs[0], replace(g, metric="macro_f1"), "test") is None  # it is no mean over samples
    labels = {("md2n", runs[0].config_hash): "md2n"}
    assert scores_by_label([replace(runs[0], dataset="digits")], g, labels, "test") == {}


def of(d: np.ndarray) -> tuple[dict[int, Scores], dict[int, Scores]]:
    """Scores of two methods whose difference is ``d``, ``[seed, sample]``."""
    base = np.random.default_rng(1).normal(size=d.shape)
    return (
        {s: dict(enumerate((base + d)[s].tolist())) for s in range(len(d))},
        {s: dict(enumerate(base[s].tolist())) for s in range(len(d))},
    )


def test_where_samples_agree_it_is_students_interval_over_seeds() -> None:
    effect = np.array([0.01, 0.03, -0.02, 0.05, 0.0])
    first, second = of(np.repeat(effect[:, None], 30, axis=1))
    assert margin(first, second) == pytest.approx(stats.t.ppf(0.975, 4) * stats.sem(effect), rel=1e-6)


def test_where_seeds_agree_it_is_students_interval_over_samples() -> None:
    effect = np.random.default_rng(0).normal(size=40)
    first, second = of(np.repeat(effect[None], 5, axis=0))
    assert margin(first, second) == pytest.approx(stats.t.ppf(0.975, 39) * stats.sem(effect), rel=1e-6)
    assert margin(first, first) == 0.0
    assert margin(second, first) == pytest.approx(margin(first, second))


def test_there_is_none_without_pairs() -> None:
    first, second = of(np.ones((2, 3)))
    assert margin(first, {0: second[0]}) is None
    assert margin(first, {s: {0: 1.0} for s in (0, 1)}) is None  # other samples
    assert margin({s: {0: 1.0} for s in (0, 1)}, {s: {0: 2.0} for s in (0, 1)}) is None
    assert margin({}, {}) is None


def test_where_samples_come_in_groups_groups_are_what_counts() -> None:
    effect = np.random.default_rng(0).normal(size=12)
    first, second = of(np.repeat(np.repeat(effect, 5)[None], 3, axis=0))  # five samples of a person are alike
    groups = {row: row // 5 for row in range(60)}
    assert margin(first, second, groups) == pytest.approx(stats.t.ppf(0.975, 11) * stats.sem(effect), rel=1e-6)
    assert margin(first, second, groups) > 2 * margin(first, second)
    assert margin(first, second, {row: row for row in range(60)}) == pytest.approx(margin(first, second))


def test_over_folds_it_is_that_of_all_their_samples() -> None:
    effect = np.random.default_rng(0).normal(size=20)
    first = {fold: {row: effect[row] for row in range(10 * fold, 10 * fold + 10)} for fold in (0, 1)}
    second = {fold: dict.fromkeys(scores, 0.0) for fold, scores in first.items()}
    assert margin(first, second) == pytest.approx(stats.t.ppf(0.975, 19) * stats.sem(effect), rel=1e-6)


def test_groups_go_with_predictions_or_with_the_run(tmp_path: Path) -> None:
    g, runs = made(tmp_path, "accuracy")
    assert groups_of(runs, g, "test") == {}  # of an md2n that did not save them
    for condition, rows in CONDITIONS.items():
        file = tmp_path / "md2n-0" / "fixed-test" / f"{condition}.npz"
        arrays = dict(np.load(file))
        np.savez(file, **arrays, group=np.array(rows) // 2)
    assert groups_of(runs, g, "test") == {row: row // 2 for row in sorted({r for c in CONDITIONS.values() for r in c})}
    assert groups_of([replace(runs[0], groups={3: 7})], g, "test") == {3: 7}
    assert groups_of([replace(runs[0], dataset="digits")], g, "test") == {}


def test_it_covers_the_truth_where_seeds_alone_do_not() -> None:
    rng, truth, hits, of_seeds = np.random.default_rng(3), 0.02, [], []
    for _ in range(400):
        d = truth + 0.01 * rng.normal(size=(5, 1)) + 0.4 * rng.normal(size=(1, 90)) + 0.1 * rng.normal(size=(5, 90))
        wide = margin(*of(d))
        assert wide is not None
        hits.append(abs(d.mean() - truth) <= wide)
        of_seeds.append(abs(d.mean() - truth) <= stats.t.ppf(0.975, 4) * stats.sem(d.mean(axis=1)))
    assert 0.93 <= np.mean(hits) <= 0.99
    assert np.mean(of_seeds) < 0.6


def test_a_comparison_shows_it_where_predictions_are_there(tmp_path: Path) -> None:
    (one, runs), (two, others) = (made(tmp_path, "accuracy", m, seeds=3) for m in ("md2n", "imder"))
    g = replace(one, models=dict(one.models) | dict(two.models), values=dict(one.values) | dict(two.values))
    labels = Naming().of_pairs([(r.model, r.config_hash) for r in (*runs, *others)])
    scores = scores_by_label([*runs, *others], g, labels, "test")
    table = comparison_table(g, "md2n", scores=scores)
    assert table is not None
    assert table.columns == ("against", "difference (points)", "±", "pairs", "p", "p (Holm)")
    told = margin(scores["md2n"], scores["imder"])
    assert told is not None
    assert table.rows[0][2].value == pytest.approx(100 * told)
    assert "other test samples" in table.notes[-1]
    plain = comparison_table(g, "md2n")
    assert plain is not None
    assert "±" not in plain.columns
    assert not any("other test samples" in note for note in plain.notes)
