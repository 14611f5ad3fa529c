"""Tables given to a trained model, and the same kind of table given back: pandas', polars', Arrow's, Hugging Face's.

None of these libraries is imported: what a table can do says which it is of.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from md2n.data.readers.dataframes import column, unknown_kind
from md2n.data.readers.labels import word_of
from md2n.data.readers.table_file import too_large
from md2n.data.readers.wide import COLUMNS, Columns
from md2n.data.readers.wide_cells import (
    TextColumns,
    cells,
    features_of,
    frames_of,
    is_nothing,
    is_wide,
    names_of,
    real_table,
    rows_of,
)
from md2n.data.samples import Array
from md2n.errors import DataError
from md2n.modality import Schema

if TYPE_CHECKING:
    from md2n.serve.answers import Recovered

STD = "_std"
PANDAS = b"pandas"  # key of an Arrow schema under which pandas notes the types of its own columns
ROUNDING = 1e-6  # of a number that was taken as float32
SMALLEST = float(np.finfo(np.float32).tiny)  # below it float32 has fewer digits, or none
HINT = 400  # characters of columns in a hint
EXACT = 2**53  # beyond it floats leave whole numbers out


def columns_in_training(facts: Mapping[str, Any]) -> Columns:
    """Modality -> columns of the table a run was trained on; empty where it was none."""
    data = facts.get("data")
    table = data.get(COLUMNS, {}) if isinstance(data, Mapping) else {}
    return {modality: tuple(own) for modality, own in table.items()}


def columns_in(data: Any, schema: Schema, trained: Columns) -> Columns:
    """Modality -> columns of a table for a model; empty where the data are no table.

    Without columns of training, a modality's are the one of its name, or those whose names begin with it.

    Args:
        data: a table, or anything else.
        schema: of the model.
        trained: modality -> columns in training.

    Raises:
        DataError: the table has a part of a modality's columns, or none of any.
    """
    if not (is_wide(data) or isinstance(data, TextColumns)):
        return {}
    return columns_among(names_of(data), schema, trained)


def columns_among(names: Sequence[Any], schema: Schema, trained: Columns) -> Columns:
    """Modality -> columns among these names of a table's columns; otherwise as ``columns_in``."""
    columns: dict[str, tuple[Any, ...]] = {}
    for modality in schema.names:
        own = trained.get(modality) or ((modality,) if modality in names else _beginning(names, modality))
        absent = [name for name in own if name not in names]
        if absent and len(absent) < len(own):
            raise DataError(
                f"the table lacks {len(absent)} of {len(own)} columns of modality '{modality}', such as '{absent[0]}'",
                "give all of them, with empty cells where a number is unknown, or none",
            )
        if own and not absent:
            columns[modality] = own
    if not columns:
        expected = ", ".join(str(name) for own in trained.values() for name in own[:2]) or ", ".join(schema.names)
        raise DataError("the table has no column of any modality", f"the model knows columns such as {expected}")
    return columns


def require_std_names(modalities: Sequence[str]) -> None:
    """Refuses modalities of which one has the name of another's standard deviation.

    Raises:
        DataError: naming both.
    """
    for name in modalities:
        if f"{name}{STD}" in modalities:
            raise DataError(
                f"the deviation of '{name}' would have the name of the modality '{name}{STD}'",
                f"train without '{name}{STD}', or under another name: "
                "a recovered store has deviations that are no modalities",
            )


def require_columns(source: Mapping[str, Any], trained: Columns) -> None:
    """Refuses data of a table whose columns have other places than those of the same name in training.

    Args:
        source: of a data set; says which columns its modalities were made of, if these were a table's.
        trained: modality -> columns in training.

    Raises:
        DataError: naming a column.
    """
    places = {name: (modality, i) for modality, own in trained.items() for i, name in enumerate(own)}
    for modality, own in source.get(COLUMNS, {}).items():
        for i, name in enumerate(own):
            if places.get(name, (modality, i)) != (modality, i):
                there, at = places[name]
                raise DataError(
                    f"column '{name}' is number {i} of '{modality}' in the data, but was number {at} of '{there}' in "
                    "training",
                    "import the table with the columns in their order of training: "
                    + " ".join(f"--modality {m}={','.join(map(str, names))}" for m, names in trained.items())[:HINT],
                )


def _beginning(names: Sequence[Any], modality: str) -> tuple[Any, ...]:
    """Columns by number where all have one (``acc_0`` to ``acc_11``), else in the order of the table."""
    own = [n for n in names if str(n).startswith((f"{modality}_", f"{modality}."))]
    numbers = [str(n)[len(modality) + 1 :] for n in own]
    if all(n.isdecimal() for n in numbers):
        own = [name for _, name in sorted(zip(map(int, numbers), own))]
    return tuple(own)


