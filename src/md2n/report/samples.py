"""What every sample of the test split gives to a score, and how far a difference is sure beyond these samples.

Seeds tell how a method's score moves when it is trained again.  They do not tell how it would move on other samples of
the same kind, and a test split of a hundred samples moves it by more.  With d(s, i) the paired difference of two
methods at seed s and sample i, a mean over the conditions, and D its mean over all S seeds and N samples,

    var(D) = var_i( mean_s d(s, i) ) / N  +  var_s( mean_i d(s, i) ) / S,

seeds and samples being drawn apart from each other; what both vary together is counted twice, so the margin is rather
too wide.  It is t times the root of it, with Satterthwaite's degrees of freedom.  Where samples come in G groups (of
one person, of one video) the first term is that of clusters,

    G / (G - 1)  sum_g ( sum_{i in g} ( mean_s d(s, i) - D ) )^2 / N^2,

which is the same where each sample is a group.  Where runs have other test samples each, as folds have, what a run
varies by itself is in what its samples do, and the first term is all.  (Miller, "Adding error bars to evals", 2024, has
the clusters; Bouthillier et al., "Accounting for variance in machine learning benchmarks", MLSys 2021, tell why seeds
and samples are both needed.)
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.data.readers.npy import load_npz
from md2n.evaluation.metrics import known
from md2n.reading import reading
from md2n.report.grid import Grid
from md2n.report.runs import RunFacts

Array = npt.NDArray[Any]
Scores = Mapping[int, float]  # sample -> what it gives

LEVEL = 0.95
LEAST_SAMPLES = 2


def _accuracy(output: Array, label: Array) -> Array:
    return np.asarray(output.argmax(axis=1) == label, np.float64)


def _acc2_nonzero(output: Array, label: Array) -> Array:
    return np.where(label == 0, np.nan, (output > 0) == (label > 0))


def _mae(output: Array, label: Array) -> Array:
    return np.abs(np.asarray(output, np.float64) - label)


# Measures that are a mean over samples, and what is averaged; NaN: the sample does not count.
PER_SAMPLE: dict[str, Callable[[Array, Array], Array]] = {
    "accuracy": _accuracy,
    "acc2_nonzero": _acc2_nonzero,
    "mae": _mae,
}


def sample_scores(run: RunFacts, grid: Grid, split: str) -> Scores | None:
    """What every sample gives to the run's mean over incomplete conditions; the mean over samples is that number.

    A sample that is measured under few conditions gives little.

    Args:
        run: where the predictions are.
        grid: which measure and conditions.
        split: of the data.

    Returns:
        Row of the data set -> its part.  None where the measure is no mean over samples, or predictions are not there.
    """
    if grid.metric in run.scores and (grid.protocol, split) == ("fixed", "test"):
        return run.scores[grid.metric]
    files = []
    for condition in grid.incomplete:
        files.append(Path(run.predictions) / f"{grid.protocol}-{split}" / f"{condition}.npz")
    if grid.metric not in PER_SAMPLE or not files or not all(file.is_file() for file in files):
        return None
    return scores_in(files, grid.metric)


def scores_in(files: Sequence[Path], metric: str) -> dict[int, float]:
    """What every sample gives to a mean over conditions.

    Args:
        files: predictions, one file per condition, as ``md2n evaluate`` saves them.
        metric: of ``PER_SAMPLE``.

    Returns:
        Row of the data set -> its part; their mean is the mean over conditions.
    """
    total: dict[int, float] = defaultdict(float)
    for file in files:
        arrays = load_npz(file, ("labels", "output", "rows"), "measure the run again: md2n evaluate")
        with reading(file, hint="measure the run again: md2n evaluate"):
            has_label = known(arrays["labels"])
            scores, rows = (
                PER_SAMPLE[metric](arrays["output"][has_label], arrays["labels"][has_label]),
                arrays["rows"][has_label],
            )
        counted = ~np.isnan(scores)
        for row, value in zip(rows[counted].tolist(), (scores[counted] / counted.sum()).tolist()):
            total[row] += value
    return {row: value * len(total) / len(files) for row, value in sorted(total.items())}


def scores_by_label(
    runs: Sequence[RunFacts], grid: Grid, labels: Mapping[tuple[str, str], str], split: str
) -> dict[str, dict[int, Scores]]:
    """``sample_scores`` of every run of the grid: label -> seed -> scores.

    Args:
        runs: of any data sets.
        grid: which measure and conditions.
        labels: (model, config hash) -> label, as ``Naming`` tells them.
        split: of the data.
    """
    by_label: dict[str, dict[int, Scores]] = {}
    for run in runs:
        label = labels.get((run.model, run.config_hash), "")
        counts = run.dataset == grid.dataset and label in grid.models
        scores = sample_scores(run, grid, split) if counts else None
        if scores is not None:
            by_label.setdefault(label, {})[run.repeat] = scores
    return by_label


def groups_of(runs: Sequence[RunFacts], grid: Grid, split: str) -> dict[int, int]:
    """Row of the data set -> number of its group, from predictions or as the runs say; rows without one are absent.

    Args:
        runs: of any data sets.
        grid: of the data set.
        split: of the data.
    """
    groups: dict[int, int] = {}
    for run in runs:
        if run.dataset != grid.dataset:
            continue
        groups |= run.groups
        for condition in grid.incomplete if not run.groups else ():
            file = Path(run.predictions) / f"{grid.protocol}-{split}" / f"{condition}.npz"
            arrays = load_npz(file) if run.predictions and file.is_file() else {}
            if "group" in arrays:
                groups |= dict(zip(arrays["rows"].tolist(), arrays["group"].tolist()))
    return groups


def margin(
    first: Mapping[int, Scores], second: Mapping[int, Scores], groups: Mapping[int, int] | None = None
) -> float | None:
    """Half the width of the 95 % interval of a paired difference, over seeds and samples, or over folds' samples.

    Args:
        first: seed -> sample -> score.
        second: seed -> sample -> score.
        groups: sample -> its group; a sample that is not among them is a group of its own.

    Returns:
        None where there are no two seeds or two groups in common, or where the samples are not the same.
    """
    if len(first.keys() & second.keys()) < 2 or (parts := _variance(first, second, groups)) is None:
        return None
    variance, freedom = parts
    if variance == 0:
        return 0.0
    from scipy import stats  # comes with scikit-learn; half a second to import

    return float(stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(variance))


def clustered_test(
    first: Mapping[int, Scores], second: Mapping[int, Scores], groups: Mapping[int, int] | None = None
) -> tuple[float, float | None] | None:
    """The margin of a paired difference, and the probability of one as large if there were none, by the same variance.

    Of one seed both are of its test samples alone.

    Args:
        first: seed -> sample -> score.
        second: seed -> sample -> score.
        groups: sample -> its group; a sample that is not among them is a group of its own.

    Returns:
        None where there are no two groups, or where the samples are not the same; no probability where every group
        differs alike.
    """
    if (parts := _variance(first, second, groups)) is None:
        return None
    variance, freedom = parts
    if variance == 0:
        return 0.0, None
    from scipy import stats

    seeds = sorted(first.keys() & second.keys())
    mean = np.mean([np.mean([first[s][row] - second[s][row] for row in first[s]]) for s in seeds])
    t = float(abs(mean) / np.sqrt(variance))
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(variance)), float(2 * stats.t.sf(t, freedom))


def _variance(
    first: Mapping[int, Scores], second: Mapping[int, Scores], groups: Mapping[int, int] | None
) -> tuple[float, float] | None:
    """The variance of the mean difference and its degrees of freedom; None where it cannot be known."""
    seeds = sorted(first.keys() & second.keys())
    if not seeds or any(first[s].keys() != second[s].keys() for s in seeds):
        return None
    by_row: dict[int, list[float]] = defaultdict(list)
    for s in seeds:
        for row, score in first[s].items():
            by_row[row].append(score - second[s][row])
    d = np.array([np.mean(values) for values in by_row.values()])
    alone = {row: -1 - n for n, row in enumerate(by_row)}
    _, code = np.unique([(groups or {}).get(row, alone[row]) for row in by_row], return_inverse=True)
    sums = np.bincount(code.reshape(-1), d - d.mean()) if len(d) else d
    if len(sums) < LEAST_SAMPLES:
        return None
    parts, freedom = [(sums**2).sum() / len(d) ** 2 * len(sums) / (len(sums) - 1)], [len(sums) - 1]
    if len(seeds) > 1 and all(len(values) == len(seeds) for values in by_row.values()):
        means = [np.mean([first[s][row] - second[s][row] for row in by_row]) for s in seeds]
        parts.append(np.var(means, ddof=1) / len(seeds))
        freedom.append(len(seeds) - 1)
    variance = float(sum(parts))
    if variance == 0:
        return 0.0, 1.0
    return variance, float(variance**2 / sum(part**2 / n for part, n in zip(parts, freedom)))
