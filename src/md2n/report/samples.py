"""What every sample of the test split gives to a score, and how far a difference is sure beyond these samples.

Seeds tell how a method's score moves when it is trained again.  They do not tell how it would move on other samples of
the same kind, and a test split of a hundred samples moves it by more.  With d(s, i) the paired difference of two
methods at seed s and sample i, a mean over the conditions, and D its mean over all S seeds and N samples,

    var(D) = var_i( mean_s d(s, i) ) / N  +  var_s( mean_i d(s, i) ) / S,

seeds and samples being drawn apart from each other; what both vary together is counted twice, so the margin is rather
too wide.  It is t times the root of it, with Satterthwaite's degrees of freedom.  Samples count as independent: where
several are of one person, it is rather too narrow.  (Miller, "Adding error bars to evals", 2024, and Bouthillier et
al., "Accounting for variance in machine learning benchmarks", MLSys 2021, tell why both are needed.)
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


def margin(first: Mapping[int, Scores], second: Mapping[int, Scores]) -> float | None:
    """Half the width of the 95 % interval of a paired difference, over seeds and samples.

    Args:
        first: seed -> sample -> score.
        second: seed -> sample -> score.

    Returns:
        None where there are no two seeds or two samples in common, or where the samples are not the same.
    """
    seeds = sorted(first.keys() & second.keys())
    if len(seeds) < 2:
        return None
    rows = first[seeds[0]].keys()
    if len(rows) < LEAST_SAMPLES or any(side[s].keys() != rows for side in (first, second) for s in seeds):
        return None
    d = np.array([[first[s][i] - second[s][i] for i in rows] for s in seeds])
    parts = np.array([d.mean(axis=0).var(ddof=1) / d.shape[1], d.mean(axis=1).var(ddof=1) / d.shape[0]])
    variance, freedom = parts.sum(), np.array([d.shape[1] - 1, d.shape[0] - 1])
    if variance == 0:
        return 0.0
    from scipy import stats  # comes with scikit-learn; half a second to import

    return float(stats.t.ppf((1 + LEVEL) / 2, variance**2 / (parts**2 / freedom).sum()) * np.sqrt(variance))
