"""From a column of any values to a label column: real values or classes, and which are unknown.

Unknown is what means "no value" anywhere (None, NaN, pandas' NA and NaT, an empty cell, a word of ``MISSING``), and
what the caller names.  No number is unknown by itself: -1 is a class, unless the caller says otherwise.

The known values are, by the first rule that applies:

1. what the caller says (``kind``, or ``classes``, which means classes);
2. text and booleans are classes, named by themselves in sorted order; but text that is numbers with decimal commas is
   real-valued;
3. integers are classes if they take at most fifty values, named by their numbers in rising order.  Whole numbers with
   a gap are integers too, because NumPy stores integers with a gap as floats;
4. everything else is real-valued.

A column with one class only gets a second, unused name, so that it can be read and ``check`` can report it.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from md2n.data.samples import Array, LabelColumn
from md2n.data.target import real_values
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.modality import Task

MOST_CLASSES = 50
UNUSED = "(unused)"
# pandas' list, and what its own missing values are written as; in this spelling: "na" and "none" may be classes.
MISSING = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "NA", "n/a", "NULL", "null", "None"),
        *("NAN", "NaN", "Nan", "nan", "-NaN", "-nan", "NaT", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"),
    )
)
_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


def label_column(
    values: Any,
    name: str,
    *,
    kind: str | None = None,
    classes: Sequence[str] | None = None,
    unknown: Sequence[Any] = (),
    low: float = -math.inf,
    high: float = math.inf,
    sentiment: bool = False,
) -> LabelColumn:
    """One label column by the rule above.

    Args:
        values: ``[N]`` numbers, booleans or text; ``[N, 1]`` is taken as ``[N]``.
        name: of the column.
        kind: ``regression`` or ``classification`` overrides the rule.
        classes: class names in the order of their codes 0, 1, ...; text values must be among them.  Numbers are taken
            by name where each is the name of a class (``-1`` in ``("-1", "0", "1")``), else as codes.
        unknown: values that mean "not known", besides those that always do; ``-1`` and ``"-1"`` are the same.
        low: least value of a regression label.
        high: greatest value of a regression label.
        sentiment: the sign carries the meaning.

    Raises:
        DataError: shape, a value that is no number where one is needed, a code without a class, commas
            that may be those of decimals or of thousands.
        UsageError: unknown ``kind``.
    """
    if kind not in (None, "regression", "classification"):
        raise UsageError(
            f"label '{name}': no kind is called '{kind}'", did_you_mean(kind, ("regression", "classification"))
        )
    array, truths = _known(_one_column(values, name), name, unknown, classes)
    if truths:
        classes = classes or ("false", "true")
    if array.dtype.kind == "U" and kind is None and classes is None:
        numbers = _with_commas([w for w in map(str, array) if w], name)
        kind = "classification" if numbers is None else "regression"
    if _is_classification(array, kind, classes):
        return _classified(array, name, classes)
    if array.dtype.kind == "U":
        array = _numbers(array, name)
    task = Task("regression", name, low=low, high=high, sentiment=sentiment)
    return LabelColumn(real_values(np.where(np.isfinite(array), array, np.nan)), task)


def is_label_name(column: str) -> bool:
    """True for the names of columns that are labels: ``y``, ``label``, ``y_...``, ``label_...``."""
    return column in ("y", "label") or column.startswith(("y_", "label_"))


def is_missing(value: Any) -> bool:
    """True for what means "no value": None, NaN, pandas' NA and NaT, an empty text, a word of ``MISSING``."""
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str | bytes):
        return _text(value) in MISSING
    return bool(isinstance(value, float | np.floating | np.datetime64) and value != value)


def is_unknown(value: Any, unknown: Sequence[Any]) -> bool:
    """True for what is missing, and for the values a caller calls unknown, as number or as text."""
    if is_missing(value):
        return True
    if not len(unknown):
        return False
    word, number = _text(value), _measured(value)
    return any(word == _text(u) or (number is not None and number == _measured(u)) for u in unknown)


