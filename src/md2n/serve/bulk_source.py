"""Data of any size, cut into parts of consecutive rows: a Parquet file, a folder of Parquet files, or a store.

Only the rows of a part are read.  Cuts are at multiples of the batch, so a sample is in the same batch, beside the same
samples, however large the parts are.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from md2n.brief import brief, first_few
from md2n.data.readers.table_file import arrow, gaps_in, is_parquet, read_as, with_floats
from md2n.data.readers.wide_cells import distinct
from md2n.data.samples import Samples
from md2n.data.store import checksum, is_store, open_store
from md2n.errors import DataError, UsageError
from md2n.reading import reading

BUFFER = 1 << 20
"""Bytes of a column that are read from a Parquet file at a time."""
PIECE = 2048
"""Rows of a Parquet file that are decoded at a time."""


@dataclass(frozen=True)
class Part:
    """Consecutive rows of one file.

    Args:
        number: of the part, from 0.
        file: a Parquet file, or a store.
        start: its first row there.
        rows: how many.
    """

    number: int
    file: str
    start: int
    rows: int

    __repr__ = brief


class StoreSource:
    """A store, of which samples are read by row.

    Args:
        path: of the store.
        split: ``train``, ``valid`` or ``test``; all rows if "".

    Raises:
        DataError: no store there, ids that come twice, or an empty split.
        UsageError: no such split.
    """

    def __init__(self, path: Path, split: str = "") -> None:
        self.path, self.samples = path, open_store(path)
        self._rows = self.samples.rows(split) if split else np.arange(len(self.samples))
        if not len(self._rows):
            raise DataError(f"'{path}' has no rows in the split '{split}'", "leave --split out to take all rows")
        names, counts = np.unique(self.samples.ids, return_counts=True)
        if len(names) < len(self.samples):
            twice = names[counts > 1]
            raise DataError(
                f"{len(twice)} ids of '{path}' are those of several samples: {first_few(twice)}",
                "give every sample an id of its own: its draws follow from it",
            )

    @property
    def groups(self) -> Sequence[str]:
        """Names of group columns."""
        return tuple(self.samples.groups)

    def facts(self) -> dict[str, Any]:
        """What says whether it is still the same data."""
        return {"rows": len(self._rows), "digest": checksum(self.path)}

    def parts(self, rows: int) -> list[Part]:
        """All rows, at most ``rows`` in a part."""
        return [Part(*one) for one in _cut([(str(self.path), len(self._rows))], rows)]

    def read(self, part: Part) -> Samples:
        """The samples of a part; other samples are not read."""
        return self.samples.select(self._rows[part.start : part.start + part.rows])


class ParquetSource:
    """One Parquet file, or the Parquet files of a folder in the order of their names.

    Args:
        path: of the file or folder.

    Raises:
        DataError: no Parquet file there, a damaged one, files with other columns than the first, or no rows.
        UsageError: pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = parquet_files(path)
        if not self.files:
            raise DataError(f"'{path}' holds no Parquet file", "give a Parquet file, a folder of them, or a store")
        self._counts: list[tuple[str, int]] = []
        digest, gaps, first = hashlib.sha256(), set[str](), None
        for file in self.files:
            with reading(file, hint="write the file again"):
                opened = arrow().parquet.ParquetFile(file)
            schema = opened.schema_arrow.remove_metadata()
            distinct(list(schema.names))
            first = schema if first is None else first
            _same_columns(self.files[0], first, file, schema)
            gaps |= gaps_in(opened)
            self._counts.append((str(file), int(opened.metadata.num_rows)))
            digest.update(f"{file.name} ".encode() + _footer(file))
        if not sum(rows for _, rows in self._counts):
            raise DataError(f"'{path}' has no rows", "give a table with at least one row")
        self._digest, self._gaps = digest.hexdigest(), gaps
        assert first is not None
        self.schema = first

    @property
    def groups(self) -> Sequence[str]:
        """Names of the columns: any may be a group column."""
        return tuple(self.schema.names)

    def to_be_filled(self, columns: Collection[Any], hidden: Collection[Any]) -> None:
        """Reads columns that are to be filled as floats from here on, in every part.

        Args:
            columns: of modalities; those without an empty cell in any file keep their type.
            hidden: columns whose cells are all recovered.
        """
        self.schema = with_floats(self.schema, (self._gaps & set(columns)) | set(hidden))

    def facts(self) -> dict[str, Any]:
        """What says whether it is still the same data: the ends of the files, which hold counts and statistics."""
        return {"rows": sum(rows for _, rows in self._counts), "digest": self._digest}

    def parts(self, rows: int) -> list[Part]:
        """All rows, at most ``rows`` in a part, none of which goes beyond a file."""
        return [Part(*one) for one in _cut(self._counts, rows)]

    def read(self, part: Part) -> Any:
        """A table of Arrow.

        Raises:
            DataError: it cannot be read, or a whole number to be read as a float is none exactly.
        """
        library = arrow()
        pieces, skipped = [], part.start
        with (
            reading(Path(part.file), hint="write the file again"),
            library.parquet.ParquetFile(part.file, buffer_size=BUFFER) as file,
        ):
            groups: list[int] = []
            for g in range(file.metadata.num_row_groups):
                count = file.metadata.row_group(g).num_rows
                if not groups and skipped >= count:
                    skipped -= count
                    continue
                groups.append(g)
                if sum(file.metadata.row_group(h).num_rows for h in groups) >= skipped + part.rows:
                    break
            wanted = part.rows
            for batch in file.iter_batches(PIECE, row_groups=groups):
                piece = batch.slice(skipped, wanted)
                skipped = max(0, skipped - len(batch))
                if len(piece):
                    pieces.append(piece)
                    wanted -= len(piece)
                if not wanted:
                    break
            table = library.Table.from_batches(pieces)
        return read_as(table, self.schema)


