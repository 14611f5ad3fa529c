"""Tables and columns of pandas, polars, Arrow and their like, and tensors, as plain arrays.

None of these libraries is imported: a value is recognised by its methods.  A table is read as ``[N, d]`` numbers, a row
per sample; an empty cell becomes NaN.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from md2n.brief import first_few
from md2n.data.readers.labels import as_number, is_missing
from md2n.data.samples import Array
from md2n.errors import DataError

NOT_YET = ("collect", "compute")  # what makes lazy tables real
NULLS = frozenset({"NAType", "NaTType"})
BASIC = {bool, int, float, str}


def plain(value: Any, what: str) -> Any:
    """A modality as arrays: ``None``, an array, or a list with an array or ``None`` per sample.

    Args:
        value: an array, tensor, table, column, or a list of them.
        what: it is, for messages.

    Raises:
        DataError: a table with a column that holds no numbers, or a value that is none of these.
    """
    if value is None:
        return None
    if isinstance(value, list | tuple):
        basic = (np.ndarray, list, tuple, int, float, str, bytes)  # what NumPy reads, or refuses, by itself
        return [
            x if x is None or isinstance(x, basic) else plain(x, f"{what}, sample {i}") for i, x in enumerate(value)
        ]
    if isinstance(value, np.ndarray):
        array = value
    elif hasattr(value, "detach"):
        array = _of_tensor(value)
    elif is_table(value):
        return _numbers(value, what)
    elif hasattr(value, "to_numpy"):
        array = np.asarray(column(value))
    else:
        return _other(value, what)
    if array.ndim == 0:
        raise DataError(f"{what} is a single value, {array}", "give an array with one row per sample")
    return array


def column(values: Any) -> Any:
    """One value per sample as an array or a list; whatever a library writes for "unknown" becomes ``None``."""
    if values is None or isinstance(values, list | tuple):
        return values
    if isinstance(values, np.ndarray):
        return _without_nulls(values.tolist()) if values.dtype == object and values.ndim == 1 else values
    if hasattr(values, "detach"):
        return _of_tensor(values)
    listing = next((m for m in ("to_pylist", "to_list", "tolist") if hasattr(values, m)), "")
    items = getattr(values, listing)() if listing else list(values)
    # Words and NaN in one array of NumPy's would make "nan" a word.
    plain_kinds = {type(v) for v in items}
    return np.array(items) if len(plain_kinds) == 1 and plain_kinds <= BASIC else _without_nulls(items)


def _without_nulls(items: Sequence[Any]) -> Array:
    column_values = np.empty(len(items), dtype=object)
    words = any(isinstance(v, str) for v in items)
    for i, value in enumerate(items):
        unknown = type(value).__name__ in NULLS or (words and isinstance(value, float) and value != value)
        column_values[i] = None if unknown else value
    return column_values


def is_table(value: Any) -> bool:
    """True for what has named columns of numbers or words in memory."""
    return (hasattr(value, "to_numpy") and hasattr(value, "columns")) or (
        hasattr(value, "column_names") and hasattr(value, "to_pydict")
    )


def unknown_kind(data: Any) -> DataError:
    """The refusal of data of a kind that nothing here reads, with what to give instead.

    Args:
        data: anything but a table in memory, arrays by name, or a list of arrays.
    """
    what = f"data of the type {type(data).__name__} cannot be read"
    if (lazy := _not_computed(data, "the table")) is not None:
        return lazy
    if hasattr(data, "to_frame"):
        return DataError(what, "give a table: one row is table.iloc[[0]], one column table[['name']]")
    if hasattr(data, "shape"):
        return DataError(f"{what}: nothing says which column is of which modality", "give {'acc': array, 'hr': array}")
    if isinstance(data, list | tuple):
        return DataError("a list of records cannot be read", "make a table of it: pandas.DataFrame(records)")
    if isinstance(data, str | bytes):
        return DataError(f"'{data!s}' is no data in memory", "read it first, as with pandas.read_parquet")
    return DataError(what, "give {modality: array}, a list of arrays, or a table (pandas, polars, Arrow)")


def _not_computed(value: Any, what: str) -> DataError | None:
    """Of a lazy table; None of any other."""
    name = next((m for m in NOT_YET if callable(getattr(value, m, None))), "")
    words = f"{what} is a {type(value).__name__}, whose numbers are not computed yet"
    return DataError(words, f"call its .{name}() first") if name else None


def columns_of(table: Any) -> dict[str, Any]:
    """Column name -> values of a table, or of a mapping of columns."""
    if isinstance(table, Mapping):
        return {str(k): column(v) for k, v in table.items()}
    if hasattr(table, "to_pydict"):
        return {str(k): column(v) for k, v in table.to_pydict().items()}
    return {str(k): column(table[k]) for k in table.columns}


def index_of(value: Any) -> list[Any] | None:
    """The names of a table's or column's rows, where it has some other than 0, 1, 2, ...; else ``None``."""
    index = getattr(value, "index", None)
    if index is None or callable(index) or not hasattr(index, "tolist"):
        return None
    names = index.tolist()
    return None if names == list(range(len(names))) else names


def check_rows(named: Mapping[str, Any]) -> None:
    """Refuses tables and columns whose rows bear different names: they would be joined by position.

    Args:
        named: what each is -> the value.  Those without names of rows fit any.

    Raises:
        DataError: naming the two that differ.
    """
    first, names = "", None
    for what, value in named.items():
        own = index_of(value)
        if own is not None and names is None:
            first, names = what, own
        elif own is not None and own != names:
            raise _other_rows(first, what, names or [], own)
    if names is None:
        return
    for what, value in named.items():
        if index_of(value) is None and hasattr(value, "index") and not callable(value.index):
            # 0, 1, 2, ... may be no names at all; the same numbers in another order are.
            ordered = list(range(len(value)))
            if len(names) == len(ordered) and set(names) == set(ordered):
                raise _other_rows(first, what, names, ordered)


def _other_rows(first: str, second: str, names: Sequence[Any], others: Sequence[Any]) -> DataError:
    return DataError(
        f"the rows of {first} and {second} are not the same: {first_few(names)} and {first_few(others)}",
        "bring them into one order (df.loc[ids]), join them by id with md2n.data.readers.tables.from_tables, or "
        "reset_index(drop=True) if they do belong together row by row",
    )


def _of_tensor(value: Any) -> Array:
    held = value.detach().cpu()
    try:
        return np.asarray(held.numpy())
    except TypeError:  # bfloat16, which NumPy does not know
        return np.asarray(held.float().numpy())


def _numbers(table: Any, what: str) -> Array:
    """``[N, d]``; NaN where a cell is empty."""
    if not hasattr(table, "to_pydict"):
        whole = np.asarray(table.to_numpy())
        if whole.dtype.kind in "biuf":
            return whole
    converted = {k: numbers(v, k, what) for k, v in columns_of(table).items()}
    if not converted:
        raise DataError(f"{what} is a {type(table).__name__} without columns", "give a column per feature")
    return np.column_stack(list(converted.values()))


def numbers(values: Any, name: str, what: str) -> Array:
    """``[N]`` numbers of a table's column; NaN where a cell is empty.

    Args:
        values: of the column.
        name: of the column.
        what: the table is, for messages.

    Raises:
        DataError: a cell that is no number.
    """
    array = _without_nulls(values) if isinstance(values, list | tuple) else np.asarray(values)
    if array.ndim == 1 and array.dtype.kind in "biuf":
        return array
    converted = np.full(len(array), np.nan)
    for row, value in enumerate(array.tolist()):
        if value is None or type(value).__name__ in NULLS:
            continue
        try:
            if isinstance(value, str | bytes):
                raise ValueError("text")
            converted[row] = float(value)
        except (TypeError, ValueError) as error:
            texts = [
                (i, v) for i, v in enumerate(array.tolist()) if isinstance(v, str)
            ]  # numbers in words may be first
            row, value = next(((i, v) for i, v in texts if as_number(v) is None and not is_missing(v)), (row, value))
            cell = value if isinstance(value, str) else f"a {type(value).__name__}"
            raise DataError(
                f"{what} is a table whose column '{name}' holds no numbers but '{cell}' (row {row})",
                "leave the column out (labels, ids and groups have arguments of their own), or turn it into numbers",
            ) from error
    return converted


def _other(value: Any, what: str) -> Any:
    """What is neither array nor table, as one; or a refusal that says what it is."""
    kind = type(value).__name__
    if hasattr(value, "toarray"):
        raise DataError(f"{what} is a sparse {kind}", "give a dense array: .toarray()")
    if (lazy := _not_computed(value, what)) is not None:
        raise lazy
    if hasattr(value, "to_pandas"):
        return plain(value.to_pandas(), what)
    if hasattr(value, "__array__"):
        return plain(np.asarray(value), what)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return plain(list(value), what)
    raise DataError(
        f"{what} is a {kind}, not an array", "give an array [N, d] or [N, T, d], a table, or a list with one array each"
    )