def _measured(value: Any) -> float | None:
    """A number that may be written with a decimal comma; None where it is none."""
    if isinstance(value, str | bytes) and _COMMA.fullmatch(_text(value)):
        return as_number(_text(value).replace(",", "."))
    return as_number(value)


def word_of(value: Any) -> str:
    """A member or an id in words; of an empty cell none.  Beside one, whole numbers have become 1.0, 2.0, ..."""
    if is_missing(value):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else _text(value)


def name_of(value: Any) -> str:
    """An id or a member that came in an array: text as it is, all else as ``word_of``."""
    return str(value) if isinstance(value, str) else word_of(value)


def as_number(value: Any) -> float | None:
    """A number, or the number that a text is; None where it is none."""
    if isinstance(value, str | bytes) and ("_" in _text(value) or not _text(value).isascii()):
        return None  # Python would take 1_2 for 12, and digits of any script
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _with_commas(words: Sequence[str], name: str) -> list[float] | None:
    """Numbers of which one is written with a decimal comma; None where these are no such numbers.

    Raises:
        DataError: the commas may be those of thousands, or points are there as well.
    """
    commas = [w for w in words if _COMMA.fullmatch(w) or _THOUSANDS.fullmatch(w)]
    numbers = [as_number(w.replace(",", ".", 1)) if w in commas else as_number(w) for w in words]
    if not commas or any(n is None and not _THOUSANDS.fullmatch(w) for w, n in zip(words, numbers)):
        return None
    if all(_THOUSANDS.fullmatch(w) for w in commas) or None in numbers or any("." in w for w in words):
        raise DataError(
            f"label '{name}' holds '{commas[0]}': is this the comma of decimals or of thousands?",
            f"write decimals with a point and thousands without a mark; if these are names of classes, say so: "
            f"--kind {name}=classification",
        )
    return [n for n in numbers if n is not None]


def _text(value: Any) -> str:
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()


def _one_column(values: Any, name: str) -> Array:
    if isinstance(values, np.ma.MaskedArray):
        whole = np.array(values.data, dtype=object)
        whole[np.ma.getmaskarray(values)] = None
        values = whole
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2:
        raise DataError(
            f"label '{name}' has shape {array.shape}: {array.shape[1]} columns",
            f"a model predicts one column, chosen by name: give each its own ({name}_first = {name}[:, 0] and so on), "
            f"then choose one with --label; where the columns are a code of classes, take {name}.argmax(axis=1)",
        )
    if array.ndim != 1:
        raise DataError(f"label '{name}' has shape {array.shape}", "give one value per sample")
    if array.dtype.kind not in "biufUSOT":
        raise DataError(f"label '{name}' is of type {array.dtype}", "give numbers, booleans or text")
    return array


def _known(array: Array, name: str, unknown: Sequence[Any], classes: Sequence[str] | None) -> tuple[Array, bool]:
    """Numbers with NaN, or text with "", where the value is unknown; and whether the numbers are booleans."""
    if array.dtype.kind == "b" or (array.dtype.kind in "iuf" and not len(unknown)):
        return array, array.dtype.kind == "b"
    # A word that the caller calls a class is one.
    meant = {*(classes or ())} - {"", *map(_text, unknown)}
    if array.dtype.kind in "iuf":
        distinct, place = np.unique(array, return_inverse=True)  # codes are few: each is compared once
        gaps = np.array([is_unknown(v, unknown) and _text(v) not in meant for v in distinct], np.bool_)[place]
        return (_filled(array[~gaps].astype(np.float64), gaps) if gaps.any() else array), False
    gaps = np.array([is_unknown(v, unknown) and _text(v) not in meant for v in array], np.bool_)
    known = array[~gaps]
    if array.dtype.kind in "OT" and len(known) and all(isinstance(v, bool | np.bool_) for v in known):
        return _filled(known.astype(np.float64), gaps), True
    if array.dtype.kind in "UST" or any(isinstance(v, str | bytes) for v in known):
        words = np.full(len(array), "", dtype=object)
        words[~gaps] = [_text(v) for v in known]
        return words.astype(np.str_), False
    numbers = [as_number(v) for v in known]
    if None in numbers:
        raise DataError(
            f"label '{name}' holds {known[numbers.index(None)]!r}, which is neither a number nor text",
            "give numbers, booleans or text",
        )
    return _filled(np.array(numbers, np.float64), gaps), False


