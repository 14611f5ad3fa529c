"""Statistics of the training labels: centre and scale of a real label, counts of classes.

A method learns a real label in units of its deviation and answers in the label's own units, so its answers depend on
neither the unit nor its zero.  Centre and scale are mean and standard deviation.  Where a few values decide them, they
are those of the labels clipped to all but the ``TAIL`` least and greatest.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from md2n.brief import first_few
from md2n.data.samples import Array
from md2n.errors import DataError
from md2n.modality import Task, needs_double

TAIL = 0.02  # of the labels at either end; labels that are mostly zero keep more than that for what they are about
HEAVY = 2.0  # times the clipped deviation: a normal label has 1.05, Student's t of three degrees 1.3
SLACK = 1e-6  # of the greater end of a declared range: rounding to float32


@dataclass(frozen=True)
class Unit:
    """Where a real label lies and how far it varies, in its own units.

    Args:
        centre: mean; of the clipped labels where ``heavy``.
        scale: standard deviation; of the clipped labels where ``heavy``; 1 where the label does not vary.
        heavy: whether a few values make the deviation more than ``HEAVY`` times what it is without them.
    """

    centre: float = 0.0
    scale: float = 1.0
    heavy: bool = False


def unit_of(values: Array) -> Unit:
    """Centre and scale of known real labels ``[n]``; 0 and 1 where there are none."""
    values = np.asarray(values, np.float64)
    if not len(values):
        return Unit()
    least, reach = float(values.min()), float(np.ptp(values))
    if reach == 0:
        return Unit(centre=least)
    # Within [0, 1], so that squares of very small or large labels stay numbers.
    part = (values - least) / reach
    clipped = _clipped(part)
    heavy = bool(part.std() > HEAVY * clipped.std() > 0)
    part = clipped if heavy else part
    return Unit(least + float(part.mean()) * reach, float(part.std()) * reach, heavy)


def _clipped(values: Array) -> Array:
    cut = math.ceil(TAIL * len(values))
    order = np.sort(values)
    return np.clip(values, order[cut], order[-1 - cut]) if 2 * cut < len(values) else values


def real_values(values: Array) -> npt.NDArray[np.float32] | npt.NDArray[np.float64]:
    """Real labels as float32, or as float64 where float32 would blur them (``needs_double``) or cannot hold them."""
    values = np.asarray(values, np.float64)
    known = values[np.isfinite(values)]
    unit = unit_of(known)
    beyond = len(known) > 0 and bool(np.abs(known).max() > np.finfo(np.float32).max)
    return values if beyond or needs_double(unit.centre, unit.scale) else values.astype(np.float32)


def known_labels(task: Task, values: Array) -> npt.NDArray[np.bool_]:
    """``[n]``; True where a label is known."""
    return np.asarray(values >= 0 if task.kind == "classification" else np.isfinite(values))


def measure_labels(task: Task, values: Array) -> Task:
    """The task with what the training labels ``[n]`` (some may be unknown) say of it: centre and scale, or counts."""
    known = np.asarray(values)[known_labels(task, values)]
    if task.kind == "classification":
        # Codes beyond the classes are refused elsewhere; they must not decide how much memory this takes.
        counts = np.bincount(known[known < len(task.classes)].astype(np.int64), minlength=len(task.classes))
        return replace(task, counts=tuple(counts.tolist()))
    unit = unit_of(known)
    return replace(task, centre=unit.centre, scale=unit.scale)


def outside_range(task: Task, values: Array) -> npt.NDArray[np.bool_]:
    """``[n]``; True at a code without a class, or where a known real label lies outside its declared range.

    Rounding to float32 is allowed.
    """
    if task.kind == "classification":
        return np.asarray((values >= len(task.classes)) | (values < -1))
    slack = SLACK * max((abs(end) for end in (task.low, task.high) if math.isfinite(end)), default=0.0)
    return np.isfinite(values) & ((values < task.low - slack) | (values > task.high + slack))


def check_range(task: Task, values: Array, data: str, ids: Array) -> None:
    """Refuses labels that are ``outside_range``.

    Raises:
        DataError: how many, which values, of which samples.
    """
    wrong = outside_range(task, values)
    if wrong.any():
        codes = f"the {len(task.classes)} classes 0 to {len(task.classes) - 1}"
        allowed = codes if task.kind == "classification" else f"the declared range [{task.low:g}, {task.high:g}]"
        shown = first_few((f"{v:g}" for v in values[wrong]), 5)
        raise DataError(
            f"{int(wrong.sum())} labels '{task.label}' of '{data}' lie outside {allowed}: {shown} "
            f"(first: {first_few(ids[wrong], 5)})",
            f"correct the labels, or declare the range they have: md2n data import ... --range {task.label}=LOW,HIGH",
        )
