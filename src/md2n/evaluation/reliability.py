"""Whether predictions are as sure as they should be: calibration error, risk and coverage.  NumPy only.

Samples whose answers are equally sure are in no order: each of them counts as right as they are on average.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.evaluation.certainty import Certainty
from md2n.evaluation.metrics import cross_entropy, known
from md2n.evaluation.pairs import paired_classes, paired_values
from md2n.modality import Task

Array = npt.NDArray[Any]

BINS = 15
LEVEL = 90  # percent, of the interval that is measured


def calibration_error(probability: Array, code: Array) -> float:
    """Expected calibration error of the most probable class, over bins of equally many samples.

    Mean over ``BINS`` bins (as many as samples, if these are fewer) of how far the share of right answers lies from the
    mean probability, weighted by samples.  Above 0 also for perfect probabilities, by chance, the more the fewer the
    samples are: 0.10 for 225 of eight classes, 0.02 for 5,000 (probabilities drawn from a Dirichlet distribution of 0.3
    each).

    Args:
        probability: ``[N, C]``, rows sum to 1.
        code: ``[N]`` class codes 0..C-1.

    Raises:
        DataError: as ``md2n.evaluation.metrics.accuracy``.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (Eq. 3); Nixon et al., Measuring Calibration in Deep
    Learning, 2019 (equal mass).
    """
    sure, right = _surest_first(probability, code)
    bins = np.array_split(np.arange(len(sure)), min(BINS, len(sure)))
    return float(sum(abs(right[b].sum() - sure[b].sum()) for b in bins) / len(sure))


def accuracy_of_surest(probability: Array, code: Array, share: float) -> float:
    """Accuracy of the surest samples, those of the highest top probability; ``[N, C]`` and ``[N]``.

    Args:
        probability: ``[N, C]``, rows sum to 1.
        code: ``[N]`` class codes 0..C-1.
        share: of the samples that are answered, in (0, 1]; one sample at least.

    Raises:
        DataError: as ``md2n.evaluation.metrics.accuracy``.
    """
    _, right = _surest_first(probability, code)
    return float(right[: max(1, round(share * len(right)))].mean())


def risk_coverage_area(probability: Array, code: Array) -> float:
    """Area under the risk-coverage curve: the error of the k surest samples, averaged over k = 1 .. N.

    Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, NeurIPS 2017.  It is the error of all where
    how sure an answer is says nothing of whether it is right.

    Raises:
        DataError: as ``md2n.evaluation.metrics.accuracy``.
    """
    _, right = _surest_first(probability, code)
    return float((1 - np.cumsum(right) / np.arange(1, len(right) + 1)).mean())


def certainty_measures(
    task: Task, output: Array, labels: Array, number: npt.NDArray[np.int64], certainty: Certainty | None
) -> dict[str, float]:
    """What can be said of the certainty of predictions under one condition.

    Args:
        task: what is predicted.
        output: ``[N]`` values or ``[N, C]`` probabilities, as the method gives them.
        labels: ``[N]``; unknown ones (NaN, -1) are dropped with their predictions.
        number: ``[N]`` of given modalities.
        certainty: of the model; None where it is not calibrated.

    Returns:
        name -> value.  Classes: the calibration error as the method answers; where calibrated, that and the
        cross-entropy after it; accuracy of the surest and the area, of the probabilities that leave.  Real labels,
        where calibrated: coverage and mean width of the 90% interval.  Empty where no label is known.

    Raises:
        DataError: as ``md2n.evaluation.metrics.measures``.
    """
    valid = known(labels)
    if not valid.any():
        return {}
    output, labels, number = output[valid], labels[valid], number[valid]
    if task.kind == "regression":
        if certainty is None:
            return {}
        low, high = certainty.interval(LEVEL, paired_values(output, labels)[0], number).T
        inside = (low <= labels) & (labels <= high)
        return {"interval90_coverage": float(inside.mean()), "interval90_width": float((high - low).mean())}
    values = {"calibration_error": calibration_error(output, labels)}
    if certainty is not None:
        output = certainty.probabilities(output, number)
        values |= {
            "calibration_error_after": calibration_error(output, labels),
            "cross_entropy_after": cross_entropy(output, labels),
        }
    return values | {
        "accuracy_surest80": accuracy_of_surest(output, labels, 0.8),
        "accuracy_surest50": accuracy_of_surest(output, labels, 0.5),
        "risk_coverage_area": risk_coverage_area(output, labels),
    }


def _surest_first(probability: Array, code: Array) -> tuple[Array, Array]:
    """``[N]`` top probabilities, falling; ``[N]`` share of right answers among those that are as sure."""
    p, y = paired_classes(probability, code)
    right = (p.argmax(axis=1) == y).astype(np.float64)
    _, place, counts = np.unique(-p.max(axis=1), return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    shared = np.bincount(place, weights=right) / counts
    order = np.argsort(place, kind="stable")
    return p.max(axis=1)[order], shared[place[order]]
