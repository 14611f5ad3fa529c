"""Measures of sentiment: real values whose sign carries the meaning and whose zero is neutral.  NumPy only.

With p the prediction and y the label, in [-3, 3]:

    acc2_nonzero       (p > 0) = (y > 0)     over samples with y != 0
    acc2_nonnegative   (p >= 0) = (y >= 0)   over all samples
    f1_weighted_*      F1 of the two sides, weighted by how often each is the label; same conventions
    acc7               round(clip(p)) = round(clip(y)), clipped to [-3, 3], halves rounded to even, all samples
    acc5               the same, clipped to [-2, 2]

Sentiment in [-1, 1] (CH-SIMS) has the measures of its papers instead of ``acc7`` and ``acc5``; both sides are clipped
to [-1, 1] first, and an edge belongs to the bin below it:

    acc2_nonpositive   (p > 0) = (y > 0)     over all samples: zero counts as negative
    acc3_sims          same bin of (.., -0.1], (-0.1, 0.1], (0.1, ..)
    acc5_sims          same bin of (.., -0.7], (-0.7, -0.1], (-0.1, 0.1], (0.1, 0.7], (0.7, ..)
"""

import numpy as np

from md2n.errors import DataError
from md2n.evaluation.pairs import Array, f1, paired_values

SENTIMENT_LIMIT = 3.0  # ACC7 counts the seven whole numbers from -3 to 3
ACC5_LIMIT = 2.0  # and ACC5 the five from -2 to 2
SIMS_LIMIT = 1.0
THREE_BINS, FIVE_BINS = (-0.1, 0.1), (-0.7, -0.1, 0.1, 0.7)


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
    p, y = paired_values(prediction, label)
    return float(np.mean((p >= 0) == (y >= 0)))


def f1_weighted_nonzero(prediction: Array, label: Array) -> float:
    """F1 of negative and of positive, weighted by their counts among the labels; zero labels left out; ``[N]`` each.

    Raises:
        DataError: as ``acc2_nonzero``.
    """
    p, y = _signed(prediction, label)
    return _sides_f1(p > 0, y > 0)


def f1_weighted_nonnegative(prediction: Array, label: Array) -> float:
    """F1 of negative and of non-negative, weighted by their counts among the labels; all samples; ``[N]`` each.

    Raises:
        DataError: as ``acc2_nonnegative``.
    """
    p, y = paired_values(prediction, label)
    return _sides_f1(p >= 0, y >= 0)


def acc2_nonpositive(prediction: Array, label: Array) -> float:
    """Positive against non-positive, all samples, as CH-SIMS has it: zero counts as negative; ``[N]`` each.

    Raises:
        DataError: lengths differ, a value is not a number, or there is no sample.
    """
    p, y = paired_values(prediction, label)
    return float(np.mean((p > 0) == (y > 0)))


def f1_weighted_nonpositive(prediction: Array, label: Array) -> float:
    """F1 of positive and of non-positive, weighted by their counts among the labels; all samples; ``[N]`` each.

    MMSA's code weights by the counts among the predictions.

    Raises:
        DataError: as ``acc2_nonpositive``.
    """
    p, y = paired_values(prediction, label)
    return _sides_f1(p > 0, y > 0)


def acc7(prediction: Array, label: Array) -> float:
    """Share of samples whose value, clipped to [-3, 3] and rounded (halves to even), is the label's; ``[N]`` each.

    Raises:
        DataError: lengths differ, a value is not a number, or there is no sample.
    """
    return _same_rounded(prediction, label, SENTIMENT_LIMIT)


def acc5(prediction: Array, label: Array) -> float:
    """Share of samples whose value, clipped to [-2, 2] and rounded (halves to even), is the label's; ``[N]`` each.

    Zero is a class of its own.

    Raises:
        DataError: as ``acc7``.
    """
    return _same_rounded(prediction, label, ACC5_LIMIT)


def acc3_sims(prediction: Array, label: Array) -> float:
    """Share of samples in the label's bin: to -0.1, to 0.1 (neutral, with zero), above; ``[N]`` each.

    Raises:
        DataError: as ``acc7``.
    """
    return _same_bin(prediction, label, THREE_BINS)


def acc5_sims(prediction: Array, label: Array) -> float:
    """Share of samples in the label's bin: to -0.7, to -0.1, to 0.1 (neutral, with zero), to 0.7, above; ``[N]`` each.

    Raises:
        DataError: as ``acc7``.
    """
    return _same_bin(prediction, label, FIVE_BINS)


def _same_rounded(prediction: Array, label: Array, limit: float) -> float:
    p, y = (np.round(np.clip(v, -limit, limit)) for v in paired_values(prediction, label))
    return float(np.mean(p == y))


def _same_bin(prediction: Array, label: Array, edges: tuple[float, ...]) -> float:
    # In float32, as labels are stored: 0.1 is the edge then, not a little more than it.
    p, y = (np.clip(v, -SIMS_LIMIT, SIMS_LIMIT).astype(np.float32) for v in paired_values(prediction, label))
    bins = np.asarray(edges, np.float32)
    return float(np.mean(np.digitize(p, bins, right=True) == np.digitize(y, bins, right=True)))


def _signed(prediction: Array, label: Array) -> tuple[Array, Array]:
    p, y = paired_values(prediction, label)
    keep = y != 0
    if not keep.any():
        raise DataError("every label is zero: no side to tell", "ACC2 without zeros needs a label that is not zero")
    return p[keep], y[keep]


def _sides_f1(guess: Array, truth: Array) -> float:
    share = float(np.mean(truth))
    return share * f1(guess, truth) + (1 - share) * f1(~guess, ~truth)
