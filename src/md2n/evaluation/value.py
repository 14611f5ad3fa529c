"""What a modality is worth: by how much predictions are better with it than without it.

It is measured on the samples that have it, so where gaps are informative it is measured on a biased choice of them: a
modality that says nothing may seem to predict the label there, and the reverse.  ``weighted`` counts each sample by the
inverse of the probability that it has the modality (``md2n.data.propensity``): the worth over all samples.

With a = 0 or 1 and b likewise, fair and independent, b alone says nothing of y = a XOR b.  If b is there mostly where
a = 1, y is mostly NOT b among the samples that have b.  Each of these has its weight 1 / P(b is there | a), and under
these weights a is as often 0 as 1: b alone is worth nothing again.

The score is the share of right classes, or minus the absolute error of a real label.

After ICYM2I (arXiv 2505.16953), whose world of XOR this is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.data.propensity import effective_number
from md2n.evaluation.metrics import known
from md2n.modality import Task

if TYPE_CHECKING:
    from md2n.evaluation.evaluator import ConditionResult

Array = npt.NDArray[Any]
Weights = Mapping[str, tuple[Array, Array]]


@dataclass(frozen=True)
class Gain:
    """A mean difference of scores.

    Args:
        value: in shares of right answers, or in the label's unit; above 0 is better.
        error: its standard error over groups of samples; that of the weights themselves is not in it.
    """

    value: float
    error: float


@dataclass(frozen=True)
class ModalityValue:
    """What one modality is worth.

    Args:
        modality: its name.
        n: labelled samples that have it.
        effective: how many equally weighted ones tell as much as they do under their weights.
        alone: gain of predictions from it alone over the best constant, every sample alike.
        alone_weighted: the same over all samples, by weights.
        added: gain of it beside whatever else a sample has; None where no sample has anything else.
        added_weighted: likewise.
    """

    modality: str
    n: int
    effective: float
    alone: Gain
    alone_weighted: Gain
    added: Gain | None
    added_weighted: Gain | None

    __repr__ = brief


def gain(task: Task, before: Array | None, after: Array, labels: Array, weights: Array, groups: Array) -> Gain:
    """By how much the predictions ``after`` are better than those ``before``.

    Args:
        task: what is predicted.
        before: ``[N]`` values or ``[N, C]`` probabilities; None for the constant that is best for these samples.
        after: likewise.
        labels: ``[N]``, all known.
        weights: ``[N]``, not negative, one positive at least.
        groups: ``[N]`` who a sample is of; samples of one group are not independent.
    """
    first = _constant_scores(task, labels, weights) if before is None else _scores(task, before, labels)
    difference = _scores(task, after, labels) - first
    total = float(weights.sum())
    value = float(weights @ difference) / total
    members = np.unique(groups, return_inverse=True)[1].reshape(-1)
    sums = np.bincount(members, weights=weights * (difference - value))
    return Gain(value, float(np.sqrt(np.sum(sums**2))) / total)


def modality_values(
    task: Task, results: Mapping[str, Sequence["ConditionResult"]], rows: Array, groups: Array, weights: Weights
) -> list[ModalityValue]:
    """The worth of every modality that a labelled sample has.

    Args:
        task: what is predicted.
        results: modality -> predictions from it alone, from what else there is, and from the two together.
        rows: ``[N]`` row numbers of the data set, rising.
        groups: ``[N]`` who each sample is of.
        weights: modality -> ``[N]`` weights of the samples that have it, and of those that have another one, too.
    """
    values = []
    for name, (alone, without, both) in results.items():
        gains: list[Gain | None] = []
        for before, after, weight in ((None, alone, weights[name][0]), (without, both, weights[name][1])):
            labelled = known(after.labels)
            places = np.searchsorted(rows, after.rows[labelled])
            first = None if before is None else before.output[labelled]
            for each in (np.ones(len(rows)), weight):
                parts = (first, after.output[labelled], after.labels[labelled], each[places], groups[places])
                gains.append(gain(task, *parts) if len(places) else None)
        plain, weighted, *added = gains
        if plain is not None and weighted is not None:
            own = np.searchsorted(rows, alone.rows[known(alone.labels)])
            effective = effective_number(weights[name][0][own])
            values.append(ModalityValue(name, len(own), effective, plain, weighted, *added))
    return values


def _scores(task: Task, output: Array, labels: Array) -> Array:
    if task.kind == "classification":
        return np.asarray(output.argmax(axis=1) == labels, np.float64)
    return np.asarray(-np.abs(output.astype(np.float64) - labels))


def _constant_scores(task: Task, labels: Array, weights: Array) -> Array:
    """Scores of the one answer that is best for these samples."""
    if task.kind == "classification":
        return np.asarray(labels == np.bincount(labels, weights=weights).argmax(), np.float64)
    order = np.argsort(labels, kind="stable")
    middle = order[np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)]
    return np.asarray(-np.abs(labels.astype(np.float64) - labels[middle]))
