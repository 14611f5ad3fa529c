"""One table per modality, a row per sample, joined by an ``id`` column: omics, questionnaires, sensor summaries.

.. code-block:: text

    mine/labels.csv      id,split,y,centre       (or samples.csv)
    mine/rna.csv         id,g1,g2,g3             a vector per sample
    mine/protein.csv     id,p1,p2                of other samples, in another order

A sample has a modality where its id is in that table.  ``labels.csv`` is a table of samples (``sample_table``).
The tables end in ``.csv`` (commas, semicolons or tabs) or ``.tsv``; all their columns but
``id`` are numbers, and an empty cell, ``nan`` or ``NA`` means that nothing was measured.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import numpy as np

from md2n.brief import first_few
from md2n.data.readers.arrays import from_arrays
from md2n.data.readers.clips import LABELS
from md2n.data.readers.dataframes import columns_of, index_of, numbers
from md2n.data.readers.files import fingerprints, plain_name, require_file
from md2n.data.readers.folder import TABLE
from md2n.data.readers.labels import is_label_name
from md2n.data.readers.sample_table import Facts, Options, check_unique, read_facts
from md2n.data.readers.text_table import SAVE, open_table
from md2n.data.samples import Array, Samples
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.reading import named

SAMPLE_TABLES = (TABLE, LABELS)
SUFFIXES = (".csv", ".tsv")
ID = "id"


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


@named()
def read_tables(
    path: str | Path, *, name: str = "", label: str = "", split: str = "split", **options: Unpack[Options]
) -> Samples:
    """Read a folder with one table per modality and ``labels.csv`` or ``samples.csv``.

    Args:
        path: the folder, or its table of samples.
        name: of the data set; the folder's name if not given.
        label: the label column used by default, whatever it is called; the first if not given.
        split: the column that holds the split.
        **options: see ``Options``.

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
    facts = read_facts(about, split, label, options)
    tables: dict[str, Vectors] = {}
    for file in files:
        modality = plain_name(file.stem)
        if modality in tables:
            raise DataError(f"'{folder}' has two tables of '{modality}'", "keep one, or rename one")
        tables[modality] = read_vectors(file)
    others = sorted(p.name for p in folder.iterdir() if not p.name.startswith(".") and p not in [about, *files])
    empty = [c for c, cells in facts.columns.items() if not any(cells)]
    notes = [f"column '{c}' of {about.name} is empty and was left out" for c in empty]
    notes += [f"left out, for tables of modalities end in .csv or .tsv: {first_few(others)}"] if others else []
    return _joined(
        tables,
        {plain_name(file.stem): f"'{file}'" for file in files},
        facts,
        about.name,
        groups={k: cells for k, cells in facts.columns.items() if k not in empty},
        name=name or folder.resolve().name,
        default_label=label,
        notes=notes,
        source={"reader": "tables", "files": fingerprints([about, *files])},
    )


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
    **options: Unpack[Options],
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
        **options: see ``Options``.

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
    facts = Facts(list(dict.fromkeys(one for t in joined.values() for one in t.ids)), None, {}, options, {})
    if samples is not None:
        ids, groups = _with_ids(samples, about)
        named = [*([label] if label else []), *(options.get("kinds") or ()), *(options.get("classes") or ())]
        chosen = list(dict.fromkeys([*(filter(is_label_name, groups) if labels is None else labels), *named]))
        for one in [*chosen, *([split] if split != "split" else [])]:
            if one not in groups:
                raise UsageError(f"{about} has no column '{one}'", did_you_mean(one, groups))
        facts = Facts(ids, groups.pop(split, None), {c: groups.pop(c) for c in chosen}, options, groups)
    return _joined(
        joined,
        {k: f"modality '{k}'" for k in joined},
        facts,
        about,
        groups=facts.columns,
        name=name,
        default_label=label,
        source={"reader": "tables"},
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
    **more: Any,
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
            left.append(
                f"{modality}: {len(strangers)} rows of no sample in {about} were left out ({first_few(strangers)})"
            )
    return from_arrays(
        features,
        facts.targets or None,
        splits=facts.splits,
        ids=facts.ids,
        present=present,
        notes=[*notes, *left],
        **facts.options,
        **more,
    )
