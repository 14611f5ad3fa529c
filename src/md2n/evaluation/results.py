"""One number, and everything that has to be known to believe it: append-only JSON lines.

A row is written whole or, if the machine stops in the middle of it, not at all: rows go to the disk in one appending
write with an fsync, a line that was torn is skipped and reported when read.
"""

import datetime
import json
import math
import os
import shlex
import subprocess
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any

from md2n.errors import DataError, StorageError, UsageError, did_you_mean
from md2n.reading import parse_json, read_bytes, reading

# Raised whenever what a protocol measures changes; numbers of two versions are never put in one table.
PROTOCOLS: dict[str, str] = {
    "fixed": "fixed@1",
    "random": "random@1",
    "inside": "inside@1",
    "hidden": "hidden@1",
    "every": "every@1",
}
STANDARD = ("fixed", "random", "inside", "every")  # need nothing said besides their name; "hidden" needs rates
STANDING = ("fixed", "random")  # what the standing benchmark measures under
LARGEST = 1e300  # of a number in a row
LARGEST_BYTES = 1 << 32  # of a results file
RECORDED_PACKAGES = ("torch", "numpy", "scikit-learn", "scipy")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where numbers come from; the same for every row of one evaluation.

    Args:
        dataset: name of the data set.
        split: split that was measured.
        data_checksum: of the data store.
        model: name of the method.
        config_hash: of the resolved configuration without its seed.
        seed: run seed.
        protocol: ``name@version``.
        run: path of the run folder, relative to the results file.
        settings: of the evaluation: draws, steps, batch size, mask seed; which fold was tested.
        versions: package -> version.
        md2n_version: of this package.
        git_commit: of the source tree; empty where md2n was not run from one.
        created: UTC, ISO 8601.
    """

    dataset: str
    split: str
    data_checksum: str
    model: str
    config_hash: str
    seed: int
    protocol: str
    run: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    md2n_version: str
    git_commit: str
    created: str

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS.values():
            name, _, version = self.protocol.partition("@")
            if name in PROTOCOLS:
                raise DataError(
                    f"measured under '{self.protocol}', but this md2n measures '{PROTOCOLS[name]}'",
                    f"evaluate the run again (version '{version or 'none'}' does not compare)",
                )
            raise DataError(f"no protocol is called '{self.protocol}'", did_you_mean(self.protocol, PROTOCOLS.values()))
        if Path(self.run).is_absolute():
            raise UsageError(f"the run's path '{self.run}' is absolute", "give it relative to the results file")


@dataclass(frozen=True, kw_only=True)
class ResultRow(Provenance):
    """One measured number.

    Args:
        condition: name of the condition: ``text+audio``, ``complete``, ``rate=0.3``, ``image=0.7``.
        rate_requested: missing rate asked for under the random protocol; None under the others.
        rate_realised: share of present modalities that was hidden.
        n: samples measured.
        metric: name in ``md2n.evaluation.metrics.MEASURES``.
        value: finite.
        target: recovered modality; empty for predictions.
    """

    condition: str
    rate_requested: float | None
    rate_realised: float
    n: int
    metric: str
    value: float
    target: str = ""

    @property
    def fold(self) -> str:
        """Which fold of the data was the test split, as ``2/5``; empty where it was the data's own."""
        return str(self.settings.get("fold", ""))

    @property
    def repeat(self) -> int:
        """``repeat_of`` the row's run."""
        return repeat_of(self.seed, self.fold)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isfinite(self.value):
            raise DataError(
                f"{self.metric} of '{self.model}' under '{self.condition}' is {self.value}",
                "an undefined measure is left out, never written",
            )

    @staticmethod
    def of(source: Provenance, **measured: Any) -> "ResultRow":
        """A row from its provenance and its own fields."""
        shared = {f.name: getattr(source, f.name) for f in fields(Provenance)}
        return ResultRow(**shared, **measured)


def repeat_of(seed: int, fold: str) -> int:
    """The number of a run among those that repeat an experiment: its seed, and with folds one for each of both.

    >>> repeat_of(3, ""), repeat_of(0, "2/5"), repeat_of(1, "2/5")
    (3, 2, 7)
    """
    number, _, folds = fold.partition("/")
    return seed * int(folds) + int(number) if fold else seed


