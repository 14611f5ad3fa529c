"""Measures of predictions, each with its convention in its name.  NumPy only.

Those of sentiment stand in ``sentiment``; those of classes and of real values are here, with which task has which.

A function given nothing to measure raises ``DataError``; ``measures`` leaves such a measure out of its answer, so a
number in a result is always a number.  Fractions are fractions (0..1); tables turn them into percent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.errors import DataError
from md2n.evaluation.pairs import f1, paired_classes, paired_values, require_varying
from md2n.evaluation.sentiment import (
    SENTIMENT_LIMIT,
    SIMS_LIMIT,
    acc2_nonnegative,
    acc2_nonpositive,
    acc2_nonzero,
    acc3_sims,
    acc5,
    acc5_sims,
    acc7,
    f1_weighted_nonnegative,
    f1_weighted_nonpositive,
    f1_weighted_nonzero,
)
from md2n.modality import Task

Array = npt.NDArray[Any]


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
    "acc2_nonpositive": Measure("ACC2, positive against non-positive (%)", percent=True, digits=1),
    "f1_weighted_nonpositive": Measure("weighted F1, positive against non-positive (%)", percent=True, digits=1),
    "acc7": Measure("ACC7 (%)", percent=True, digits=1),
    "acc5": Measure("ACC5, rounded in [-2, 2] (%)", percent=True, digits=1),
    "acc5_sims": Measure("ACC5, bins of CH-SIMS (%)", percent=True, digits=1),
    "acc3_sims": Measure("ACC3, bins of CH-SIMS (%)", percent=True, digits=1),
    "mae": Measure("MAE", higher_is_better=False),
    "pearson_r": Measure("Pearson r"),
    "r2": Measure("R²"),
    "accuracy": Measure("accuracy (%)", percent=True, digits=1),
    "macro_f1": Measure("macro F1 (%)", percent=True, digits=1),
    "weighted_f1": Measure("weighted F1 (%)", percent=True, digits=1),
    "balanced_accuracy": Measure("balanced accuracy (%)", percent=True, digits=1),
    "cross_entropy": Measure("cross-entropy (nats)", higher_is_better=False),
    "calibration_error": Measure("calibration error before (%)", higher_is_better=False, percent=True, digits=1),
    "calibration_error_after": Measure("calibration error (%)", higher_is_better=False, percent=True, digits=1),
    "cross_entropy_after": Measure("calibrated cross-entropy (nats)", higher_is_better=False),
    "accuracy_surest80": Measure("accuracy of the surest 80% (%)", percent=True, digits=1),
    "accuracy_surest50": Measure("accuracy of the surest 50% (%)", percent=True, digits=1),
    "risk_coverage_area": Measure("area under risk and coverage (%)", higher_is_better=False, percent=True, digits=1),
    "interval90_coverage": Measure("coverage of the 90% interval (%)", higher_is_better=None, percent=True, digits=1),
    "interval90_width": Measure("width of the 90% interval", higher_is_better=None),
    "recovery_r2": Measure("R² of recovered features"),
    "recovery_latent_r2": Measure("R² of recovered latents"),
    "recovery_energy": Measure("energy distance", higher_is_better=False),
    "recovery_crps": Measure("CRPS", higher_is_better=False),
    "recovery_coverage90": Measure("coverage of the 90% interval (%)", higher_is_better=None, percent=True, digits=1),
}

# Of ``md2n.evaluation.reliability``: how sure predictions say they are, and whether they should.
CERTAINTY_MEASURES = (
    "calibration_error",
    "calibration_error_after",
    "cross_entropy_after",
    "accuracy_surest80",
    "accuracy_surest50",
    "risk_coverage_area",
    "interval90_coverage",
    "interval90_width",
)


def primary(task: Task) -> str:
    """The measure a task is summarised by: ``accuracy``, ``acc2_nonzero`` (sentiment) or ``mae``."""
    if task.kind == "classification":
        return "accuracy"
    return "acc2_nonzero" if task.sentiment else "mae"


def mae(prediction: Array, label: Array) -> float:
    """Mean absolute error, in the label's unit; ``[N]`` each.

    Raises:
        DataError: lengths differ, a value is not a number, or there is no sample.
    """
    p, y = paired_values(prediction, label)
    return float(np.abs(p - y).mean())


def pearson_r(prediction: Array, label: Array) -> float:
    """Pearson's correlation; ``[N]`` each.  A constant prediction tells nothing of the label: 0 by definition.

    Raises:
        DataError: lengths differ, a value is not a number, there is no sample, or the labels do not vary.
    """
    p, y = paired_values(prediction, label)
    require_varying(y)
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
    p, y = paired_values(prediction, label)
    require_varying(y)
    return float(1 - np.sum((p - y) ** 2) / np.sum((y - y.mean()) ** 2))


def accuracy(probability: Array, code: Array) -> float:
    """Share of samples whose most probable class is the label; ties go to the lower code.

    Args:
        probability: ``[N, C]``, rows sum to 1.
        code: ``[N]`` class codes 0..C-1.

    Raises:
        DataError: shapes differ, a probability is none, a code is out of range, or there is no sample.
    """
    p, y = paired_classes(probability, code)
    return float(np.mean(p.argmax(axis=1) == y))


def macro_f1(probability: Array, code: Array) -> float:
    """F1 averaged over the classes that occur among labels or predictions; ``[N, C]`` and ``[N]``.

    Raises:
        DataError: as ``accuracy``.
    """
    p, y = paired_classes(probability, code)
    guess = p.argmax(axis=1)
    return float(np.mean([f1(guess == c, y == c) for c in np.union1d(guess, y)]))


def weighted_f1(probability: Array, code: Array) -> float:
    """F1 of the classes, weighted by how often each is the label; ``[N, C]`` and ``[N]``.

    Raises:
        DataError: as ``accuracy``.
    """
    p, y = paired_classes(probability, code)
    guess = p.argmax(axis=1)
    return float(sum(np.mean(y == c) * f1(guess == c, y == c) for c in np.unique(y)))


def balanced_accuracy(probability: Array, code: Array) -> float:
    """Recall averaged over the classes that occur among labels (unweighted average recall); ``[N, C]`` and ``[N]``.

    An answer that is always the majority scores one part in as many classes.

    Raises:
        DataError: as ``accuracy``.
    """
    p, y = paired_classes(probability, code)
    right = p.argmax(axis=1) == y
    return float(np.mean([right[y == c].mean() for c in np.unique(y)]))


def cross_entropy(probability: Array, code: Array) -> float:
    """Mean of ``-ln p(label)`` in nats, with p kept above the smallest normal float32; ``[N, C]`` and ``[N]``.

    Raises:
        DataError: as ``accuracy``.
    """
    p, y = paired_classes(probability, code)
    likelihood = p[np.arange(len(y)), y]
    return float(-np.log(np.maximum(likelihood, np.finfo(np.float32).tiny)).mean())


Score = Callable[[Array, Array], float]
CLASS_SCORES: dict[str, Score] = {
    "accuracy": accuracy,
    "macro_f1": macro_f1,
    "weighted_f1": weighted_f1,
    "balanced_accuracy": balanced_accuracy,
    "cross_entropy": cross_entropy,
}
VALUE_SCORES: dict[str, Score] = {"mae": mae, "pearson_r": pearson_r}
SENTIMENT_SCORES: dict[str, Score] = {
    "acc2_nonzero": acc2_nonzero,
    "acc2_nonnegative": acc2_nonnegative,
    "f1_weighted_nonzero": f1_weighted_nonzero,
    "f1_weighted_nonnegative": f1_weighted_nonnegative,
}


WIDE_SCORES: dict[str, Score] = {"acc7": acc7, "acc5": acc5}
SIMS_SCORES: dict[str, Score] = {
    "acc2_nonpositive": acc2_nonpositive,
    "f1_weighted_nonpositive": f1_weighted_nonpositive,
    "acc5_sims": acc5_sims,
    "acc3_sims": acc3_sims,
}


def scores_of(task: Task) -> dict[str, Score]:
    """The measures of a task, in the order tables show them.

    Classes: accuracy, macro and weighted F1, balanced accuracy, cross-entropy.  Real values: MAE, r and R².  Sentiment:
    ACC2 and weighted F1 in both conventions, MAE and r; ACC7 and ACC5 unless the declared range is narrower than
    [-3, 3]; CH-SIMS's measures where it is [-1, 1].
    """
    if task.kind == "classification":
        return CLASS_SCORES
    if not task.sentiment:
        return VALUE_SCORES | {"r2": r2}
    narrow = task.low > -SENTIMENT_LIMIT or task.high < SENTIMENT_LIMIT
    sims = (task.low, task.high) == (-SIMS_LIMIT, SIMS_LIMIT)
    return SENTIMENT_SCORES | (SIMS_SCORES if sims else {} if narrow else WIDE_SCORES) | VALUE_SCORES


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
    valid = known(labels)
    if not valid.any():
        return {}
    output, labels = output[valid], labels[valid]
    undefined = set()
    if task.kind == "regression":
        undefined |= {"acc2_nonzero", "f1_weighted_nonzero"} if not np.any(labels) else set()
        undefined |= {"pearson_r", "r2"} if np.ptp(labels) == 0 else set()
    return {name: score(output, labels) for name, score in scores_of(task).items() if name not in undefined}
