"""Predictions beside labels: what every measure makes sure of before it counts.  NumPy only."""

from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.errors import DataError

Array = npt.NDArray[Any]


def paired_values(prediction: Array, label: Array) -> tuple[Array, Array]:
    """Both as ``[N]`` float64.

    Raises:
        DataError: another shape, no sample, or a value that is not finite.
    """
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


def require_varying(label: Array) -> None:
    """Refuses labels ``[N]`` that are all the same.

    Raises:
        DataError: they do not vary.
    """
    if np.ptp(label) == 0:
        raise DataError(f"all {len(label)} labels are {label[0]:g}", "r and R² need labels that vary")


def paired_classes(probability: Array, code: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """``[N, C]`` float64 probabilities and ``[N]`` int64 codes.

    Raises:
        DataError: shapes differ, a probability is none, a code is out of range, or there is no sample.
    """
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


def f1(guess: Array, truth: Array) -> float:
    """F1 of ``[N]`` bools; 0 where neither is ever true."""
    hits, total = np.sum(guess & truth), np.sum(guess) + np.sum(truth)
    return float(2 * hits / total) if total else 0.0
