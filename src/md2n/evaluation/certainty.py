r"""How sure predictions may be, by number of given modalities, learned from the predictions of held-out samples.

Classes have one temperature T per number: probabilities become ``p^(1/T)``, divided by their sum, so that the most
probable class stays the same.  T has the least mean log loss over the n rows of that number and PRIOR rows more, whose
labels are drawn from the probabilities as the T of all numbers together makes them (that T itself: as they come).  So
few rows change little, and where nothing can be learned T is 1.  Guo et al., On Calibration of Modern Neural Networks,
ICML 2017.

Real labels have the half-widths of intervals around the prediction: the ``ceil((n + 1) level)``-th smallest of the n
absolute errors (split conformal prediction; Lei et al., Distribution-Free Predictive Inference for Regression, JASA
2018).  An interval holds the label of a new sample with at least its level's probability, if that sample is
exchangeable with the held-out ones.  Samples of other people or videos, or of other recordings, are not.  Nor are the
held-out ones altogether: the weights were chosen on them.

The number of given modalities stands for their set: there are M of the one and 2^M of the other.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt

from md2n.errors import DataError
from md2n.evaluation.pairs import paired_classes, paired_values
from md2n.modality import Task

Array = npt.NDArray[Any]
Whole = npt.NDArray[np.int64]

LEVELS = (50, 80, 90)  # percent of labels inside
PRIOR = 20  # rows
LEAST = 9  # rows with which the rank of the highest level exists: ceil(10 * 0.9) = 9
SHARPEST = 50.0  # 1/T lies between this and its inverse
HALVINGS = 60  # of that range, after which it has no digit left
FLAT = 1e-9  # nats between the ends of that range, below which no T differs from another
TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Certainty:
    """What makes predictions of one model say how sure they are.

    Args:
        temperatures: T for 1 .. M given modalities; empty for real labels.
        half_widths: for each of ``LEVELS`` the half-width for 1 .. M given modalities, in the label's unit; empty for
            classes.
    """

    temperatures: tuple[Annotated[float, Gt(0)], ...] = ()
    half_widths: tuple[tuple[Annotated[float, Ge(0)], ...], ...] = ()

    def check(self, modalities: int, task: Task) -> None:
        """Refuses to serve a model of another kind.

        Raises:
            DataError: other numbers than one for each number of given modalities, or for another kind of label.
        """
        classes = task.kind == "classification"
        counts = [len(row) for row in self.half_widths]
        expected = ([modalities], []) if classes else ([0], [modalities] * len(LEVELS))
        if ([len(self.temperatures)], counts) != expected:
            raise DataError(
                f"the certainty of predictions does not fit a {task.kind} of {modalities} modalities",
                "restore the file, or train again",
            )

    def probabilities(self, output: Array, number: Whole) -> npt.NDArray[np.float64]:
        """``[N, C]`` calibrated probabilities; in float64, where no two classes that differ become equal.

        Args:
            output: ``[N, C]`` probabilities.
            number: ``[N]`` of given modalities, 1 .. M.
        """
        sharpness = 1 / np.asarray(self.temperatures)[number - 1]
        return _softmax(sharpness[:, None] * _logarithm(output))

    def interval(self, level: int, output: Array, number: Whole) -> Array:
        """``[N, 2]`` ends of the interval of a level (percent, one of ``LEVELS``), in the precision of ``output``.

        Args:
            level: one of ``LEVELS``.
            output: ``[N]`` values.
            number: ``[N]`` of given modalities, 1 .. M.
        """
        half = np.asarray(self.half_widths[LEVELS.index(level)])[number - 1]
        middle = output.astype(np.float64)
        return np.stack([middle - half, middle + half], axis=1).astype(output.dtype)


def fit_certainty(task: Task, modalities: int, output: Array, labels: Array, number: Whole) -> Certainty | None:
    """The certainty that predictions of held-out samples teach.

    Args:
        task: what is predicted.
        modalities: M.
        output: ``[R]`` values or ``[R, C]`` probabilities; a sample may come once for each number of modalities.
        labels: ``[R]``, all known.
        number: ``[R]`` of given modalities, 1 .. M.

    Returns:
        None for real labels with fewer than ``LEAST`` rows.  A number with fewer rows than that has the half-widths of
        all numbers together.

    Raises:
        DataError: a prediction is no number, or no probability.
    """
    numbers = range(1, modalities + 1)
    if task.kind == "classification":
        p, codes = paired_classes(output, labels)
        logs = _logarithm(p)
        common = _sharpness(logs, codes, 1.0)
        own = [_sharpness(logs[number == g], codes[number == g], common) for g in numbers]
        return Certainty(temperatures=tuple(1 / s for s in own))
    p, y = paired_values(output, labels)
    errors = np.abs(p - y)
    if len(errors) < LEAST:
        return None
    parts = [errors[number == g] for g in numbers]
    parts = [np.sort(part if len(part) >= LEAST else errors) for part in parts]
    # Whole numbers: (n + 1) 0.9 in floats may come out above the rank that it is.
    ranks = {level: [-(-(len(part) + 1) * level // 100) for part in parts] for level in LEVELS}
    return Certainty(
        half_widths=tuple(tuple(float(part[k - 1]) for part, k in zip(parts, ranks[level])) for level in LEVELS)
    )


def _sharpness(logs: Array, codes: Whole, before: float) -> float:
    """1/T of least loss over these rows and PRIOR more with labels drawn at the sharpness ``before``.

    The loss is convex in 1/T, and its derivative is what the probabilities expect of ln p less the mean of ln p(label).
    """
    n = len(codes)

    def expected(sharpness: float) -> float:
        return float((_softmax(sharpness * logs) * logs).sum(axis=1).mean())

    low, high = 1 / SHARPEST, SHARPEST
    if not n or expected(high) - expected(low) < FLAT:
        return before
    wanted = (n * float(logs[np.arange(n), codes].mean()) + PRIOR * expected(before)) / (n + PRIOR)
    for _ in range(HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if expected(middle) < wanted else (low, middle)
    return float(np.sqrt(low * high))


def _logarithm(p: Array) -> npt.NDArray[np.float64]:
    """Ln p, with p kept above the smallest normal float32."""
    return np.asarray(np.log(np.maximum(np.asarray(p, np.float64), TINY)))


def _softmax(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    weight = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))
