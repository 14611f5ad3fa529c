"""How evenly a method copes with the missing patterns: the paper's claim (Fig. 1), made measurable.

For a pattern p, ``equity_p = (score_p - chance_p) / (bound_p - chance_p)`` is the part that the method has learnt of
what can be learnt from p.  Chance is the majority class (for real values the median of the training labels), the upper
bound a model trained for p alone.  1 everywhere is unbiased; the minimum shows the worst pattern, maximum minus minimum
how uneven the method is.  Equal scores are *not* unbiased: vision alone can do less than text alone, and a method that
makes text as bad as vision is even, but worse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.errors import DataError
from md2n.evaluation.metrics import known
from md2n.modality import Task

Array = npt.NDArray[Any]

LEAST_GAP = 0.01  # of the score, or of chance's error: nearer to chance an upper bound leaves nothing to learn


@dataclass(frozen=True)
class Equity:
    """Equity of one method.

    Args:
        per_pattern: pattern -> equity, where it is defined.
        undefined: patterns whose upper bound is within ``least_gap`` of chance, or below it.
    """

    per_pattern: Mapping[str, float]
    undefined: tuple[str, ...] = ()

    @property
    def minimum(self) -> float:
        """Equity of the worst pattern."""
        return min(self.per_pattern.values())

    @property
    def worst(self) -> str:
        """The worst-served pattern."""
        return min(self.per_pattern, key=lambda p: self.per_pattern[p])

    @property
    def range(self) -> float:
        """Maximum minus minimum; 0 is even."""
        return max(self.per_pattern.values()) - self.minimum


def equity(
    score: Mapping[str, float],
    chance: Mapping[str, float],
    bound: Mapping[str, float],
    *,
    higher_is_better: bool = True,
) -> Equity:
    """Equity per pattern, from one measure of the method, of chance and of the upper bound.

    Args:
        score: pattern -> value; the patterns to judge.
        chance: pattern -> value, at least for the same patterns.
        bound: pattern -> value, at least for the same patterns.
        higher_is_better: False for errors such as MAE.

    Raises:
        DataError: a pattern has no chance or no upper bound, or equity is defined for none.

    Example:
        >>> equity({"a": 0.75, "v": 0.5}, {"a": 0.5, "v": 0.5}, {"a": 1.0, "v": 0.75}).per_pattern
        {'a': 0.5, 'v': 0.0}
    """
    unmatched = [p for p in score if p not in chance or p not in bound]
    if unmatched:
        raise DataError(
            f"no chance or no upper bound for: {', '.join(unmatched)}", "evaluate both under the same protocol"
        )
    sign = 1 if higher_is_better else -1
    gaps = {p: sign * (bound[p] - chance[p]) for p in score}
    wide = [p for p in score if gaps[p] >= least_gap(chance[p], higher_is_better)]
    per_pattern = {p: sign * (score[p] - chance[p]) / gaps[p] for p in wide}
    if not per_pattern:
        raise DataError("no pattern's upper bound is above chance", "nothing can be learnt from these modalities alone")
    return Equity(per_pattern, tuple(p for p in score if p not in per_pattern))


def least_gap(chance: float, higher_is_better: bool) -> float:
    """The least difference of an upper bound from chance; of an error, which has a unit, a part of that of chance."""
    return LEAST_GAP if higher_is_better else LEAST_GAP * abs(chance)


def chance_output(task: Task, train_labels: Array) -> Array:
    """The answer from training labels alone: class frequencies ``[C]``, or the median ``[]``.

    For sentiment the median is moved to the side of the majority of the labels that are not zero.

    Raises:
        DataError: no label is known.
    """
    labels = train_labels[known(train_labels)]
    if not len(labels):
        raise DataError("no training label is known", "chance needs labels")
    if task.kind == "classification":
        return np.bincount(labels, minlength=len(task.classes)) / len(labels)
    middle = float(np.median(labels))
    side = float(np.sign((labels > 0).sum() - (labels < 0).sum()))
    if task.sentiment and side * middle <= 0:
        middle = side * float(np.finfo(np.float32).eps)
    return np.asarray(middle)


def chance_outputs(task: Task, train_labels: Array, count: int) -> Array:
    """``chance_output`` for ``count`` samples: ``[count]`` or ``[count, C]``, ready for ``metrics.measures``.

    Raises:
        DataError: no label is known.
    """
    one = chance_output(task, train_labels)
    return np.broadcast_to(one, (count, *one.shape))
