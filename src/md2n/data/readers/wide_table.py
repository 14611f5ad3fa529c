"""One table with all modalities side by side becomes samples: a frame in memory, a Parquet or a CSV file.

.. code-block:: text

    id,split,y,subject,acc_x,acc_y,hr_mean,hr_std       a row per sample

``id`` and ``split`` are those of ``sample_table``; labels are ``y``, ``label``, ``y_...``, ``label_...`` and those
named; groups are the columns named; ``readers.wide`` says which columns a modality has.  Other columns are left out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from md2n.brief import first_few
from md2n.data.readers.arrays import ONE_LABEL, from_arrays
from md2n.data.readers.dataframes import column
from md2n.data.readers.files import fingerprints, plain_name
from md2n.data.readers.labels import is_label_name, word_of
from md2n.data.readers.nonfinite import NonFinite, concat
from md2n.data.readers.padding import ZEROS
from md2n.data.readers.sample_table import target_of
from md2n.data.readers.spool import Spool
from md2n.data.readers.table_file import TableFile
from md2n.data.readers.wide import COLUMNS, Columns, Wanted, chosen_columns, guessed_columns
from md2n.data.readers.wide_cells import TextColumns, features_of, holds, names_of, real_table, rows_of, sizes_of
from md2n.data.samples import Samples
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.reading import named

ID, SPLIT = "id", "split"
PANDAS_INDEX = "__index_level_"  # what pandas calls the names of its rows in a Parquet file


@named()
def read_table(
    path: str | Path,
    *,
    name: str = "",
    label: str = "",
    split: str = "",
    columns: Wanted | None = None,
    groups: Sequence[str] = (),
    **options: Any,
) -> Samples:
    """Reads a Parquet or CSV file with all modalities side by side; features are memory-mapped, not in memory.

    Args:
        path: of the file.
        name: of the data set; the file's if not given.
        label: the label column used by default, whatever it is called.
        split: the column that holds the split; ``split`` if not given.
        columns: modality -> columns; guessed from what names begin with if not given.
        groups: columns that say who a sample is from.
        **options: see ``sample_table.Options``.

    Raises:
        DataError: damaged, a cell that is no number, no modalities to be guessed, a modality in no row.
        UsageError: ``label``, ``split``, ``groups`` or ``columns`` names nothing; Parquet without pyarrow.
    """
    file = TableFile(Path(path))
    wide = _Wide(file.names, file.chunks, label, split or SPLIT, tuple(groups), options, spooled=True)
    source = {"reader": "table", "files": fingerprints([file.path])}
    return wide.samples(name or plain_name(file.path.stem), columns, source)


def from_table(
    table: Any,
    label: Any = "",
    *,
    modalities: Wanted | None = None,
    groups: Sequence[str] | str = (),
    split: str = "",
    name: str = "table",
    **options: Any,
) -> Samples:
    """Samples from a table in memory: of pandas, polars, Arrow or Hugging Face's ``datasets``.

    Args:
        table: a row per sample.
        label: name of the label column, or ``[N]`` labels.
        modalities: modality -> columns; guessed from what names begin with if not given, which a note says.
        groups: names of the columns that say who a sample is from.
        split: the column that holds the split; ``split`` if not given.
        name: of the data set.
        **options: see ``sample_table.Options``.

    Raises:
        DataError, UsageError: as ``read_table``.

    >>> table = {"acc_x": [1.0, None], "acc_y": [2.0, None], "hr": [60.0, 61.0], "y": [0, 1]}
    >>> import polars                                                              # doctest: +SKIP
    >>> from_table(polars.DataFrame(table), "y").present.tolist()                  # doctest: +SKIP
    [[True, True], [False, True]]
    """
    table = real_table(table)
    chosen = (groups,) if isinstance(groups, str) else tuple(groups)
    wide = _Wide(names_of(table), lambda names: [table], label, split or SPLIT, chosen, options)
    return wide.samples(name, modalities, {"reader": "table"})


@dataclass(frozen=True)
class _Wide:
    """A table that is to become samples.

    Args:
        names: of its columns.
        chunks: names of columns -> the table with them, some rows at a time.
        label: name of the label column, or labels.
        split: the column that holds the split.
        groups: names of columns.
        options: see ``sample_table.Options``.
        spooled: keep features in files instead of memory.
    """

    names: Sequence[Any]
    chunks: Callable[[Sequence[Any]], Iterable[Any]]
    label: Any
    split: str
    groups: tuple[str, ...]
    options: Mapping[str, Any]
    spooled: bool = False

    def __post_init__(self) -> None:
        named = (*self.groups, *self._labelled(), *([self.split] if self.split != SPLIT else []))
        for one in named:
            if one not in self.names:
                raise UsageError(f"the table has no column '{one}'", did_you_mean(str(one), map(str, self.names)))

    def _labelled(self) -> list[str]:
        own = [self.label] if isinstance(self.label, str) and self.label else []
        return [*own, *(self.options.get("kinds") or ()), *(self.options.get("classes") or ())]

    def samples(self, name: str, wanted: Wanted | None, source: Mapping[str, Any]) -> Samples:
        """The whole table as samples."""
        columns, notes = self._columns(wanted)
        taken = set(chain(*columns.values()))
        labels = [n for n in self.names if (n in self._labelled() or is_label_name(str(n))) and n not in taken]
        labels = [n for n in labels if n not in self.groups]
        about = [n for n in self.names if n in {ID, self.split, *self.groups, *labels} - taken]
        left = [n for n in self.names if n not in taken and n not in about and not str(n).startswith(PANDAS_INDEX)]
        notes += [f"columns of no modality were left out: {first_few(left)}"] if left else []
        sizes = sizes_of(self.chunks([own[0] for own in columns.values() if len(own) == 1]), columns)
        for modality in columns:
            if modality not in sizes:
                raise DataError(f"modality '{modality}' is in no row", f"leave '{modality}' out, or check its columns")
        source = {**source, COLUMNS: {modality: list(own) for modality, own in columns.items()}}
        head = self._head(name, about, labels, notes, source)
        return self._with_features(head, columns, sizes)

    def _columns(self, wanted: Wanted | None) -> tuple[Columns, list[str]]:
        if wanted:
            return chosen_columns(self.names, wanted), []
        other = {ID, self.split, *self.groups, *self._labelled()}
        free = [n for n in self.names if n not in other and not is_label_name(str(n))]
        free = [n for n in free if not str(n).startswith(PANDAS_INDEX)]
        kinds: dict[Any, str] = {}
        for chunk in self.chunks(free):  # a column without a number so far may have lists further on
            kinds |= {n: kind for n in free if kinds.get(n, "numbers") == "numbers" and (kind := holds(chunk, n))}
        lists = {n for n, kind in kinds.items() if kind == "lists"}
        columns, note = guessed_columns([n for n in free if kinds.get(n) in ("numbers", "lists")], lists)
        return columns, [note]

    def _head(
        self, name: str, about: Sequence[str], labels: Sequence[str], notes: Sequence[str], source: Mapping[str, Any]
    ) -> Samples:
        """Everything of the samples but their features."""
        facts: dict[str, list[Any]] = {n: [] for n in about}
        count, texts = 0, False
        for chunk in self.chunks(about or self.names[:1]):
            count += rows_of(chunk)
            texts = isinstance(chunk, TextColumns)
            for n in about:
                facts[n] += list(column(chunk[n]))
        if ID in facts:
            _check_unique(facts[ID])
        kinds, classes = dict(self.options.get("kinds") or {}), dict(self.options.get("classes") or {})
        unknown = self.options.get("unknown", ())
        targets: dict[str, Any] = {n: _values(facts[n]) for n in labels}
        if texts:
            for n in labels:
                targets[n], held = target_of(facts[n], kinds.get(n), classes.get(n), unknown)
                classes |= {n: held} if held else {}
        if not isinstance(self.label, str):
            targets = {ONE_LABEL: self.label, **targets}
        # A column that everybody has: labels, splits and groups are read as those of any arrays.
        return from_arrays(
            {"row": np.ones((count, 1), np.float16)},
            targets or None,
            splits=_values(facts[self.split]) if self.split in facts else None,
            ids=[word_of(i) for i in facts[ID]] if ID in facts else None,
            groups={n: [word_of(v) for v in facts[n]] for n in self.groups},
            name=name,
            kinds=kinds,
            classes=classes,
            unknown=unknown,
            default_label=self.label if isinstance(self.label, str) else ONE_LABEL,
            notes=notes,
            source=source,
        )

    def _with_features(self, head: Samples, columns: Columns, sizes: Mapping[str, int]) -> Samples:
        """The samples with what their rows hold; rows that hold nothing are refused, or left out if that is asked."""
        spools = {modality: Spool(d) for modality, d in sizes.items()} if self.spooled else {}
        parts: list[Samples] = []
        counted = {modality: NonFinite() for modality in columns}
        zeros: dict[str, str] = {}
        there = np.zeros(len(head), bool)
        start = 0
        for chunk in self.chunks(list(chain(*columns.values()))):
            count = rows_of(chunk)
            features = features_of(chunk, columns, sizes)
            rows = range(start, start + count)
            part = from_arrays(features, ids=rows, dims=sizes, drop_empty=True)
            there[part.ids.astype(np.int64)] = True
            for modality, numbers in part.source.get("nonfinite", {}).items():
                counted[modality] += NonFinite(**numbers)
            zeros |= part.source.get(ZEROS, {})
            for modality, spool in spools.items():
                spool.append(part.modalities[modality])
            if not spools:
                parts.append(part)
            start += count
        alone = int((~there).sum())
        if alone and not self.options.get("drop_empty"):
            raise DataError(
                f"{alone} of {len(head)} rows hold no modality at all ({first_few(head.ids[~there])})",
                "remove them, or read with drop_empty (--drop-empty)",
            )
        known = head.select(np.flatnonzero(there)) if alone else head
        modalities = {
            modality: spools[modality].ragged() if spools else concat([p.modalities[modality] for p in parts])
            for modality in columns
        }
        notes = [f"{alone} rows without any modality were left out"] if alone else []
        notes += filter(None, (numbers.note(modality) for modality, numbers in counted.items()))
        source = {**head.source, **({ZEROS: zeros} if zeros else {})}
        return replace(known, modalities=modalities, notes=(*head.notes, *notes), source=source)


def _values(items: Sequence[Any]) -> Any:
    """A column in one piece; text, numbers and what is unknown stay what they are."""
    return (
        np.array(items) if len({type(v) for v in items}) == 1 else column(np.array([*items, None], dtype=object)[:-1])
    )


def _check_unique(ids: Sequence[Any]) -> None:
    first: dict[str, int] = {}
    for row, one in enumerate(map(word_of, ids)):
        if not one:
            raise DataError(f"row {row} has no id", "give every row an id, or leave the column 'id' out")
        if first.setdefault(one, row) != row:
            raise DataError(f"id '{one}' is in rows {first[one]} and {row}", "give every row its own")