def taken_apart(
    data: Any, schema: Schema, trained: Columns, groups: Sequence[str]
) -> tuple[Any, Mapping[str, Sequence[str]]]:
    """A table, or a list of ``[N, d]`` arrays, as modality -> features; and group column -> members, of those it has.

    Anything else comes back as it is.

    Raises:
        DataError: as ``columns_in``, a cell that is no number, another number of arrays than of modalities, or a list
            of records.
    """
    if isinstance(data, list | tuple):
        if any(isinstance(one, Mapping) for one in data):
            raise unknown_kind(data)
        if len(data) != len(schema.names):
            raise DataError(
                f"{len(data)} arrays were given for {len(schema.names)} modalities",
                f"give one of each, None where it is missing: {', '.join(schema.names)}",
            )
        return dict(zip(schema.names, data)), {}
    columns = columns_in(data, schema, trained)
    if not columns:
        return data, {}
    table = real_table(data)
    members = {g: [word_of(m) for m in column(table[g])] for g in groups if g in names_of(table)}
    return features_of(table, columns, {m.name: m.dim for m in schema.modalities}), members


def without(table: Any, hidden: Sequence[str], schema: Schema, trained: Columns) -> Any:
    """The table with empty cells in all columns of some modalities.

    Args:
        table: of Arrow, or of a CSV file.
        hidden: modalities.
        schema: of the model.
        trained: modality -> columns in training.
    """
    columns = columns_in(table, schema, trained) if hidden else {}
    for name in (name for modality in hidden for name in columns.get(modality, ())):
        if isinstance(table, TextColumns):
            table = TextColumns({**table, name: [""] * len(table[name])})
        else:
            place = table.column_names.index(name)
            empty = type(table).from_pydict({name: [None] * len(table)}, schema=table.select([name]).schema)
            table = table.set_column(place, table.schema.field(name), empty[name])
    return table


def filled_arrays(arrays: Sequence[Any], recovered: "Recovered") -> list[Array]:
    """``[N, d]`` arrays with what is not known in them recovered.

    Raises:
        DataError: others than were given.
    """
    filled = []
    for array, (name, rows) in zip(arrays, recovered.features.items()):
        block, known = np.concatenate(rows).astype(np.float64), np.concatenate(recovered.known[name])
        own = np.full_like(block, np.nan) if array is None else np.asarray(array, np.float64)
        _check_same(own, block, known, name)
        filled.append(np.where(np.isfinite(own), own, block))
    return filled


def filled_table(table: Any, recovered: "Recovered") -> Any:
    """The table with its empty cells recovered, and the standard deviation of each in ``NAME_std``.

    Raises:
        DataError: another table than was given, a column of such a name is there, or one to be filled holds whole
            numbers that floats do not.
    """
    real = real_table(table)
    filled: dict[Any, Any] = {}
    widths: dict[Any, Any] = {}
    for modality, own in recovered.columns.items():
        arrays = [cells(real, name) for name in own]
        values, std, known = recovered.features[modality], recovered.std.get(modality), recovered.known[modality]
        if len(arrays[0]) != len(values):
            raise DataError(f"the table has {len(arrays[0])} rows, {len(values)} were recovered", "give the same table")
        if all(a.dtype.kind in "iufb" for a in arrays) and all(v.shape == (1, len(own)) for v in values):
            block, as_given = np.concatenate(values), np.concatenate(known)
            for j, (n, a) in enumerate(zip(own, arrays)):
                _check_same(a, block[:, j], as_given[:, j], n)
            gaps = [(n, a, block[:, j]) for j, (n, a) in enumerate(zip(own, arrays)) if _gaps(a).any()]
            filled |= {n: _filled(real[n], n, a, recovery) for n, a, recovery in gaps}
            widths |= {} if std is None else {f"{n}{STD}": np.concatenate(std)[:, j] for j, n in enumerate(own)}
            continue
        nested = len(own) == 1 and _is_nested(arrays[0], own[0], values)
        for j, (name, array) in enumerate(zip(own, arrays)):
            part = slice(None) if len(own) == 1 else slice(j, j + 1)
            parts = [_own_where_known(cell, v[:, part], k[:, part], name) for cell, v, k in zip(array, values, known)]
            filled[name] = [_listed(v, nested) for v in parts]
            if std is not None:
                widths[f"{name}{STD}"] = [_listed(w[:, part], nested) for w in std]
    return with_columns(table, filled, widths)


def _gaps(array: Array) -> Array:
    return ~np.isfinite(array) if array.dtype.kind == "f" else np.zeros(len(array), bool)


def _filled(column: Any, name: Any, array: Array, recovered: Array) -> Array:
    kind = str(getattr(column, "dtype", getattr(column, "type", "")))
    if "int" in kind.lower() and np.nanmax(np.abs(array), initial=0) >= EXACT:
        raise too_large(name)
    return np.where(_gaps(array), recovered, array).astype(array.dtype)


