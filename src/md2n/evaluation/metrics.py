"""Measures of predictions, each with its convention in its name.  NumPy only.

Sentiment (labels in [-3, 3], zero is neutral), with p the prediction and y the label:

    acc2_nonzero       (p > 0) = (y > 0)     over samples with y != 0
    acc2_nonnegative   (p >= 0) = (y >= 0)   over all samples
    f1_weighted_*      F1 of the two sides, weighted by how often each is the label; same two conventions
    acc7               round(clip(p)) = round(clip(y)), clipped to [-3, 3], halves rounded to even, all samples

A function given nothing to measure raises ``DataError``; ``measures`` leaves such a measure out of its answer, so a
number in a result is always a number.  Fractions are fractions (0..1); tables turn them into percent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.errors import DataError
from md2n.modality import Task

Array = npt.NDArray[Any]

SENTIMENT_LIMIT = 3.0  # ACC7 counts the seven whole numbers from -3 to 3


@dataclass(frozen=True)
class Measure:
    """What a table or figure has to know of a measure.

    Args:
        title: as written in a table's head.
        higher_is_better: None where neither end is best (coverage).
        percent: shown times 100.
        digits: decimals shown.
    """

    title: str
    higher_is_better: bool | None = True
    percent: bool = False
    digits: int = 3


MEASURES: dict[str, Measure] = {
    "acc2_nonzero": Measure("ACC2, zero labels left out (%)", percent=True, digits=1),
    "acc2_nonnegative": Measure("ACC2, negative against non-negative (%)", percent=True, digits=1),
    "f1_weighted_nonzero": Measure("weighted F1, zero labels left out (%)", percent=True, digits=1),
    "f1_weighted_nonnegative": Measure("weighted F1, negative against non-negative (%)", percent=True, digits=1),
    "acc7": Measure("ACC7 (%)", percent=True, digits=1),
    "mae": Measure("MAE", higher_is_better=False),
    "pearson_r": Measure("Pearson r"),
    "r2": Measure("R²"),
    "accuracy": Measure("accuracy (%)", percent=True, digits=1),
    "macro_f1": Measure("macro F1 (%)", percent=True, digits=1),
    "cross_entropy": Measure("cross-entropy (nats)", higher_is_better=False),
    "recovery_r2": Measure("R² of recovered features"),
    "recovery_latent_r2": Measure("R² of recovered latents"),
    "recovery_energy": Measure("energy distance", higher_is_better=False),
    "recovery_crps": Measure("CRPS", higher_is_better=False),
    "recovery_coverage90": Measure("coverage of the 90% interval (%)", higher_is_better=None, percent=True, digits=1),
}


def primary(task: Task) -> str:
    """The measure a task is summarised by: ``accuracy``, ``acc2_nonzero`` (sentiment) or ``mae``."""
    if task.kind == "classification":
        return "accuracy"
    return "acc2_nonzero" if task.sentiment else "mae"


def acc2_nonzero(prediction: Array, label: Array) -> float:
    """Negative against positive, samples labelled zero left out; positive iff the prediction is > 0.

    Args:
        prediction: ``[N]`` real values.
        label: ``[N]`` real values.

    Raises:
        DataError: lengths differ, a value is not a number, or every label is zero.
    """
    p, y = _signed(prediction, label)
    return float(np.mean((p > 0) == (y > 0)))


def acc2_nonnegative(prediction: Array, label: Array) -> float:
    """Negative against non-negative, all samples; ``[N]`` each.

    Raises:
        DataError: lengths differ, a value is not a number, or there is no sample.
    """
    p, y = _values(prediction, label)
    return float(np.mean((p >= 0) == (y >= 0)))


def f1_weighted_nonzero(prediction: Array, label: Array) -> float:
    """F1 of negative and of positive, weighted by their counts among the labels; zero labels left out; ``[N]`` each.

    Raises:
        DataError: as ``acc2_nonzero``.
    """
    p, y = _signed(prediction, label)
    return _weighted_f1(p > 0, y > 0)


def f1_weighted_nonnegative(prediction: Array, label: Array) -> float:
    """F1 of negative and of non-negative, weighted by their counts among the labels; all samples; ``[N]`` each.

    Raises:
        DataError: as ``acc2_nonnegative``.
    """
    p, y = _values(prediction, label)
    return _weighted_f1(p >= 0, y >= 0)


def acc7(prediction: Array, label: Array) -> float:
    """Share of samples whose value, clipped to [-3, 3] and rounded (halves to even), is the label's; ``[N]`` each.

    Raises:
        DataError: lengths differ, a value is not a number, or there is no sample.
    """
    p, y = _values(prediction, label)
    rounded = [np.round(np.clip(v, -SENTIMENT_LIMIT, SENTIMENT_LIMIT)) for v in (p, y)]
    return float(np.mean(rounded[0] == rounded[1]))


def mae(prediction: Array, label: Array) -> float:
    """Mean absolute error, in the label's unit; ``[N]`` each.

    Raises:
        DataError: lengths differ, a value is not a number, or there is no sample.
    """
    p, y = _values(prediction, label)
    return float(np.abs(p - y).mean())


def pearson_r(prediction: Array, label: Array) -> float:
    """Pearson's correlation; ``[N]`` each.  A constant prediction tells nothing of the label: 0 by definition.

    Raises:
        DataError: lengths differ, a value is not a number, there is no sample, or the labels do not vary.
    """
    p, y = _values(prediction, label)
    _varying(y)
    if np.ptp(p) == 0:
        return 0.0
    p, y = p - p.mean(), y - y.mean()
    # The norms are taken apart: their squares may leave the range of a float where the ratio does not.
    return float(np.clip((p / np.linalg.norm(p)) @ (y / np.linalg.norm(y)), -1, 1))


def r2(prediction: Array, label: Array) -> float:
    """``1 - SSE / SST`` around the mean of these labels; ``[N]`` each.  Their mean scores 0, the labels themselves 1.

    Raises:
        DataError: as ``pearson_r``.
    """
    p, y = _values(prediction, label)
    _varying(y)
    return float(1 - np.sum((p - y) ** 2) / np.sum((y - y.mean()) ** 2))


def accuracy(probability: Array, code: Array) -> float:
    """Share of samples whose most probable class is the label; ties go to the lower code.

    Args:
        probability: ``[N, C]``, rows sum to 1.
        code: ``[N]`` class codes 0..C-1.

    Raises:
        DataError: shapes differ, a probability is none, a code is out of range, or there is no sample.
    """
    p, y = _classes(probability, code)
    return float(np.mean(p.argmax(axis=1) == y))


def macro_f1(probability: Array, code: Array) -> float:
    """F1 averaged over the classes that occur among labels or predictions; ``[N, C]`` and ``[N]``.

    Raises:
        DataError: as ``accuracy``.
    """
    p, y = _classes(probability, code)
    guess = p.argmax(axis=1)
    return float(np.mean([_f1(guess == c, y == c) for c in np.union1d(guess, y)]))


def cross_entropy(probability: Array, code: Array) -> float:
    """Mean of ``-ln p(label)`` in nats, with p kept above the smallest normal float32; ``[N, C]`` and ``[N]``.

    Raises:
        DataError: as ``accuracy``.
    """
    p, y = _classes(probability, code)
    told = p[np.arange(len(y)), y]
    return float(-np.log(np.maximum(told, np.finfo(np.float32).tiny)).mean())


Score = Callable[[Array, Array], float]
CLASS_SCORES: dict[str, Score] = {"accuracy": accuracy, "macro_f1": macro_f1, "cross_entropy": cross_entropy}
VALUE_SCORES: dict[str, Score] = {"mae": mae, "pearson_r": pearson_r}
SENTIMENT_SCORES: dict[str, Score] = {
    "acc2_nonzero": acc2_nonzero,
    "acc2_nonnegative": acc2_nonnegative,
    "f1_weighted_nonzero": f1_weighted_nonzero,
    "f1_weighted_nonnegative": f1_weighted_nonnegative,
}


def scores_of(task: Task) -> dict[str, Score]:
    """The measures of a task, in the order tables show them.

    Classes: accuracy, macro F1, cross-entropy.  Real values: MAE, r and R².  Sentiment: ACC2 and weighted F1 in both
    conventions, ACC7 (left out where the declared range is narrower than [-3, 3], as in CH-SIMS), MAE and r.
    """
    if task.kind == "classification":
        return CLASS_SCORES
    if not task.sentiment:
        return VALUE_SCORES | {"r2": r2}
    narrow = task.low > -SENTIMENT_LIMIT or task.high < SENTIMENT_LIMIT
    return SENTIMENT_SCORES | ({} if narrow else {"acc7": acc7}) | VALUE_SCORES


def known(labels: Array) -> npt.NDArray[np.bool_]:
    """``[N]``; True where a label is known (not NaN; not -1 for classes)."""
    if np.issubdtype(labels.dtype, np.floating):
        return ~np.isnan(labels)
    return np.asarray(labels >= 0)


def measures(task: Task, output: Array, labels: Array) -> dict[str, float]:
    """Every measure of the task that is defined for these samples.

    Args:
        task: what is predicted.
        output: ``[N]`` values, or ``[N, C]`` probabilities.
        labels: ``[N]``; unknown ones (NaN, -1) are dropped with their predictions.

    Returns:
        name -> value.  Left out: everything where no label is known; ACC2 and F1 without zeros where every label is
        zero; r and R² where the labels do not vary.

    Raises:
        DataError: shapes do not fit the task, or a prediction is not a number.

    Example:
        >>> measures(Task("regression"), np.array([1.0, 2.0]), np.array([1.0, np.nan]))
        {'mae': 0.0}
    """
    if len(output) != len(labels):
        raise DataError(f"{len(output)} predictions for {len(labels)} labels", "give one prediction per sample")
    told = known(labels)
    if not told.any():
        return {}
    output, labels = output[told], labels[told]
    undefined = set()
    if task.kind == "regression":
        undefined |= {"acc2_nonzero", "f1_weighted_nonzero"} if not np.any(labels) else set()
        undefined |= {"pearson_r", "r2"} if np.ptp(labels) == 0 else set()
    return {name: score(output, labels) for name, score in scores_of(task).items() if name not in undefined}


def _values(prediction: Array, label: Array) -> tuple[Array, Array]:
    p, y = np.asarray(prediction, np.float64), np.asarray(label, np.float64)
    if p.ndim != 1 or p.shape != y.shape:
        raise DataError(f"predictions have shape {p.shape}, labels {y.shape}", "both must be [N]")
    if not len(p):
        raise DataError("there is no sample to measure", "give at least one sample with a known label")
    for what, v in (("predictions", p), ("labels", y)):
        wrong = int((~np.isfinite(v)).sum())
        if wrong:
            raise DataError(f"{wrong} of {len(v)} {what} are not finite numbers", "drop or mend them before measuring")
    return p, y


def _signed(prediction: Array, label: Array) -> tuple[Array, Array]:
    p, y = _values(prediction, label)
    keep = y != 0
    if not keep.any():
        raise DataError("every label is zero: no side to tell", "ACC2 without zeros needs a label that is not zero")
    return p[keep], y[keep]


def _varying(label: Array) -> None:
    if np.ptp(label) == 0:
        raise DataError(f"all {len(label)} labels are {label[0]:g}", "r and R² need labels that vary")


def _classes(probability: Array, code: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    p, y = np.asarray(probability, np.float64), np.asarray(code)
    if p.ndim != 2 or y.shape != p.shape[:1]:
        raise DataError(f"probabilities have shape {p.shape}, labels {y.shape}", "they must be [N, C] and [N]")
    if not len(p):
        raise DataError("there is no sample to measure", "give at least one sample with a known label")
    if not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.max() >= p.shape[1]:
        raise DataError(f"labels are not codes 0..{p.shape[1] - 1}", "give whole numbers, one per class")
    if not np.isfinite(p).all() or p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
        raise DataError("the outputs are not probabilities", "every row must be >= 0 and sum to 1")
    return p, y.astype(np.int64)


def _f1(guess: Array, truth: Array) -> float:
    hits, total = np.sum(guess & truth), np.sum(guess) + np.sum(truth)
    return float(2 * hits / total) if total else 0.0


def _weighted_f1(guess: Array, truth: Array) -> float:
    share = float(np.mean(truth))
    return share * _f1(guess, truth) + (1 - share) * _f1(~guess, ~truth)