def open_source(path: Path, split: str = "") -> StoreSource | ParquetSource:
    """Data to be answered in parts.

    Args:
        path: of a store, a Parquet file or a folder of Parquet files.
        split: of a store.

    Raises:
        UsageError: other data, or a split of a table.
        DataError: as the two classes.
    """
    if is_store(path):
        return StoreSource(path, split)
    if path.is_dir() or (path.is_file() and is_parquet(path)):
        if split:
            raise UsageError("a table has no splits", f"leave --split out, or import it: md2n data import {path}")
        return ParquetSource(path)
    if not path.exists():
        raise DataError(f"'{path}' does not exist", "give a store, a Parquet file or a folder of Parquet files")
    raise UsageError(
        f"'{path}' cannot be answered in parts: it is neither a store nor Parquet",
        f"md2n data import {path} --out STORE, then --data STORE",
    )


def parquet_files(path: Path) -> list[Path]:
    """The file itself, or the Parquet files of a folder; those whose names begin with ``_`` or ``.`` are no data."""
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.glob("*.parquet") if p.name[0] not in "._" and p.is_file())


def _cut(counts: Sequence[tuple[str, int]], rows: int) -> Iterator[tuple[int, str, int, int]]:
    number = 0
    for file, count in counts:
        for start in range(0, count, rows):
            yield number, file, start, min(rows, count - start)
            number += 1


def _same_columns(first: Path, wanted: Any, file: Path, schema: Any) -> None:
    for name in wanted.names:
        if name not in schema.names:
            raise DataError(f"'{file}' lacks the column '{name}' of '{first}'", "give files with the same columns")
    for field in schema:
        if field.name not in wanted.names:
            raise DataError(
                f"'{file}' has a column '{field.name}' that '{first}' lacks", "give files with the same columns"
            )
        own = wanted.field(field.name).type
        if field.type != own:
            raise DataError(
                f"column '{field.name}' of '{file}' holds {field.type}, in '{first}' it holds {own}",
                "give files whose columns have the same types",
            )


def _footer(path: Path) -> bytes:
    """The end of a Parquet file: where its columns are, their counts, least and greatest values."""
    with path.open("rb") as file:
        file.seek(-8, 2)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, 2)
        return file.read(length)
