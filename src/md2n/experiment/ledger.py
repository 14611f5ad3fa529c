"""A benchmark's ``results.jsonl``: the rows of every run that ended, each written once and never changed.

A row says in ``run`` which folder it came from.  A run that was made again appends its new rows; what stood before
stays in the file and is left out when it is read.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from md2n.config import load_json
from md2n.errors import DataError, Md2nError
from md2n.evaluation.results import PROTOCOLS, Entry, ResultRow, append_results, read_entries
from md2n.experiment.jobs import FAILED
from md2n.experiment.source import UNKNOWN
from md2n.training.run_identity import identity_hash
from md2n.training.rundir import CONFIG, RUN

RESULTS = "results.jsonl"

Measuring = tuple[str, str, str, str, str, str, str, str, bool]
Making = tuple[str, str]  # configuration hash, code


class Ledger:
    """Appends what runs measured.

    Args:
        out: the benchmark's folder.

    Raises:
        DataError: the file holds something else than result rows.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out / RESULTS
        self.known: Counter[Measuring] = Counter()
        if self.path.exists():
            self.known.update(map(measuring, _of_now(read_entries(self.path))))

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
        rows = [replace(row, run=place) for row in _of_now(read_entries(run / RESULTS))]
        whole = Counter(map(measuring, rows))
        new = [row for row in rows if self.known[measuring(row)] < whole[measuring(row)]]
        append_results(self.path, new)
        self.known.update(map(measuring, new))
        return len(new)


def measuring(row: ResultRow) -> Measuring:
    """What the rows of one measuring share, and those of another do not."""
    code = (training_of(row.settings), _code(row.settings, "measuring"))
    return row.run, row.dataset, row.split, row.protocol, row.config_hash, *code, row.created, bool(row.target)


def read_ledger(out: Path, notice: Callable[[str], None]) -> list[ResultRow]:
    """The rows of a benchmark that hold: of every run folder, those of the run that was made there last.

    Args:
        out: the benchmark's folder.
        notice: told of lines that were cut, and of rows left out.

    Raises:
        DataError: no results; rows of another version of a protocol that were not measured again since; a line that
            is no result row.
    """
    return _rows(out / RESULTS, notice, lambda entries: _made_last(current(entries), out))


def read_run_results(file: Path, notice: Callable[[str], None]) -> list[ResultRow]:
    """The rows of a run's own results that hold; as ``read_ledger``."""
    return _rows(file, notice, current)


def current(entries: Sequence[Entry]) -> list[Entry]:
    """Rows whose run has not been made or measured again since: with other settings, data, code or protocol.

    What is no result row stays, to be refused by its name.
    """
    rows = [e.held for e in entries if isinstance(e.held, dict)]
    run = {_keys(r, "run", "dataset"): (_making(r), r.get("data_checksum")) for r in rows}
    last = {_subject(r): _measured(r) for r in rows}

    def holds(r: Any) -> bool:
        same = (_making(r), r.get("data_checksum")) == run[_keys(r, "run", "dataset")]
        return same and _measured(r) == last[_subject(r)]

    return [e for e in entries if not isinstance(e.held, dict) or holds(e.held)]


def training_of(settings: Mapping[str, Any]) -> str:
    """The code that the run of a row was trained by, from the row's ``settings``."""
    return _code(settings, "training")


def _rows(file: Path, notice: Callable[[str], None], choose: Callable[[list[Entry]], list[Entry]]) -> list[ResultRow]:
    entries = read_entries(file, notice)
    chosen = choose(entries)
    try:
        rows = [entry.row() for entry in chosen]
    except DataError as error:
        again = "or give the same `md2n benchmark` command again, with every protocol: it measures anew"
        raise DataError(error.message, f"{error.hint}; {again}") from None
    if len(chosen) < len(entries):
        notice(f"{len(entries) - len(chosen)} rows of runs that were made again since are left out")
    return rows


def _of_now(entries: Sequence[Entry]) -> list[ResultRow]:
    """Rows but for those of other versions of a protocol: what they are worth is the reader's to say."""
    known = PROTOCOLS.values()
    return [e.row() for e in entries if not isinstance(e.held, dict) or e.held.get("protocol", "") in known]


def _made_last(entries: Sequence[Entry], out: Path) -> list[Entry]:
    """Without rows of a run that was begun again since, or tried again in vain."""
    makings: dict[str, set[Making]] = {}
    latest = []
    for entry in entries:
        if isinstance(entry.held, dict):
            run = str(entry.held.get("run"))
            if run not in makings:
                makings[run] = _makings(out / run)
            if makings[run] and _making(entry.held) not in makings[run]:
                continue
        latest.append(entry)
    return latest


def _makings(run: Path) -> set[Making]:
    """How the run in a folder was made last, or tried; two hashes, for an older md2n may have made another of it.

    Empty where nothing tells.
    """
    try:
        facts = load_json(run / RUN)
        hashes = {str(facts["config_hash"]), identity_hash(load_json(run / CONFIG))}
        return {(digest, str(facts.get("code", UNKNOWN))) for digest in hashes}
    except (Md2nError, KeyError):  # nothing to go by: never begun, removed, or damaged
        pass
    try:
        record = load_json(run.with_name(f"{run.name}{FAILED}"))
        return {(str(record["config_hash"]), str(record["code"]["training"]))}
    except (Md2nError, KeyError, TypeError):
        return set()


def _making(row: Mapping[str, Any]) -> Making:
    return str(row.get("config_hash")), training_of(row.get("settings") or {})


def _subject(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return *_keys(row, "run", "dataset", "split"), str(row.get("protocol")).partition("@")[0], bool(row.get("target"))


def _measured(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row.get("protocol")), _code(row.get("settings") or {}, "measuring")


def _code(settings: Mapping[str, Any], part: str) -> str:
    codes = settings.get("code")
    return str(codes.get(part, UNKNOWN)) if isinstance(codes, Mapping) else UNKNOWN


def _keys(row: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    return tuple(str(row.get(name)) for name in names)