def provenance(
    *,
    dataset: str,
    split: str,
    data_checksum: str,
    model: str,
    config_hash: str,
    seed: int,
    protocol: str,
    run: str,
    settings: Mapping[str, Any] | None = None,
    created: str = "",
) -> Provenance:
    """Fills in versions, commit and time.

    Raises:
        DataError: another version of a protocol, or an unknown one.
        UsageError: ``run`` is an absolute path.
    """
    return Provenance(
        dataset=dataset,
        split=split,
        data_checksum=data_checksum,
        model=model,
        config_hash=config_hash,
        seed=seed,
        protocol=protocol,
        run=run,
        settings=dict(settings or {}),
        versions={name: _version(name) for name in RECORDED_PACKAGES},
        md2n_version=_version("md2n"),
        git_commit=_commit(),
        created=created or datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def append_results(path: Path, rows: Iterable[ResultRow]) -> None:
    """Adds rows at the end of ``path`` (made if absent), all in one write that has reached the disk on return.

    Raises:
        StorageError: the disk is full or the file may not be written; rows that stood there are untouched.
    """
    text = "".join(json.dumps(asdict(row), allow_nan=False, sort_keys=True) + "\n" for row in rows)
    if not text:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.lseek(descriptor, 0, os.SEEK_END)
            # A torn last line keeps its place and its damage to itself.
            torn = size > 0 and _byte_at(descriptor, size - 1) != b"\n"
            data = (b"\n" if torn else b"") + text.encode()
            written = os.write(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageError(
            f"results could not be written to '{path}': {error.strerror}", "free space, then repeat"
        ) from error
    if written != len(data):
        raise StorageError(f"only {written} of {len(data)} bytes reached '{path}'", "free space, then evaluate again")


def read_results(path: Path, notice: Callable[[str], None] = warnings.warn) -> list[ResultRow]:
    """Every whole row of ``path``, in the order written.

    Args:
        path: a ``results.jsonl``.
        notice: receives a sentence for every line that was cut in the middle, and is left out; by default a warning.

    Raises:
        DataError: no such file; a row of another protocol version; a line that is whole but no result row.
    """
    return [entry.row() for entry in read_entries(path, notice)]


@dataclass(frozen=True)
class Entry:
    """A whole line of a results file, whatever it says: for those who must choose among rows that cannot be used.

    Args:
        held: what it holds, as parsed.
        where: file and line, for messages.
    """

    held: Any
    where: str

    def row(self) -> ResultRow:
        """The result row that it is.

        Raises:
            DataError: a row of another protocol version, or no result row.
        """
        return _row(self.held, self.where)


def read_entries(path: Path, notice: Callable[[str], None] = warnings.warn) -> list[Entry]:
    """Every whole line of ``path``, in the order written.

    Args:
        path: a ``results.jsonl``.
        notice: receives a sentence for every line that was cut in the middle, and is left out; by default a warning.

    Raises:
        DataError: no such file.
    """
    with reading(path):
        if not path.exists():
            again = f"`md2n evaluate {shlex.quote(str(path.parent))}` measures the run"
            raise DataError(f"there are no results at '{path}'", again)
        lines = read_bytes(path, LARGEST_BYTES).split(b"\n")
    entries = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            held = parse_json(line)
        except ValueError:  # cut in the middle: not JSON, or not even UTF-8
            notice(f"'{path}', line {number} was cut in the middle of writing and is left out")
            continue
        entries.append(Entry(held, f"'{path}', line {number}"))
    return entries


def _byte_at(descriptor: int, position: int) -> bytes:
    os.lseek(descriptor, position, os.SEEK_SET)
    return os.read(descriptor, 1)


def _row(entry: Any, where: str) -> ResultRow:
    expected = {f.name for f in fields(ResultRow)}
    names = set(entry) if isinstance(entry, dict) else set()
    if names != expected:
        wrong = ", ".join(sorted(names ^ expected))
        raise DataError(f"{where} is not a result row: {wrong}", "the file was written by another md2n; evaluate again")
    numbers = [entry["value"], entry["rate_realised"], entry["n"], entry["seed"], entry["rate_requested"] or 0]
    if not all(isinstance(v, int | float) and abs(v) < LARGEST for v in numbers):
        raise DataError(f"{where} holds words where numbers belong", "restore the file or evaluate again")
    tables = ("settings", "versions")
    other = expected - set(tables) - {"value", "rate_realised", "n", "seed", "rate_requested"}
    whole = all(isinstance(entry[k], int) for k in ("n", "seed"))
    mapped = all(isinstance(entry[k], dict) for k in tables)
    texts = [entry[k] for k in other] + (list(entry["versions"].values()) if mapped else [])
    if not whole or not mapped or not all(isinstance(text, str) for text in texts):
        raise DataError(f"{where} holds fields of other kinds", "restore the file or evaluate again")
    try:
        return ResultRow(**entry)
    except DataError as error:
        raise DataError(f"{where}: {error.message}", error.hint) from None


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """The commit of md2n's own source tree; a user's repository that merely holds the environment does not count."""
    here = Path(__file__)
    try:
        tracked = subprocess.run(
            ["git", "ls-files", "--error-unmatch", here.name], cwd=here.parent, capture_output=True, check=False
        )
        if tracked.returncode != 0:
            return ""
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here.parent, capture_output=True, check=False)
        return head.stdout.decode().strip()
    except FileNotFoundError:  # no git on this machine
        return ""