def _filled(known: Array, gaps: Array) -> Array:
    array = np.full(len(gaps), np.nan)
    array[~gaps] = known
    return array


def _is_classification(array: Array, kind: str | None, classes: Sequence[str] | None) -> bool:
    if kind is not None:
        return kind == "classification"
    if classes is not None or array.dtype.kind in "bU":
        return True
    gaps = np.isnan(array)
    whole = array.dtype.kind in "iu" or (gaps.any() and not gaps.all() and _are_whole(array[~gaps]))
    return bool(whole) and len(np.unique(array[~gaps])) <= MOST_CLASSES


def _are_whole(numbers: Array) -> bool:
    return bool(np.isfinite(numbers).all() and (numbers == np.round(numbers)).all())


def _numbers(words: Array, name: str) -> Array:
    """Text as real values; the empty one is NaN."""
    known = [w for w in map(str, words) if w]
    numbers: Sequence[float | None] = _with_commas(known, name) or [as_number(w) for w in known]
    if None in numbers:
        wrong = next(w for w in known if _measured(w) is None)
        raise DataError(
            f"label '{name}' holds text, so it cannot be real-valued: '{wrong}'", "read it as classification"
        )
    return _filled(np.array(numbers, np.float64), words == "")


def _classified(array: Array, name: str, classes: Sequence[str] | None) -> LabelColumn:
    if array.dtype.kind == "U":
        known = array != ""
        order = tuple(classes) if classes is not None else tuple(map(str, np.unique(array[known])))
        strange = sorted(set(map(str, array[known])) - set(order))
        if strange:
            raise DataError(f"label '{name}' holds '{strange[0]}', which is no class", did_you_mean(strange[0], order))
        position = {word: code for code, word in enumerate(order)}
        codes = np.array([position.get(str(w), -1) for w in array], np.int64)
    else:
        order, codes = _coded(array, name, classes)
    order = (*order, *(UNUSED, f"{UNUSED}2")[: max(0, 2 - len(order))])
    return LabelColumn(codes, Task("classification", name, order))


def _coded(array: Array, name: str, classes: Sequence[str] | None) -> tuple[tuple[str, ...], Array]:
    known = np.isfinite(array)
    if not _are_whole(array[known]):
        part = array[known][array[known] != np.round(array[known])][0]
        raise DataError(f"label '{name}' holds {part}, which is no class code", "read it as regression")
    whole = np.where(known, array, 0).astype(np.int64)
    held = np.unique(whole[known])
    order = tuple(map(str, held)) if classes is None else tuple(classes)
    if set(map(str, held)) <= set(order):
        position = {word: code for code, word in enumerate(order)}
        codes = np.array([position[str(v)] for v in held], np.int64)
        return order, np.where(
            known, codes[np.searchsorted(held, whole).clip(0, len(held) - 1)] if len(held) else -1, -1
        )
    wrong = held[(held < 0) | (held >= len(order))]
    if len(wrong):
        raise DataError(
            f"label '{name}' holds code {wrong[0]}, but there are {len(order)} classes",
            f"codes run from 0 to {len(order) - 1}; if {wrong[0]} means that the label is not known, say so: "
            f"unknown=({wrong[0]},), or --unknown {wrong[0]} where it is imported",
        )
    return order, np.where(known, whole, -1)