def _is_nested(array: Array, name: Any, values: Sequence[Array]) -> bool:
    """Whether a column of lists holds frames; a column of empty cells does where sequences have several numbers."""
    first = next((v for v in array if not is_nothing(v)), None) if array.dtype.kind == "O" else None
    if first is not None:
        return frames_of(first, name).ndim == 2
    return values[0].shape[1] > 1 and max(len(v) for v in values) > 1


def _check_same(own: Array, recovered: Array, known: Array, name: Any) -> None:
    """Refuses another table of the same size: a number that was known is not in it.

    Raises:
        DataError: the column that holds another one.
    """
    with np.errstate(invalid="ignore"):
        same = np.abs(own - recovered) <= np.maximum(np.abs(own) * ROUNDING, SMALLEST)
    if (known & ~same).any():
        raise DataError(
            f"column '{name}' holds other numbers than when it was recovered", "give the same table, its rows in order"
        )


def _own_where_known(cell: Any, recovered: Array, known: Array, name: Any) -> Array:
    """``[T, d]`` of one cell: its own numbers where they are known."""
    if is_nothing(cell):
        _check_same(np.full_like(recovered, np.nan), recovered, known, name)
        return recovered
    own = frames_of(cell, name).reshape(-1, recovered.shape[1])
    if len(own) == len(recovered):
        _check_same(own, recovered, known, name)
    # Zeros at the ends may have been taken for padding and cut off: then there is nothing beside these frames.
    return np.where(np.isfinite(own), own, recovered) if len(own) == len(recovered) else own


def _listed(frames: Array, nested: bool) -> list[Any]:
    return list(frames.tolist() if nested else frames.reshape(-1).tolist())


def with_columns(table: Any, changed: Mapping[Any, Any], added: Mapping[Any, Any]) -> Any:
    """The same kind of table with some columns replaced and others added at its end.

    Raises:
        DataError: a column that is to be added is there, or the columns have another number of rows.
    """
    rows, answered = rows_of(table), {len(values) for values in (*changed.values(), *added.values())}
    if answered - {rows}:
        raise DataError(f"the table has {rows} rows, {max(answered - {rows})} were answered", "give the same table")
    twice = [name for name in added if name in names_of(table)]
    if twice:
        raise DataError(f"the table has a column '{twice[0]}' already", "drop it, or give it another name")
    if isinstance(table, TextColumns):
        texts = {name: _texts(values, table.get(name)) for name, values in {**changed, **added}.items()}
        return TextColumns({**table, **texts})
    if hasattr(table, "with_format"):
        return type(table)(with_columns(real_table(table), changed, added))
    if hasattr(table, "iloc"):
        # Joined at once, for pandas warns of tables that grow by single columns; and by place, for an index may hold
        # a label twice.
        whole = table.reset_index(drop=True)
        for name, values in changed.items():
            whole[name] = _series(whole[name], values)
        beside = type(table)({name: _cells(values) for name, values in added.items()}, index=whole.index)
        return whole.join(beside).set_axis(table.index)
    if hasattr(table, "with_columns"):
        own = type(table)({str(n): _cells(v) for n, v in {**changed, **added}.items()})
        return table.with_columns(own.get_columns())
    own = type(table).from_pydict({n: _cells(v) for n, v in {**changed, **added}.items()})
    retyped = [name for name in changed if own[name].type != table.schema.field(name).type]
    for name in changed:
        table = table.set_column(table.column_names.index(name), name, own[name])
    table = table.replace_schema_metadata(_without_types(table.schema.metadata, retyped))
    for name in added:
        table = table.append_column(name, own[name])
    return table


def _without_types(metadata: Mapping[bytes, bytes] | None, columns: Sequence[str]) -> Mapping[bytes, bytes] | None:
    """What a schema says beside its types, without what pandas noted of columns that have another type now.

    pandas would make whole numbers of them again.
    """
    if not metadata or PANDAS not in metadata or not columns:
        return metadata
    facts = json.loads(metadata[PANDAS])
    facts["columns"] = [c for c in facts.get("columns", []) if c.get("field_name") not in columns]
    return {**metadata, PANDAS: json.dumps(facts).encode()}


def _series(before: Any, values: Any) -> Any:
    if isinstance(values, list):
        return type(before)(values, index=before.index, dtype=object)
    return values.astype(before.dtype) if getattr(before.dtype, "name", "") == "float32" else values


def _cells(values: Any) -> Any:
    """A column as constructors of tables take it: words as a list, which every one of them reads as words."""
    return values.tolist() if isinstance(values, np.ndarray) and values.dtype.kind in "US" else values


def _texts(values: Any, before: Sequence[str] | None) -> list[str]:
    """Cells of a CSV file; those that hold a number stay as they are written."""
    after = [str(v) for v in values]
    if before is None:
        return after
    known = np.isfinite(cells(TextColumns({"": list(before)}), ""))
    return [old if keep else new for old, new, keep in zip(before, after, known)]
