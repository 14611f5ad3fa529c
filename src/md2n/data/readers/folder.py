"""A folder of ``.npy`` files and a ``samples.csv`` that says which file belongs to which sample.

``samples.csv`` is UTF-8 with a header line; one line per sample.  Its columns:

- ``id`` (needed): unique in the file.
- ``split``: train, valid (or val, dev), test, or empty.
- **modalities**: every column whose filled cells all end in ``.npy``.  A cell is a path relative to the folder, or
  empty where the sample lacks the modality.  A file holds ``[T, d]``, or ``[d]`` for a vector; an empty array, such as
  ``np.array([])``, means the same as an empty cell.
- **labels**: ``y``, ``label``, and every column that starts with ``y_`` or ``label_`` (or those named by the caller).
  Cells that are all whole numbers, written without a point, are classes if they take at most fifty values; cells that
  are all numbers are real values; anything else is classes, named by their words.  An empty cell, ``nan``, ``NA`` and
  the like (``readers.labels``) are unknown.
- everything else is a group column: speaker, subject, video.

A path may not leave the folder.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from md2n.data.readers.arrays import from_arrays
from md2n.data.readers.budget import Budget
from md2n.data.readers.files import fingerprints
from md2n.data.readers.labels import MOST_CLASSES, as_number, is_unknown
from md2n.data.readers.npy import load_npy
from md2n.data.readers.text_table import SAVE, open_table, with_slashes
from md2n.data.samples import Array, Samples
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.reading import named

TABLE = "samples.csv"
HEADS = frozenset({"id", "file"})
"""Columns that tables of samples and of clips have."""
MOST_GROUPS = 1000
_WHOLE = re.compile(r"[+-]?\d{1,18}")


@named()
def read_folder(
    path: str | Path,
    *,
    name: str = "",
    label: str = "",
    labels: Sequence[str] | None = None,
    split: str = "split",
    kinds: Mapping[str, str] | None = None,
    classes: Mapping[str, Sequence[str]] | None = None,
    unknown: Sequence[Any] = (),
    drop_empty: bool = False,
) -> Samples:
    """Read a folder with ``samples.csv``.

    Args:
        path: the folder, or its ``samples.csv``.
        name: of the data set; the folder's name if not given.
        label: the label column used by default; the first if not given.
        labels: names of the label columns, where the rule by name does not find them.
        split: the column that holds the split.
        kinds: label column -> ``regression`` or ``classification`` where the rule guesses wrong.
        classes: label column -> class names in order.
        unknown: label values that mean "not known", besides empty cells and the like.
        drop_empty: leave out samples without any modality instead of refusing them.

    Raises:
        UnsafeFileError: an ``.npy`` of Python objects; it was not read.
        DataError: the table or a file is missing, damaged or does not hold together; the message names line and file.
        UsageError: ``label``, ``labels``, ``split``, ``kinds`` or ``classes`` names nothing.
    """
    table = Path(path)
    table = table / TABLE if table.is_dir() else table
    root = table.parent
    columns = read_table(table)
    facts = take_facts(columns, table, split=split, labels=labels, kinds=kinds, classes=classes, unknown=unknown)
    features: dict[str, Any] = {}
    for column in list(columns):
        cells = [c for c in columns[column] if c]
        if cells and all(c.lower().endswith(".npy") for c in cells):
            lines = columns.pop(column)
            features[column] = [_array(root, c, column, i + 2, table) if c else None for i, c in enumerate(lines)]
            _check_sizes(features[column], lines, column, table)
        elif any(c.lower().endswith(".npy") for c in cells):
            wrong = next(i for i, c in enumerate(columns[column]) if c and not c.lower().endswith(".npy"))
            raise DataError(
                f"'{table}', line {wrong + 2}: '{column}' holds '{columns[column][wrong]}' among paths of .npy files",
                "a modality's cell is a path or empty",
            )
    if not features:
        raise DataError(
            f"'{table}' has no modality: no column holds paths of .npy files",
            "give one column per modality, for instance text, with cells such as text/0001.npy",
        )
    check_groups(columns, table)
    nothing = [c for c in columns if not any(columns[c])]
    if nothing:
        raise DataError(
            f"'{table}': column '{nothing[0]}' is empty in every line",
            "if it is a modality, no sample has it; remove the column",
        )
    try:
        return from_arrays(
            features,
            facts.targets or None,
            splits=facts.splits,
            ids=facts.ids,
            groups=columns,
            name=name or root.resolve().name,
            kinds=kinds,
            classes=facts.classes,
            unknown=unknown,
            default_label=label,
            source={"reader": "folder", "files": fingerprints([table])},
            drop_empty=drop_empty,
        )
    except DataError as error:
        raise type(error)(f"'{table}': {error.message}", error.hint) from error


class Facts(NamedTuple):
    """What a table tells of its samples beside features and groups.

    Args:
        ids: unique.
        splits: a word per sample; None without such a column.
        targets: label column -> a value per sample, as ``from_arrays`` takes it.
        classes: label column -> class names in order.
    """

    ids: Sequence[str]
    splits: Sequence[str] | None
    targets: Mapping[str, Any]
    classes: Mapping[str, Sequence[str]]


def take_facts(
    columns: dict[str, list[str]],
    table: Path,
    *,
    split: str = "split",
    labels: Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
    classes: Mapping[str, Sequence[str]] | None = None,
    unknown: Sequence[Any] = (),
) -> Facts:
    """Ids, splits and labels of a table; their columns are taken out of ``columns``.

    Raises:
        DataError: no ``id``, or one that is empty or stands twice.
        UsageError: ``labels`` or ``split`` names nothing.
    """
    ids = columns.pop("id", None)
    if ids is None:
        raise DataError(f"'{table}' has no column 'id'", did_you_mean("id", columns))
    check_unique(ids, table)
    if split not in columns and split != "split":
        raise UsageError(f"'{table}' has no column '{split}'", did_you_mean(split, columns))
    splits = columns.pop(split, None)
    if labels is None:
        chosen = [c for c in columns if c in ("y", "label") or c.startswith(("y_", "label_"))]
    else:
        chosen = list(labels)
        for column in chosen:
            if column not in columns:
                raise UsageError(f"'{table}' has no column '{column}'", did_you_mean(column, columns))
    targets: dict[str, Any] = {}
    orders = dict(classes or {})
    for column in chosen:
        targets[column], order = target_of(columns.pop(column), (kinds or {}).get(column), orders.get(column), unknown)
        if order is not None:
            orders[column] = order
    return Facts(ids, splits, targets, orders)


@named(hint=SAVE)
def read_table(table: Path) -> dict[str, list[str]]:
    """The columns of a table of samples, stripped text.

    A path with backslashes, as Windows writes it, is given with slashes where a file beside the table has that name.

    Raises:
        DataError: as ``open_table``.
    """
    cells = open_table(table, HEADS)
    columns = {
        column: [with_slashes(row[i], table.parent) for row in cells.rows] for i, column in enumerate(cells.header)
    }
    budget = Budget(table)
    for column, texts in columns.items():  # an array of texts is as wide as its longest
        budget.spend((len(texts), max(map(len, texts))), 4, column)
    return columns


def check_groups(columns: Mapping[str, Sequence[str]], table: Path) -> None:
    """Refuses a table whose columns can hardly all be groups: each becomes a file of the store.

    Raises:
        DataError: too many.
    """
    if len(columns) > MOST_GROUPS:
        raise DataError(
            f"'{table}' has {len(columns)} columns beside id, split, labels and modalities ({next(iter(columns))}, "
            f"...), and at most {MOST_GROUPS} can be groups",
            "features belong into files of arrays, not into this table; leave out what is neither group nor label",
        )


def check_unique(ids: Sequence[str], table: Path) -> None:
    """Refuses an empty id, or one that stands twice.

    Raises:
        DataError: naming the lines.
    """
    first: dict[str, int] = {}
    for line, one in enumerate(ids, start=2):
        if not one:
            raise DataError(f"'{table}', line {line} has no id", "give every sample an id")
        if one in first:
            raise DataError(
                f"'{table}': id '{one}' stands in lines {first[one]} and {line}", "give every sample its own"
            )
        first[one] = line


def target_of(
    cells: Sequence[str], kind: str | None, classes: Sequence[str] | None, unknown: Sequence[Any] = ()
) -> tuple[Any, Sequence[str] | None]:
    """Values of a label column, as ``label_column`` takes them, and its class names, where it has some."""
    meant = set(classes or ()) - {""}
    words = ["" if is_unknown(c, unknown) and c not in meant else c for c in cells]
    known = [w for w in words if w]
    numbers = [as_number(w) for w in known]
    if None in numbers or (classes is not None and set(known) <= meant):
        return np.array(words, dtype=np.str_), classes
    huge = next((w for w, n in zip(known, numbers) if n in (math.inf, -math.inf) and any(map(str.isdigit, w))), None)
    if huge is not None:
        raise DataError(f"a label is {huge[:20]}..., which no number can hold", "correct that cell, or leave it empty")
    values = np.full(len(words), np.nan)
    values[[bool(w) for w in words]] = numbers
    whole = bool(known) and all(_WHOLE.fullmatch(w) for w in known)
    codes = sorted({int(w) for w in known}) if whole else []
    if classes is not None or kind == "regression" or not whole or (kind is None and len(codes) > MOST_CLASSES):
        return values, classes
    return np.array([str(int(w)) if w else "" for w in words], dtype=np.str_), [str(c) for c in codes]


def _array(root: Path, cell: str, column: str, line: int, table: Path) -> Array:
    where = f"'{table}', line {line}, '{column}'"
    file = root / cell
    if not file.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{where}: '{cell}' leaves the folder", "paths are relative to the folder and stay in it")
    array = load_npy(file, f"{where}: ")
    if array.ndim not in (1, 2):
        raise DataError(f"{where}: '{cell}' has shape {array.shape}", "a file holds [frames, features], or [features]")
    return array


def _check_sizes(arrays: Sequence[Array | None], cells: Sequence[str], column: str, table: Path) -> None:
    first: dict[int, str] = {}
    for cell, array in zip(cells, arrays):
        if array is not None and array.shape[-1]:  # an empty one is absent
            first.setdefault(array.shape[-1], cell)
    if len(first) > 1:
        sizes = ", ".join(f"{size} in '{cell}'" for size, cell in first.items())
        raise DataError(
            f"'{table}': feature sizes of '{column}' differ: {sizes}",
            "one modality has one feature size: extract it again, or make it another modality",
        )
