"""Table files answered for some rows at a time: Parquet in, Parquet out in little memory; CSV in, CSV out."""

import csv
import io
import math
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from md2n.data.readers.table_file import PARQUET, TEXT, TableFile, arrow, is_parquet
from md2n.data.readers.wide_cells import TextColumns, rows_of
from md2n.durable import written
from md2n.errors import DataError, UsageError
from md2n.serve.tables import columns_in

if TYPE_CHECKING:
    from md2n.serve.predictor import Predictor

ROWS = 2048
"""Rows answered for at a time, and in a row group of what is written."""


def answers_table(data: str, out: Path | None) -> bool:
    """Whether a table is to be written as a table of the same kind.

    Raises:
        UsageError: a table of the other kind.
    """
    suffix = "" if out is None else out.suffix.lower()
    if suffix != PARQUET and suffix not in TEXT:
        return False
    source = Path(data)
    if source.is_file() and (is_parquet(source) or source.suffix.lower() in TEXT):
        if is_parquet(source) == (suffix == PARQUET):
            return True
        raise UsageError(
            f"'{data}' and '{out}' are tables of two kinds", f"let --out end in '{source.suffix or '.parquet'}'"
        )
    if suffix == PARQUET:
        raise UsageError(
            f"'{data}' is no Parquet file, so '{out}' cannot be one", "give the store a name without suffix"
        )
    return False


def answer_file(
    predictor: "Predictor",
    source: Path,
    out: Path,
    answer: Callable[[Any, Callable[[int, int], None]], Any],
    progress: Callable[[int, int], None] = lambda done, total: None,
    fills: bool = False,
) -> int:
    """Writes what is answered to the rows of a table file; the file in its place is replaced once all is written.

    A model that normalises by groups needs all rows of a member, and one that reads conversations whole ones; so all
    rows are then in memory.

    Args:
        predictor: says whether groups count.
        source: a Parquet or CSV file.
        out: of the same kind.
        answer: some rows of the table, and a report of progress -> the same rows, answered.
        progress: told how many rows are done, of how many.
        fills: whether empty cells are filled.

    Returns:
        How many rows there were.

    Raises:
        DataError: a damaged file, or rows that cannot be answered; the message counts rows from the first one at 0.
        StorageError: it cannot be written; what was there before is untouched.
    """
    from md2n.data.conversation import COLUMNS  # here, for commands ask this module before they load anything

    file = TableFile(source)
    talks = predictor.model.conversational and any(name in COLUMNS for name in file.names)
    whole = bool(predictor.normaliser.group) or talks
    done = 0
    parts = 1 if whole else max(1, math.ceil(file.rows / ROWS))
    size = math.ceil(file.rows / parts)  # evenly: of a few rows alone, units cannot be told
    separator = file.separator if source.suffix.lower() == out.suffix.lower() else TEXT.get(out.suffix.lower(), ",")
    with written(out) as stream, closing(_Writer(stream, separator)) as writer:
        for chunk in file.chunks(rows=size):
            before = done
            try:
                own = columns_in(chunk, predictor.schema, predictor.columns) if fills else {}
                shown = file.to_be_filled(chunk, {name for names in own.values() for name in names})
                writer.write(answer(shown, partial(_further, progress, before, file.rows)))
            except DataError as error:
                where = f"'{source}', rows from {before}: " if before else f"'{source}': "
                raise DataError(f"{where}{error.message}", error.hint) from error
            done += rows_of(chunk)
    return done


def _further(progress: Callable[[int, int], None], before: int, rows: int, done: int, total: int) -> None:
    progress(before + done, rows)


class _Writer:
    """Tables written one after another into one file."""

    def __init__(self, stream: IO[bytes], separator: str) -> None:
        self._stream, self._separator = stream, separator
        self._parquet: Any = None

    def write(self, table: Any) -> None:
        if isinstance(table, TextColumns):
            text = io.StringIO()
            csv.writer(text, delimiter=self._separator, lineterminator="\n").writerows(
                [list(table), *zip(*table.values())]
            )
            self._stream.write(text.getvalue().encode())
            return
        if self._parquet is None:
            self._parquet = arrow().parquet.ParquetWriter(self._stream, table.schema)
        self._parquet.write_table(table)

    def close(self) -> None:
        if self._parquet is not None:
            self._parquet.close()
