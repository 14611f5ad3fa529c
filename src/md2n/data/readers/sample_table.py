"""The table of samples (``samples.csv``, ``labels.csv``): which samples there are, their splits, labels and groups.

- ``id`` (needed): unique.
- ``split``: train, valid (or val, dev), test, or empty.
- **labels**: ``y``, ``label``, every column that starts with ``y_`` or ``label_``, and those that the caller names.
  Cells that are all whole numbers, written without a point, are classes if they take at most fifty values; cells that
  are all numbers are real values; anything else is classes, named by their words.  An empty cell, ``nan``, ``NA`` and
  the like (``readers.labels``) are unknown.
- everything else, unless a reader takes it, is a group: speaker, subject, video.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np

from md2n.brief import first_few
from md2n.data.readers.budget import Budget
from md2n.data.readers.labels import MOST_CLASSES, as_number, is_label_name, is_unknown
from md2n.data.readers.text_table import SAVE, open_table, with_slashes
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.reading import named

HEADS = frozenset({"id", "file"})
"""Columns that tables of samples and of clips have."""
MOST_GROUPS = 1000
_WHOLE = re.compile(r"[+-]?\d{1,18}")


class Options(TypedDict, total=False):
    """What a person says of labels and samples, whatever the layout; readers hand it to ``arrays.from_arrays``.

    Args:
        kinds: label column -> ``regression`` or ``classification``, where the rule guesses wrong.
        classes: label column -> class names in the order of their codes.
        unknown: label values that mean "not known", besides empty cells, NaN and the like.
        drop_empty: leave out samples without any modality instead of refusing them.
    """

    kinds: Mapping[str, str] | None
    classes: Mapping[str, Sequence[str]] | None
    unknown: Sequence[Any]
    drop_empty: bool


class Facts(NamedTuple):
    """What a table says of its samples.

    Args:
        ids: unique.
        splits: a word per sample; None without such a column.
        targets: label column -> a value per sample, as ``from_arrays`` takes it.
        options: those of the caller, with the classes of the labels.
        columns: the other columns.
    """

    ids: Sequence[str]
    splits: Sequence[str] | None
    targets: Mapping[str, Any]
    options: Options
    columns: dict[str, Any]


def read_facts(table: Path, split: str, label: str, options: Options) -> Facts:
    """Ids, splits and labels of a table of samples.

    Args:
        table: path.
        split: name of the column that holds the split.
        label: a label column, whatever it is called; so are the columns named in ``options``.
        options: of the caller.

    Raises:
        DataError: no table, no ``id``, one that is empty or repeated, or too many columns.
        UsageError: ``split`` names nothing.
    """
    columns = read_table(table)
    ids = columns.pop("id", None)
    if ids is None:
        raise DataError(f"'{table}' has no column 'id'", did_you_mean("id", columns))
    check_unique(ids, table)
    if split not in columns and split != "split":
        raise UsageError(f"'{table}' has no column '{split}'", did_you_mean(split, columns))
    splits = columns.pop(split, None)
    kinds, classes = options.get("kinds") or {}, dict(options.get("classes") or {})
    targets = {}
    for column in dict.fromkeys([*filter(is_label_name, columns), label, *kinds, *classes]):
        if column and column in columns:
            cells, known = columns.pop(column), classes.get(column)
            targets[column], order = target_of(cells, kinds.get(column), known, options.get("unknown", ()))
            classes |= {} if order is None else {column: order}
    if len(columns) > MOST_GROUPS:  # each group becomes a file of the store
        raise DataError(
            f"'{table}' has {len(columns)} columns beside id, split and labels ({first_few(columns, 1)}), and at most "
            f"{MOST_GROUPS} can be groups",
            "features belong into files of arrays, not into this table; leave out what is neither group nor label",
        )
    return Facts(ids, splits, targets, {**options, "classes": classes}, columns)


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


def check_unique(ids: Sequence[str], table: Path) -> None:
    """Refuses an empty or repeated id.

    Raises:
        DataError: naming the lines.
    """
    first: dict[str, int] = {}
    for line, one in enumerate(ids, start=2):
        if not one:
            raise DataError(f"'{table}', line {line} has no id", "give every sample an id")
        if one in first:
            raise DataError(f"'{table}': id '{one}' is in lines {first[one]} and {line}", "give every sample its own")
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
