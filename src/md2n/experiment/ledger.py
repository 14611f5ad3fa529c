"""A benchmark's ``results.jsonl``: the rows of every run that ended, each written once and never changed.

A row says in ``run`` which folder it came from.  A run that was made again appends its new rows; what stood before
stays in the file and is left out when it is read.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from md2n.evaluation.results import ResultRow, append_results, read_results

RESULTS = "results.jsonl"

Measuring = tuple[str, str, str, str, str, str, bool]


class Ledger:
    """Appends what runs measured.

    Args:
        out: the benchmark's folder.

    Raises:
        DataError: the file holds rows of another version of a protocol, or no result rows.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out / RESULTS
        self.known: Counter[Measuring] = Counter()
        if self.path.exists():
            self.known.update(map(measuring, read_results(self.path)))

    def add(self, run: Path) -> int:
        """Appends the measurings of a run folder inside ``out`` that are not there yet.

        Returns:
            The number of rows appended.

        Raises:
            DataError: the run's results cannot be read.
            StorageError: they cannot be written.
        """
        if not (run / RESULTS).exists():
            return 0
        place = run.relative_to(self.out).as_posix()
        rows = [replace(row, run=place) for row in read_results(run / RESULTS)]
        whole = Counter(map(measuring, rows))
        new = [row for row in rows if self.known[measuring(row)] < whole[measuring(row)]]
        append_results(self.path, new)
        self.known.update(map(measuring, new))
        return len(new)


def measuring(row: ResultRow) -> Measuring:
    """What the rows of one measuring share, and those of another do not."""
    return row.run, row.dataset, row.split, row.protocol, row.config_hash, row.created, bool(row.target)


def read_ledger(out: Path, notice: Callable[[str], None]) -> list[ResultRow]:
    """The rows of a benchmark that hold: of every run folder, those of its last configuration on its last data.

    Args:
        out: the benchmark's folder.
        notice: told of lines that were cut, and of rows left out.

    Raises:
        DataError: no results; rows of another version of a protocol; a line that is no result row.
    """
    rows = read_results(out / RESULTS, notice)
    kept = current(rows)
    if len(kept) < len(rows):
        notice(f"{len(rows) - len(kept)} rows of runs that were made again since are left out")
    return kept


def current(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """Rows whose run has not been made again since with other settings or other data."""
    last = {(r.run, r.dataset): (r.config_hash, r.data_checksum) for r in rows}
    return [r for r in rows if last[r.run, r.dataset] == (r.config_hash, r.data_checksum)]
