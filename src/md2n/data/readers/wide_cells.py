"""Cells of one table with all modalities side by side, as features: a vector or a sequence of each modality per row.

Columns hold numbers, or lists: of numbers (an embedding where all have one length, else a sequence with one number per
frame), or of frames.  Several columns of lists are the numbers of one sequence's frames.  An empty cell is an unknown
number, or a sequence that is not there; no library of tables is imported for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from md2n.data.readers.dataframes import NULLS, column, is_table, numbers
from md2n.data.readers.labels import as_number
from md2n.data.readers.text_table import NOTHING
from md2n.data.readers.wide import Columns
from md2n.data.samples import Array
from md2n.errors import DataError

Features = Array | list[Array | None] | None
"""``[N, d]``, an array per row, or None where no row has the modality."""


class TextColumns(dict[str, list[str]]):
    """Column name -> cells of a CSV file, as they were written."""


def is_wide(data: Any) -> bool:
    """True for a table in memory: of pandas, polars, Arrow, or Hugging Face's ``datasets``."""
    return is_table(data) or (hasattr(data, "column_names") and hasattr(data, "with_format"))


def real_table(data: Any) -> Any:
    """The table itself; that of Arrow inside a data set of Hugging Face."""
    return data.with_format("arrow")[:] if hasattr(data, "with_format") else data


def names_of(table: Any) -> list[Any]:
    """Names of the columns, in order.

    Raises:
        DataError: two columns of one name.
    """
    if isinstance(table, Mapping):
        return list(table)
    return distinct(list(table.column_names if hasattr(table, "column_names") else table.columns))


