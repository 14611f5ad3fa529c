"""From a column of whatever to a label column: is it real-valued or classes, and what is unknown.

The rule, in order:

1. what the caller says (``kind``, or ``classes``, which means classes);
2. text and booleans are classes, named by themselves in sorted order;
3. integers are classes if they take at most fifty values, named by their numbers in rising order; -1 is unknown where
   it is the only negative number;
4. everything else is real-valued; NaN is unknown.

A column that holds one class only gets a second, unused name, so that it can be read and ``check`` can report it.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from md2n.data.samples import Array, LabelColumn
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.modality import Task

KINDS = ("regression", "classification")
MOST_CLASSES = 50
UNUSED = "(unused)"


def label_column(
    values: Any,
    name: str,
    *,
    kind: str | None = None,
    classes: Sequence[str] | None = None,
    low: float = -math.inf,
    high: float = math.inf,
    sentiment: bool = False,
) -> LabelColumn:
    """One label column by the rule above.

    Args:
        values: ``[N]`` numbers, booleans or text; ``[N, 1]`` is taken as ``[N]``.
        name: of the column.
        kind: ``regression`` or ``classification`` overrides the rule.
        classes: class names in the order of their codes 0, 1, ...; text values must be among them.
        low: least value of a regression label.
        high: greatest value of a regression label.
        sentiment: the sign carries the meaning.

    Raises:
        DataError: shape, a value that is no number where one is needed, a code without a class.
        UsageError: unknown ``kind``.
    """
    if kind not in (None, "regression", "classification"):
        raise UsageError(
            f"label '{name}': no kind is called '{kind}'", did_you_mean(kind, ("regression", "classification"))
        )
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"label '{name}' has shape {array.shape}", "give one value per sample; several columns by name")
    if array.dtype.kind == "O":
        array = _unboxed(array)
    if _is_classification(array, kind, classes):
        return _classified(array, name, classes)
    if array.dtype.kind not in "biuf":
        raise DataError(f"label '{name}' holds text, so it cannot be real-valued", "read it as classification")
    numbers = np.where(np.isfinite(array), array, np.nan) if array.dtype.kind == "f" else array
    task = Task("regression", name, low=low, high=high, sentiment=sentiment)
    return LabelColumn(numbers.astype(np.float32), task)


def _unboxed(array: Array) -> Array:
    # None is how Python writes "unknown".
    known = [v for v in array if v is not None]
    if all(isinstance(v, (bool, np.bool_)) for v in known) or any(isinstance(v, str | bytes) for v in known):
        return np.array(["" if v is None else str(v) for v in array], dtype=np.str_)
    return np.array([math.nan if v is None else float(v) for v in array])


def _is_classification(array: Array, kind: str | None, classes: Sequence[str] | None) -> bool:
    if kind is not None:
        return kind == "classification"
    if classes is not None or array.dtype.kind in "bUS":
        return True
    return array.dtype.kind in "iu" and len(np.unique(array)) <= MOST_CLASSES


def _classified(array: Array, name: str, classes: Sequence[str] | None) -> LabelColumn:
    if array.dtype.kind in "US":
        words = np.char.strip(array.astype(np.str_))
        known = words != ""
        order = tuple(classes) if classes is not None else tuple(map(str, np.unique(words[known])))
        strange = sorted(set(map(str, words[known])) - set(order))
        if strange:
            raise DataError(f"label '{name}' holds '{strange[0]}', which is no class", did_you_mean(strange[0], order))
        position = {word: code for code, word in enumerate(order)}
        codes = np.array([position.get(str(w), -1) for w in words], np.int64)
    else:
        order, codes = _coded(array, name, classes)
    order = (*order, *(UNUSED, f"{UNUSED}2")[: max(0, 2 - len(order))])
    return LabelColumn(codes, Task("classification", name, order))


def _coded(array: Array, name: str, classes: Sequence[str] | None) -> tuple[tuple[str, ...], Array]:
    if array.dtype.kind == "b":
        return (tuple(classes) if classes is not None else ("false", "true")), array.astype(np.int64)
    known = np.isfinite(array)
    if (array[known] != np.round(array[known])).any():
        part = array[known][array[known] != np.round(array[known])][0]
        raise DataError(f"label '{name}' holds {part}, which is no class code", "read it as regression")
    whole = np.where(known, array, -1).astype(np.int64)
    if not (whole < -1).any():
        known &= whole != -1
    if classes is not None:
        wrong = whole[known & ((whole < 0) | (whole >= len(classes)))]
        if len(wrong):
            raise DataError(
                f"label '{name}' holds code {wrong[0]}, but there are {len(classes)} classes",
                f"codes run from 0 to {len(classes) - 1}; -1 is unknown",
            )
        return tuple(classes), np.where(known, whole, -1)
    codes = np.unique(whole[known])
    return tuple(map(str, codes)), np.where(known, np.searchsorted(codes, whole), -1).astype(np.int64)
