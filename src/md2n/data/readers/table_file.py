"""One file that holds a table with all modalities side by side: Parquet, or CSV with a header.

Parquet is read some rows at a time (the extra ``tables``), so a file of any size takes little memory; CSV at once.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from md2n.data.readers.files import require_file, signature
from md2n.data.readers.text_table import open_table
from md2n.data.readers.wide_cells import TextColumns, distinct
from md2n.errors import DataError, UsageError, install_hint
from md2n.reading import reading

TEXT = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"
NUMBERS_AT_ONCE = 1 << 21
"""Cells of a Parquet file that are in memory at a time; 16 MiB of numbers."""
MOST_ROWS = 1 << 14
LIST_LENGTH = 256
"""Numbers that a cell with a list is taken for, where it is decided how many rows are read at a time."""


def is_parquet(path: Path) -> bool:
    """Whether the content, or the name of what is to be written, is Parquet's."""
    return signature(path) == "Parquet file" if path.is_file() else path.suffix.lower() == PARQUET


def is_table_file(path: Path) -> bool:
    """Whether it is a file that ``TableFile`` opens."""
    return path.is_file() and (path.suffix.lower() in TEXT or is_parquet(path))


def arrow() -> Any:
    """The modules ``pyarrow`` and ``pyarrow.parquet``.

    Raises:
        UsageError: not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError("Parquet files need pyarrow", install_hint("tables")) from error
    return pyarrow


class TableFile:
    """A table in a file.

    Args:
        path: of a Parquet or CSV file.

    Raises:
        DataError: no file, or one that is damaged.
        UsageError: Parquet without pyarrow.
    """

    def __init__(self, path: Path) -> None:
        self.path = require_file(path)
        self._parquet: Any = None
        self._text, self.separator = TextColumns(), ","
        if is_parquet(path):
            library = arrow()
            with reading(path, hint="write the file again"):
                self._parquet = library.parquet.ParquetFile(path)
            return
        table = open_table(path, frozenset(), blank=True)  # its first row is the header, whatever other rows hold
        if not table.header:
            raise table.no_header("its columns")
        if table.header.count("") > 1:
            raise DataError(
                f"'{path}' has {table.header.count('')} columns without a name", "name each column, or leave them out"
            )
        self.separator = table.separator
        self._text = TextColumns(zip(table.header, map(list, zip(*table.rows))))

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order.

        Raises:
            DataError: two columns of one name.
        """
        return list(self._text) if self._parquet is None else distinct(list(self._parquet.schema_arrow.names))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        if self._parquet is not None:
            return int(self._parquet.metadata.num_rows)
        return len(next(iter(self._text.values())))

    def chunks(self, names: Sequence[str] | None = None, rows: int = 0) -> Iterator[Any]:
        """The table some rows at a time: tables of Arrow; a CSV's columns at once.

        Args:
            names: of the columns; all if not given.
            rows: at a time, at most; as many as take little memory if not given.

        Raises:
            DataError: the file is damaged further on.
        """
        names = self.names if names is None else names
        if self._parquet is None:
            yield TextColumns({name: self._text[name] for name in names})
            return
        library = arrow()
        with reading(self.path, hint="write the file again"):
            for batch in self._parquet.iter_batches(rows or self._rows_at_once(names), columns=list(names)):
                yield library.Table.from_batches([batch])

    def to_be_filled(self, chunk: Any, columns: Collection[Any]) -> Any:
        """A chunk in which those of these columns are floats of which some row of the file is to be filled.

        Args:
            chunk: of ``chunks``.
            columns: of modalities.

        Raises:
            DataError: as ``read_as``.
        """
        if self._parquet is None:
            return chunk
        schema = with_floats(chunk.schema, gaps_in(self._parquet) & set(columns))
        # What pandas noted of the columns would make whole numbers of them again.
        return chunk if schema == chunk.schema else read_as(chunk, schema.remove_metadata())

    def _rows_at_once(self, names: Sequence[str]) -> int:
        schema = self._parquet.schema_arrow
        width = sum(LIST_LENGTH if "list" in str(schema.field(name).type) else 1 for name in names)
        return min(MOST_ROWS, max(1, NUMBERS_AT_ONCE // max(1, width)))


def gaps_in(file: Any) -> set[str]:
    """Columns of numbers of which some row may be empty, as a Parquet file's own statistics say; all where it has none.

    Args:
        file: ``pyarrow.parquet.ParquetFile``.
    """
    metadata, names = file.metadata, set()
    for g in range(metadata.num_row_groups):
        for c in range(metadata.num_columns):
            column = metadata.row_group(g).column(c)
            facts = column.statistics
            if facts is None or not facts.has_null_count or facts.null_count:
                names.add(column.path_in_schema)
    return names


def with_floats(schema: Any, columns: Collection[Any]) -> Any:
    """An Arrow schema with floats in these columns where it has whole numbers, decimal ones, or true and false.

    What is recovered is none of these.

    Args:
        schema: of Arrow.
        columns: names; others keep their type.
    """
    types = arrow().types
    for i, field in enumerate(schema):
        whole = types.is_integer(field.type) or types.is_boolean(field.type) or types.is_decimal(field.type)
        if whole and field.name in columns:
            schema = schema.set(i, field.with_type(arrow().float64()))
    return schema


def read_as(table: Any, schema: Any) -> Any:
    """An Arrow table with the types of a schema of the same columns.

    Args:
        table: of Arrow.
        schema: whose floats may stand for whole numbers of the table.

    Raises:
        DataError: a column has whole numbers that floats do not hold.
    """
    for i, field in enumerate(schema):
        if field.type != table.schema.field(i).type:
            try:
                table = table.set_column(i, field, table[field.name].cast(field.type))
            except arrow().ArrowInvalid as error:
                raise too_large(field.name) from error
    return table.replace_schema_metadata(schema.metadata)


def too_large(name: Any) -> DataError:
    """Of a column that is to be filled, so that it becomes floats, and whose known cells would not stay as they are."""
    return DataError(
        f"column '{name}' has empty cells to fill and whole numbers beyond 2^53, which floats do not hold exactly",
        "subtract a constant, or leave the column out",
    )