def distinct(names: list[Any]) -> list[Any]:
    """Names of columns.

    Raises:
        DataError: two of one name.
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"the table has several columns of the name '{twice}'", "give each a name of its own")
    return names


TIMES = "mM"  # kinds of NumPy: durations and points in time


def cells(table: Any, name: Any) -> Array:
    """``[N]`` numbers, NaN where a cell is empty; or objects, where one is a list or a text.

    Raises:
        DataError: the table has no such column, or it holds times.
    """
    if name not in names_of(table):
        raise DataError(f"the table has no column '{name}'", "give a table with the columns the model was trained on")
    values = table[name]
    if isinstance(table, TextColumns):
        return _of_texts(values)
    kind = getattr(getattr(values, "dtype", None), "kind", "")
    if isinstance(values, np.ndarray):
        array = values
    elif kind and kind in "iufb":  # of pandas, whose own missing value makes objects of numbers
        array = values.to_numpy(dtype=np.float64, na_value=np.nan)
    elif hasattr(values, "to_numpy"):
        array = np.asarray(_of_arrow(values) if hasattr(values, "type") else values.to_numpy())
    else:
        array = _objects(list(values))
    if array.ndim > 1:
        return _objects(list(array))
    if array.dtype.kind in "iufb":
        return array
    if array.dtype.kind in TIMES:
        raise DataError(f"column '{name}' holds times, which are no numbers", "turn them into numbers, or leave it out")
    first = next((v for v in array if not is_nothing(v)), None)
    if first is None:
        return np.full(len(array), np.nan)
    return array if isinstance(first, str | bytes) or is_list(first) else numbers(array, str(name), "the data")


def _of_arrow(column: Any) -> Any:
    """Its cells; whole numbers with empty cells as the nearest floats, which Arrow itself refuses.

    Words of a dictionary are looked up first: an empty cell would have any of them.
    """
    if hasattr(column.type, "index_type"):
        column = column.cast(column.type.value_type)
    if "int" in (kind := str(column.type)) and "<" not in kind and column.null_count:
        column = column.cast("double", safe=False)
    return column.to_numpy(zero_copy_only=False)


def _of_texts(texts: Sequence[str]) -> Array:
    values = [np.nan if text.lower() in NOTHING else as_number(text) for text in texts]
    return np.array(texts, dtype=object) if None in values else np.array(values, np.float64)


def _objects(items: Sequence[Any]) -> Array:
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array


def is_list(value: Any) -> bool:
    """True for a cell that holds several numbers or frames."""
    return isinstance(value, list | tuple | np.ndarray) or (hasattr(value, "__len__") and hasattr(value, "to_numpy"))


def is_nothing(value: Any) -> bool:
    """True for an empty cell."""
    return value is None or type(value).__name__ in NULLS or (isinstance(value, float) and bool(value != value))


def holds(table: Any, name: Any) -> str:
    """``numbers``, ``lists`` or ``words``: what a column has in its cells."""
    try:
        array = cells(table, name)
    except DataError:
        return "words"
    if array.dtype.kind in "iufb":
        return "numbers"
    first = next(v for v in array if not is_nothing(v))
    return "lists" if is_list(first) and not _is_text(first) else "words"


def _is_text(items: Any) -> bool:
    return len(items) > 0 and isinstance(items[0], str | bytes)


def sizes_of(chunks: Iterable[Any], columns: Columns) -> dict[str, int]:
    """Modality -> feature size d, for all that some row has.

    Args:
        chunks: tables, one after another.
        columns: of each modality.

    Raises:
        DataError: a cell that holds neither numbers nor lists of them.
    """
    several = {modality: len(own) for modality, own in columns.items() if len(own) > 1}
    single = {modality: own[0] for modality, own in columns.items() if modality not in several}
    lengths: dict[str, set[int]] = {modality: set() for modality in single}
    inner: dict[str, int] = {}
    for chunk in chunks if single else ():
        for modality, name in single.items():
            array = _no_words(cells(chunk, name), name)
            if array.dtype.kind in "iufb":
                if not np.isnan(array.astype(np.float64)).all():
                    inner[modality] = 1
                continue
            for value in array:
                if is_nothing(value) or not len(value):
                    continue
                frames = frames_of(value, name)
                if frames.ndim == 2:
                    inner[modality] = frames.shape[1]
                    break
                lengths[modality] = {*list(lengths[modality])[:2], len(frames)}
    sizes = {modality: next(iter(own)) if len(own) == 1 else 1 for modality, own in lengths.items() if own}
    return {modality: d for modality in columns if (d := {**several, **sizes, **inner}.get(modality))}


def features_of(table: Any, columns: Columns, sizes: Mapping[str, int]) -> dict[str, Features]:
    """Modality -> what its columns hold.

    Args:
        table: with these columns.
        columns: of each modality.
        sizes: modality -> feature size; a list of numbers is one vector where it is more than one.

    Raises:
        DataError: a column is not there, or holds other than numbers and lists of them.
    """
    table = real_table(table)
    return {modality: _features(table, own, sizes.get(modality, 0)) for modality, own in columns.items()}


def _features(table: Any, own: Sequence[Any], size: int) -> Features:
    arrays = [_no_words(cells(table, name), name) for name in own]
    if all(a.dtype.kind in "iufb" for a in arrays):
        block = np.column_stack(arrays).astype(np.float64, copy=False)
        # Of a column of lists whose cells are all empty nothing says that it is one.
        return None if len(own) == 1 and size > 1 and np.isnan(block).all() else block
    if len(own) == 1:
        rows = (None if is_nothing(v) else frames_of(v, own[0]) for v in arrays[0])
        return [f if f is None or f.ndim == 2 else f[None] if size > 1 else f[:, None] for f in rows]
    return [_stacked(row, own, i) for i, row in enumerate(zip(*arrays))]


def _no_words(array: Array, name: Any) -> Array:
    words = array.dtype.kind == "O" and any(isinstance(v, str | bytes) for v in array)
    return numbers(array, str(name), "the data") if words else array


def _stacked(row: Sequence[Any], own: Sequence[Any], number: int) -> Array | None:
    """Frames of one row from columns of lists; NaN in those that are empty."""
    parts = [None if is_nothing(v) else frames_of(v, name) for v, name in zip(row, own)]
    lengths = {len(p) for p in parts if p is not None}
    if not lengths:
        return None
    if len(lengths) > 1 or any(p is not None and p.ndim != 1 for p in parts):
        raise DataError(
            f"the lists of row {number} in {own[0]} to {own[-1]} have different lengths: {sorted(lengths)}",
            "columns of one modality hold one number per frame each, of the same frames",
        )
    length = lengths.pop()
    return np.column_stack([np.full(length, np.nan) if p is None else p for p in parts])


def frames_of(value: Any, name: Any) -> Array:
    """``[T]`` or ``[T, d]`` numbers of one cell, NaN where one is empty."""
    try:
        if is_list(value) and not isinstance(value, np.ndarray):
            value = column(value)
        array = np.asarray(value)
        if array.dtype.kind == "O":
            array = _of_objects(list(array))
        if array.ndim not in (1, 2) or array.dtype.kind not in "iufb":
            raise ValueError(f"shape {array.shape}, {array.dtype}")
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"column '{name}' holds a cell that is neither a number nor a list of numbers or frames: {error}",
            "give every frame of a list the same number of numbers, or leave the column out",
        ) from error


def _of_objects(items: list[Any]) -> Array:
    """Numbers and frames of which some are empty."""
    width = next((len(v) for v in items if is_list(v)), 0)
    if not width:
        return np.array([np.nan if is_nothing(v) else v for v in items], np.float64)
    empty = [None] * width
    return np.array(
        [[np.nan if is_nothing(x) else x for x in (empty if is_nothing(v) else v)] for v in items], np.float64
    )


def rows_of(table: Any) -> int:
    """How many rows a table has."""
    return len(next(iter(table.values()))) if isinstance(table, Mapping) else len(table)
