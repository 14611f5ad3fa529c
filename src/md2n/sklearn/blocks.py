"""What scikit-learn hands over as X, taken apart into modalities.

X is an array ``[N, d]`` or a table.  ``modalities`` says which columns belong together; without it a table's columns
are grouped by what their names begin with, and where that gives no two modalities, as in a plain array, by what is
missing: columns that are missing in the same rows are one modality.  If that gives none either, or more than eight,
the first half of the columns is one modality and the second half the other.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import validate_data

from md2n.data.readers.wide import Columns, Wanted, chosen_columns, guessed_columns
from md2n.data.readers.wide_cells import Features, features_of, holds, is_wide, names_of, real_table, sizes_of
from md2n.errors import DataError

MOST_BLOCKS = 8

Floats = npt.NDArray[np.float64]


def checked(estimator: Any, data: Any, reset: bool) -> Any:
    """X as ``[N, d]`` float64 with NaN where a cell is empty, or as the table it is, if a column holds lists.

    Args:
        estimator: whose ``n_features_in_`` and ``feature_names_in_`` are set or compared.
        data: X.
        reset: whether this is the call of ``fit``.

    Raises:
        ValueError: as scikit-learn's other estimators do, an infinity among it.
    """
    if is_wide(data):
        data = real_table(data)
        names = names_of(data)
        if any(holds(data, name) == "lists" for name in names):
            validate_data(estimator, data, reset=reset, skip_check_array=True)
            return data
        if hasattr(data, "set_column"):  # scikit-learn does not know Arrow's tables
            validate_data(estimator, data, reset=reset, skip_check_array=True)
            block = np.asarray(next(iter(features_of(data, {"": tuple(names)}, {}).values())), np.float64)
            if np.isinf(block).any():
                raise ValueError("Input X contains infinity: give an empty cell where a number is unknown")
            return block
    least = {"ensure_min_samples": 2, "ensure_min_features": 2} if reset else {}
    return validate_data(estimator, data, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan", **least)


def columns_for(data: Any, names: Sequence[Any] | None, wanted: Wanted | None) -> Columns:
    """Modality -> columns: numbers of columns of an array, names in a table of lists.

    Args:
        data: X as ``checked`` gives it.
        names: of the columns of X, where X came with names.
        wanted: what a person said.

    Raises:
        UsageError: a modality without columns.
    """
    if not isinstance(data, np.ndarray):
        everything = names_of(data)
        if wanted:
            return chosen_columns(everything, wanted)
        kinds = {name: holds(data, name) for name in everything}
        lists = {name for name, kind in kinds.items() if kind == "lists"}
        return guessed_columns([n for n in everything if kinds[n] != "words"], lists)[0]
    places = {name: i for i, name in enumerate(range(data.shape[1]) if names is None else names)}
    named = chosen_columns(list(places), wanted) if wanted else _by_name(names)
    if not named:
        return missing_together(data)
    return {modality: tuple(places[name] for name in own) for modality, own in named.items()}


def _by_name(names: Sequence[Any] | None) -> Columns:
    try:
        return guessed_columns(names)[0] if names is not None else {}
    except DataError:
        return {}


def missing_together(data: Floats) -> Columns:
    """Blocks of columns that are missing in the same rows; two halves where these are not two to eight.

    >>> missing_together(np.array([[1, 2, np.nan], [np.nan, np.nan, 3]]))
    {'block1': (0, 1), 'block2': (2,)}
    """
    _, place = np.unique(np.isnan(data), axis=1, return_inverse=True)
    order = list(dict.fromkeys(place.reshape(-1).tolist()))
    blocks = [tuple(np.flatnonzero(place.reshape(-1) == one).tolist()) for one in order]
    if not 2 <= len(blocks) <= MOST_BLOCKS:
        half = data.shape[1] // 2
        blocks = [tuple(range(half)), tuple(range(half, data.shape[1]))]
    return {f"block{i}": own for i, own in enumerate(blocks, start=1)}


def apart(data: Any, columns: Columns, sizes: Mapping[str, int] | None = None) -> dict[str, Features]:
    """Modality -> its features, as ``md2n.fit`` takes them."""
    if isinstance(data, np.ndarray):
        return {modality: data[:, list(own)] for modality, own in columns.items()}
    return features_of(data, columns, sizes or sizes_of([data], columns))


def present(features: Mapping[str, Features], count: int) -> npt.NDArray[np.bool_]:
    """``[N]``; True where a row holds anything of any modality."""
    there = np.zeros(count, bool)
    for values in features.values():
        if isinstance(values, np.ndarray):
            there |= np.isfinite(values).any(axis=1)
        elif values is not None:
            there |= np.array([v is not None and bool(np.isfinite(v).any()) for v in values], bool)
    return there


def rows_at(features: Mapping[str, Features], rows: npt.NDArray[np.intp]) -> dict[str, Features]:
    """The features of some rows."""
    return {k: _at(values, rows) for k, values in features.items()}


def _at(values: Features, rows: npt.NDArray[np.intp]) -> Features:
    if values is None:
        return None
    return values[rows] if isinstance(values, np.ndarray) else [cast(list[Any], values)[i] for i in rows.tolist()]
