"""One table per modality, a row per sample, joined by an ``id`` column: omics, questionnaires, sensor summaries.

.. code-block:: text

    mine/labels.csv      id,split,y,centre       (or samples.csv)
    mine/rna.csv         id,g1,g2,g3             a vector per sample
    mine/protein.csv     id,p1,p2                of other samples, in another order

A sample has a modality where its id is in that table.  ``labels.csv`` says which samples there are: ``id`` (needed,
unique), ``split``, labels (``y``, ``label``, what begins with ``y_`` or ``label_``, or is named by the caller), and
groups (everything else).  The tables end in ``.csv`` (commas, semicolons or tabs) or ``.tsv``; all their columns but
``id`` are numbers, and an empty cell, ``nan`` or ``NA`` means that nothing was measured.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from md2n.data.readers.arrays import from_arrays
from md2n.data.readers.clips import LABELS
from md2n.data.readers.dataframes import columns_of, index_of, numbers
from md2n.data.readers.files import fingerprints, plain_name, require_file
from md2n.data.readers.folder import TABLE, Facts, check_groups, check_unique, read_table, take_facts
from md2n.data.readers.text_table import SAVE, open_table
from md2n.data.samples import Array, Samples
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.reading import named

SAMPLE_TABLES = (TABLE, LABELS)
SUFFIXES = (".csv", ".tsv")
ID = "id"
SOME = 3


class Vectors(NamedTuple):
    """A table of one modality.

    Args:
        ids: of its rows.
        values: ``[rows, d]``; NaN where nothing was measured.
        columns: ``[d]`` names.
    """

    ids: Sequence[str]
    values: Array
    columns: Sequence[str]


def table_files(folder: Path) -> list[Path]:
    """The tables of modalities in a folder: every ``.csv`` and ``.tsv`` but those of samples."""
    files = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return sorted(p for p in files if p.suffix.lower() in SUFFIXES and p.name not in SAMPLE_TABLES)


def read_tables(
    path: str | Path,
    *,
    name: str = "",
    label: str = "",
    split: str = "split",
    kinds: Mapping[str, str] | None = None,
    classes: Mapping[str, Sequence[str]] | None = None,
    unknown: Sequence[Any] = (),
    drop_empty: bool = False,
) -> Samples:
    """Read a folder with one table per modality and ``labels.csv`` or ``samples.csv``.

    Args:
        path: the folder, or its table of samples.
        name: of the data set; the folder's name if not given.
        label: the label column used by default, whatever it is called; the first if not given.
        split: the column that holds the split.
        kinds: label column -> ``regression`` or ``classification`` where the rule guesses wrong.
        classes: label column -> class names in order.
        unknown: label values that mean "not known", besides empty cells and the like.
        drop_empty: leave out samples without any modality instead of refusing them.

    Raises:
        DataError: a table is missing, damaged, without ids or with other cells than numbers, or shares no id with the
            table of samples; the message names file, line and column.
        UsageError: ``label``, ``split``, ``kinds`` or ``classes`` names nothing.
    """
    source = Path(path)
    folder = source if source.is_dir() else source.parent
    there = [folder / t for t in SAMPLE_TABLES if (folder / t).is_file()] or [folder / LABELS]
    about = there[0] if source.is_dir() else require_file(source)
    files = [p for p in table_files(folder) if p != about]
    if not files:
        raise DataError(f"'{folder}' holds no table of a modality", "give each modality a .csv with a column 'id'")
    columns = read_table(about)
    by_rule = [c for c in columns if c in ("y", "label") or c.startswith(("y_", "label_"))]
    named = [c for c in dict.fromkeys([label, *(kinds or {}), *(classes or {})]) if c in columns and c not in by_rule]
    facts = take_facts(
        columns, about, split=split, labels=[*by_rule, *named], kinds=kinds, classes=classes, unknown=unknown
    )
    check_groups(columns, about)
    tables: dict[str, Vectors] = {}
    for file in files:
        modality = plain_name(file.stem)
        if modality in tables:
            raise DataError(f"'{folder}' has two tables of '{modality}'", "keep one, or rename one")
        tables[modality] = read_vectors(file)
    others = sorted(p.name for p in folder.iterdir() if not p.name.startswith(".") and p not in [about, *files])
    empty = [c for c, cells in columns.items() if not any(cells)]
    notes = [f"column '{c}' of {about.name} is empty and was left out" for c in empty]
    notes += [f"left out, for tables of modalities end in .csv or .tsv: {_some(others)}"] if others else []
    try:
        return _joined(
            tables,
            {plain_name(file.stem): f"'{file}'" for file in files},
            facts,
            about.name,
            groups={k: cells for k, cells in columns.items() if k not in empty},
            name=name or folder.resolve().name,
            kinds=kinds,
            unknown=unknown,
            default_label=label,
            notes=notes,
            source={"reader": "tables", "files": fingerprints([about, *files])},
            drop_empty=drop_empty,
        )
    except DataError as error:
        where = "" if str(folder) in error.message else f"'{folder}': "
        raise type(error)(f"{where}{error.message}", error.hint) from error


@named(hint=SAVE)
def read_vectors(path: Path) -> Vectors:
    """A table with a column ``id`` and numbers.

    Raises:
        DataError: missing, empty, no text, no ids or one twice, no other column, or a cell that is no number.
    """
    table = open_table(path, frozenset({ID}), repeats=True)
    at = _place_of_ids(table.header, path)
    others = [i for i in range(len(table.header)) if i != at]
    ids = [row[at] for row in table.rows]
    check_unique(ids, path)
    with np.errstate(over="ignore"):
        return Vectors(ids, table.numbers(others).astype(np.float32), [table.header[i] for i in others])


def _place_of_ids(header: Sequence[str], path: Path) -> int:
    if header.count(ID) != 1:
        what = "no column" if ID not in header else "more than one column"
        unnamed = "its first column has no name: call it 'id'" if header and not header[0] else ""
        raise DataError(f"'{path}' has {what} '{ID}'", unnamed or did_you_mean(ID, dict.fromkeys(header)))
    if len(header) == 1:
        raise DataError(f"'{path}' has ids but no feature", "give it a column per feature beside 'id'")
    return header.index(ID)


def from_tables(
    tables: Mapping[str, Any],
    samples: Any = None,
    *,
    label: str = "",
    labels: Sequence[str] | None = None,
    split: str = "split",
    name: str = "tables",
    kinds: Mapping[str, str] | None = None,
    classes: Mapping[str, Sequence[str]] | None = None,
    drop_empty: bool = False,
) -> Samples:
    """Tables in memory joined by id; a sample has a modality where its id is in that table.

    Args:
        tables: modality name -> table of pandas, polars or Arrow, or column name -> values; with a column ``id``, or
            the ids as the names of its rows.
        samples: a table with ``id``, and if there are any ``split``, labels and groups; None to predict on, with all
            ids that are in a table.
        label: the label column used by default; the first if not given.
        labels: names of the label columns, where ``y``, ``label``, ``y_...`` and ``label_...`` are not all.
        split: the column that holds the split.
        name: of the data set.
        kinds: label column -> ``regression`` or ``classification`` where the rule guesses wrong.
        classes: label column -> class names in order.
        drop_empty: leave out samples without any modality instead of refusing them.

    Raises:
        DataError: a table without ids, with an id twice, with other cells than numbers, or that shares no id with
            ``samples``.
        UsageError: ``label``, ``labels``, ``split``, ``kinds`` or ``classes`` names nothing.

    >>> rna = {"id": ["a", "b"], "g1": [0.5, 1.5]}
    >>> protein = {"id": ["c", "a"], "p1": [7.0, 8.0]}
    >>> from_tables({"rna": rna, "protein": protein}, {"id": ["a", "b", "c"], "y": [1, 0, 1]}).present.tolist()
    [[True, True], [True, False], [False, True]]
    """
    about = "the table of samples"
    joined = {k: _vectors(t, f"modality '{k}'") for k, t in tables.items()}
    if not joined:
        raise DataError("no table of a modality was given", "give at least two: {'rna': ..., 'protein': ...}")
    groups: dict[str, Any] = {}
    facts = Facts(list(dict.fromkeys(one for t in joined.values() for one in t.ids)), None, {}, {})
    if samples is not None:
        ids, groups = _with_ids(samples, about)
        chosen = [c for c in groups if c in ("y", "label") or c.startswith(("y_", "label_"))]
        chosen = list(dict.fromkeys([*(chosen if labels is None else labels), *([label] if label else [])]))
        for one in [*chosen, *(kinds or {}), *(classes or {}), *([split] if split != "split" else [])]:
            if one not in groups:
                raise UsageError(f"{about} has no column '{one}'", did_you_mean(one, groups))
        chosen = list(dict.fromkeys([*chosen, *(kinds or {}), *(classes or {})]))
        facts = Facts(ids, groups.pop(split, None), {c: groups.pop(c) for c in chosen}, classes or {})
    return _joined(
        joined,
        {k: f"modality '{k}'" for k in joined},
        facts,
        about,
        groups=groups,
        name=name,
        kinds=kinds,
        default_label=label,
        source={"reader": "tables"},
        drop_empty=drop_empty,
    )


def _with_ids(table: Any, what: str) -> tuple[list[str], dict[str, Any]]:
    """Ids and the other columns of a table in memory."""
    columns = columns_of(table)
    ids = columns.pop(ID) if ID in columns else index_of(table)
    if ids is None:
        raise DataError(f"{what} has no column '{ID}'", f"{did_you_mean(ID, columns)}; or name its rows by the ids")
    words = [_id(one) for one in np.asarray(ids, dtype=object).tolist()]
    first: dict[str, int] = {}
    for row, one in enumerate(words):
        if not one:
            raise DataError(f"row {row} of {what} has no id", "give every row an id")
        if first.setdefault(one, row) != row:
            raise DataError(f"{what} has id '{one}' in rows {first[one]} and {row}", "give every sample one row")
    return words, columns


def _id(value: Any) -> str:
    """An id in words; beside an empty cell whole numbers become 1.0, 2.0, ..."""
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _vectors(table: Any, what: str) -> Vectors:
    ids, columns = _with_ids(table, what)
    if not columns:
        raise DataError(f"{what} has ids but no feature", "give it a column per feature beside 'id'")
    return Vectors(ids, np.column_stack([numbers(v, k, what) for k, v in columns.items()]), list(columns))


def _joined(
    tables: Mapping[str, Vectors],
    places: Mapping[str, str],
    facts: Facts,
    about: str,
    *,
    notes: Sequence[str] = (),
    **options: Any,
) -> Samples:
    """A row per sample of the table of samples; absent where a table does not have its id."""
    features, present = {}, {}
    known = set(facts.ids)
    left = []
    for modality, table in tables.items():
        row = {one: i for i, one in enumerate(table.ids)}
        there = np.array([one in row for one in facts.ids], bool)
        if not there.any():
            turn = known & set(table.columns)
            raise DataError(
                f"{places[modality]} shares no id with {about}: it has '{table.ids[0]}', the other '{facts.ids[0]}'",
                "turn it: its columns bear the ids of samples" if turn else "write the ids in the same way in both",
            )
        values = np.full((len(facts.ids), table.values.shape[1]), np.nan, np.result_type(table.values, np.float32))
        values[there] = table.values[[row[one] for one in facts.ids if one in row]]
        features[modality], present[modality] = values, there
        strangers = [one for one in table.ids if one not in known]
        if strangers:
            left.append(f"{modality}: {len(strangers)} rows of no sample in {about} were left out ({_some(strangers)})")
    return from_arrays(
        features,
        facts.targets or None,
        splits=facts.splits,
        ids=facts.ids,
        classes=facts.classes,
        present=present,
        notes=[*notes, *left],
        **options,
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SOME]) + (", ..." if len(names) > SOME else "")
