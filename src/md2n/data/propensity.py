"""Inverse-probability weights: samples that have something, weighted to stand for those that lack it.

Where a modality is missing depends on the sample, those that have it are a biased choice.  A sample that has it with
probability p counts 1 / p.  That is right under two conditions: given what every sample has, gaps are random (nothing
unseen decides them), and no kind of sample always lacks it.  The first cannot be tested; the second is looked at
(``GapWeights.notes``).  Labels have no part in p: in use they are not known.

p is a logistic regression on the means over time of the modalities that (nearly) every sample has, fitted to the
samples of other people.  It counts only where it is surely better than the same p for all: gaps that are completely
random give constant weights.

Stabilised weights: Robins, Hernan, Brumback: Marginal structural models. Epidemiology 11(5), 2000.  For multimodal
data: ICYM2I, arXiv 2505.16953.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.brief import brief

Array = npt.NDArray[Any]
Flags = npt.NDArray[np.bool_]

MOST = 10.0  # a weight is cut here; the mean is one
FOLDS = 5
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # C of the logistic regression
SURE = 2.0  # standard errors by which its log loss must be lower than that of one p for all
UNLIKE = 0.05  # share of the samples that lack something which may be unlike all that have it


@dataclass(frozen=True, eq=False)
class GapWeights:
    """Weights of the samples that have something.

    Args:
        weights: ``[N]``; mean one over the samples that have it, zero for the others.
        clipped: how many weights were cut at ``MOST``.
        uncovered: how many samples lack it whose own weight would be beyond ``MOST``: nothing can stand for them.
        without: how many samples lack it.
    """

    weights: npt.NDArray[np.float64]
    clipped: int = 0
    uncovered: int = 0
    without: int = 0

    __repr__ = brief

    @property
    def effective(self) -> float:
        """Kish's number of equally weighted samples that tell as much."""
        return effective_number(self.weights)

    @property
    def uneven(self) -> bool:
        """Whether some samples count more than others."""
        return len(np.unique(self.weights[self.weights > 0])) > 1

    def notes(self, what: str) -> tuple[str, ...]:
        """What a person should know of them, a sentence each.

        Args:
            what: the samples that are weighted, such as ``samples with 'voice'``.
        """
        notes = []
        if self.clipped:
            notes.append(f"weights of {self.clipped} {what} were clipped at {MOST:g} times the mean")
        if self.uncovered > UNLIKE * max(1, self.without):
            notes.append(
                f"{self.uncovered} of the {self.without} samples that lack it are unlike all {what}: no weights can "
                "make these stand for them"
            )
        return tuple(notes)


def effective_number(weights: Array) -> float:
    """``(sum w)^2 / sum w^2``; 0 without any weight.

    >>> effective_number(np.array([1.0, 1.0, 0.0])), round(effective_number(np.array([3.0, 1.0])), 2)
    (2.0, 1.6)
    """
    squares = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / squares if squares else 0.0


def gap_weights(inputs: Array, held: Flags, groups: Array, seed: int = 0) -> GapWeights:
    """Weights of the samples that hold something, made from what every sample has.

    Args:
        inputs: ``[N, p]`` numbers that every sample has; p may be 0.
        held: ``[N]``; True where a sample has it.
        groups: ``[N]`` who each sample is of: p of a sample is fitted to those of others.
        seed: of the folds.
    """
    count = int(held.sum())
    plain = GapWeights(held.astype(np.float64), without=len(held) - count)
    if count in (0, len(held)) or not inputs.shape[1]:
        return plain
    probability = _probability(np.asarray(inputs, np.float64), held, np.unique(groups, return_inverse=True)[1], seed)
    if probability is None:
        return plain
    ratio = held.mean() / np.maximum(probability, np.finfo(np.float64).tiny)
    weights = np.where(held, np.minimum(ratio, MOST), 0.0)
    return GapWeights(
        weights * count / weights.sum(),
        int((ratio > MOST)[held].sum()),
        int((ratio > MOST)[~held].sum()),
        len(held) - count,
    )


def weighted_order(weights: Array, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """``[N]`` positions, each as often as its weight says, in random order.

    Position i is there ``floor`` or ``ceil`` of N w_i / sum(w) times, and so often on average (systematic sampling).

    Args:
        weights: ``[N]``, not negative, one positive at least.
        rng: of the draw and the order.
    """
    ends = np.cumsum(weights) * (len(weights) / np.sum(weights))
    places = np.searchsorted(ends, np.arange(len(weights)) + rng.random(), side="right")
    return np.asarray(rng.permutation(np.minimum(places, len(weights) - 1)), np.int64)


def _probability(inputs: Array, held: Flags, groups: Array, seed: int) -> Array | None:
    """``[N]`` probability of having it, by a model that has not seen a sample's group; None where one p is as good."""
    splits = list(_splits(held, groups, seed))
    if not splits or not all(0 < held[train].mean() < 1 for train, _ in splits):
        return None
    constant = np.empty(len(held))
    for train, test in splits:
        constant[test] = held[train].mean()
    best, gain = None, 0.0
    for strength in STRENGTHS:
        trial = _cross_fitted(inputs, held, splits, strength)
        better = _log_loss(constant, held) - _log_loss(trial, held)
        if better.mean() > gain and better.mean() > SURE * _standard_error(better, groups):
            best, gain = trial, float(better.mean())
    return best


def _splits(held: Flags, groups: Array, seed: int) -> Iterator[tuple[Array, Array]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    number = len(np.unique(groups))
    folds = min(FOLDS, number, int(held.sum()), int((~held).sum()))
    if folds < 2:
        return
    if number == len(groups):
        yield from StratifiedKFold(folds, shuffle=True, random_state=seed).split(held, held)
    else:
        yield from StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(held, held, groups)


def _cross_fitted(inputs: Array, held: Flags, splits: list[tuple[Array, Array]], strength: float) -> Array:
    from sklearn.linear_model import LogisticRegression

    probability = np.empty(len(held))
    for train, test in splits:
        spread = inputs[train].std(axis=0)
        unit = (inputs - inputs[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        model = LogisticRegression(C=strength, max_iter=1000).fit(unit[train], held[train])
        probability[test] = model.predict_proba(unit[test])[:, 1]
    return probability


def _log_loss(probability: Array, held: Flags) -> Array:
    return np.asarray(-np.log(np.clip(np.where(held, probability, 1 - probability), 1e-12, 1.0)))


def _standard_error(values: Array, groups: Array) -> float:
    """Of the mean of values that come in groups."""
    sums = np.bincount(groups, weights=values - values.mean())
    return float(np.sqrt(np.sum(sums**2)) / len(values))
