"""What runs measured, cost and failed with, in one form: from run folders, benchmark folders, or one compressed file.

A run folder holds its own ``results.jsonl`` and ``cost.json``; a benchmark folder is read from its run folders, so no
row is in two places.  ``write_archive`` puts results into one file (JSON by columns, compressed by xz): the same
results are the same bytes, and what is read back is equal.
"""

import json
import lzma
import re
import shlex
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from md2n.brief import brief
from md2n.durable import make_directory, write_bytes
from md2n.errors import DataError, RunError
from md2n.evaluation.results import PROTOCOLS, Entry, ResultRow, read_entries
from md2n.experiment.costs import read_cost
from md2n.experiment.job import FAILED, MASKS, RUNS
from md2n.experiment.measuring import RESULTS, predictions_folder, run_masks
from md2n.experiment.terms import BENCHMARK, Terms, terms
from md2n.methods.catalogue import MODELS
from md2n.reading import exists, parse_json, read_bytes, read_json, reading
from md2n.report.runs import Failure, RunFacts
from md2n.training.rundir import RUN

ARCHIVE = ".json.xz"
FORMAT = 1
LARGEST_BYTES = 1 << 28  # of an archive, compressed or not
DEPTH, NAMED = 3, 4  # how far down results are looked for, and how many folders a message names

Notice = Callable[[str], None]


@dataclass
class Results:
    """What is known of a number of runs.

    Args:
        rows: result rows.
        runs: one entry for every run and data set among them, with its costs.
        failures: runs that ended without results.
        notes: what must be said under the tables.
    """

    rows: list[ResultRow] = field(default_factory=list)
    runs: list[RunFacts] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    __repr__ = brief


def collect(paths: Sequence[Path], notice: Notice = warnings.warn) -> Results:
    """The results in all of these places.

    Args:
        paths: run folders, benchmark folders, ``results.jsonl`` files, or archives.
        notice: receives a sentence for lines that were cut and rows that are left out.

    Raises:
        RunError: one of them is absent, empty, or holds no results; the hint is the next step.
        DataError: rows of another version of a protocol, no result rows, benchmarks of one data set made under two sets
            of terms, or one run in two folders.
    """
    whole = Results()
    terms_of: dict[str, dict[Terms, Path]] = defaultdict(dict)
    for path in paths:
        if not exists(path, RunError):
            raise RunError(f"there is no run folder or results file {path}", "give what `md2n train --out` wrote")
        part = _part(path, notice)
        if (own := terms(path) if path.is_dir() else None) is not None:
            for row in part.rows:
                terms_of[row.dataset].setdefault(replace(own, sets=own.sets or ()), path)
        whole.rows += part.rows
        whole.runs += part.runs
        whole.failures += part.failures
    # A folder that is given twice, or a run beside its benchmark, is one run.
    whole.runs = list({(r.dataset, r.config_hash, r.seed, Path(r.folder).resolve()): r for r in whole.runs}.values())
    whole.failures = list(dict.fromkeys(whole.failures))
    whole.notes = _notes(terms_of)
    _check_apart(whole.runs)
    return whole


def run_rows(file: Path, notice: Notice = warnings.warn, run: str = "") -> list[ResultRow]:
    """The rows of a ``results.jsonl`` that count: of every measurement the last version.

    Args:
        file: of a run, or of several.
        notice: receives a sentence for lines that were cut and rows that are left out.
        run: where the run is, instead of what the rows say; unchanged if empty.

    Raises:
        DataError: rows of another version of a protocol that were not measured again since; a line that is no row.
    """
    entries = read_entries(file, notice)
    chosen = latest(entries)
    if len(chosen) < len(entries):
        notice(f"{file}: {len(entries) - len(chosen)} rows that were measured again since are left out")
    try:
        rows = [entry.row() for entry in chosen]
    except DataError as error:
        again = "or give the same `md2n benchmark` command again, with every protocol: it measures anew"
        raise DataError(error.message, f"{error.hint}; {again}") from None
    return [replace(row, run=run) for row in rows] if run else rows


def latest(entries: Sequence[Entry]) -> list[Entry]:
    """Without rows that were measured again since with another protocol version, data, settings or code.

    What is no result row stays, to be refused by its name.
    """
    newest = {_subject(e.held): _version(e.held) for e in entries if isinstance(e.held, dict)}
    return [e for e in entries if not isinstance(e.held, dict) or newest[_subject(e.held)] == _version(e.held)]


def _subject(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What is measured, whichever the version."""
    protocol = str(row.get("protocol")).partition("@")[0]
    kind = "recovery" if row.get("target") else "prediction"
    return str(row.get("run")), str(row.get("dataset")), str(row.get("split")), protocol, kind


def _version(row: Mapping[str, Any]) -> tuple[str, ...]:
    settings = row.get("settings")
    code = settings.get("code") if isinstance(settings, Mapping) else None
    return (*(str(row.get(name)) for name in ("protocol", "data_checksum", "config_hash")), str(code))


def _part(path: Path, notice: Notice) -> Results:
    """What one place holds."""
    if path.name.endswith(ARCHIVE):
        return read_archive(path)
    if (path / BENCHMARK).exists() or (path / RUNS).is_dir():
        return _benchmark(path, notice)
    file = path / RESULTS if path.is_dir() else path
    if not file.is_file():
        raise _without_results(path)
    rows = run_rows(file, notice)
    return Results(rows, run_facts(rows, file.parent))


def _benchmark(out: Path, notice: Notice) -> Results:
    results = Results(failures=_failures(out))
    for run in run_folders(out):
        if (run / RESULTS).exists():
            rows = run_rows(run / RESULTS, notice, run.relative_to(out).as_posix())
            results.rows += rows
            results.runs += run_facts(rows, out)
    # Data whose name is not their folder's are called as in the rows.
    names = {Path(r.run).parts[1]: r.dataset for r in results.rows}
    results.failures = [replace(f, dataset=names.get(f.dataset, f.dataset)) for f in results.failures]
    if not results.rows:
        lost = results.failures
        failed = f"; {len(lost)} failed, the first: {lost[0].reason}" if lost else ""
        older = f"; `md2n report {shlex.quote(str(out / RESULTS))}` reads rows collected by an older md2n"
        raise RunError(
            f"no run of the benchmark {out} has results{failed}",
            f"give the `md2n benchmark ... --out {shlex.quote(str(out))}` command again: it goes on"
            + (older if (out / RESULTS).exists() else ""),
        )
    return results


def run_folders(out: Path) -> list[Path]:
    """The run folders of a benchmark, by data set, method in the order of the catalogue, and seed."""
    order = {name: number for number, name in enumerate(MODELS.names())}
    runs = [p for p in (out / RUNS).glob("*/*/seed-*") if re.fullmatch(r"seed-\d+", p.name)]
    return sorted(runs, key=lambda p: (p.parts[-3], order.get(p.parts[-2], len(order)), p.parts[-2], _seed(p.name)))


def run_facts(rows: Sequence[ResultRow], place: Path) -> list[RunFacts]:
    """One entry for every run and data set, in the order of the rows.

    Args:
        rows: of results.
        place: the folder in which their ``run`` is.
    """
    facts: dict[tuple[str, str, str], RunFacts] = {}
    for row in rows:
        key, folder = (row.run, row.dataset, row.config_hash), place / row.run
        if key not in facts:
            facts[key] = RunFacts(
                folder=str(folder),
                dataset=row.dataset,
                model=row.model,
                config_hash=row.config_hash,
                seed=row.seed,
                predictions=str(predictions_folder(folder, row.dataset)),
                cost=read_cost(folder),
            )
        if row.protocol == PROTOCOLS["random"] and not facts[key].masks:
            facts[key] = replace(facts[key], masks=_masks(place, folder, row))
    return list(facts.values())


def _masks(place: Path, folder: Path, row: ResultRow) -> str:
    """The masks a run was measured under: the benchmark's, else its own."""
    parts = Path(row.run).parts
    shared = [place / MASKS / f"{parts[1]}.npz"] if len(parts) == 4 and parts[0] == RUNS else []
    return next((str(p) for p in (*shared, run_masks(folder, row.dataset, row.split)) if p.exists()), "")


def _failures(out: Path) -> list[Failure]:
    """Runs with a record of failure."""
    failures = []
    for record in sorted((out / RUNS).glob(f"*/*/seed-*{FAILED}")):
        dataset, model, name = record.parts[-3:]
        try:
            with reading(record):
                content = read_json(record)
                reason = str(content.get("reason") or content["said"].strip().splitlines()[-1])
                reason += f"; next: {content['next']}" if content.get("next") else ""
        except DataError:
            reason = "its record cannot be read"
        failures.append(Failure(dataset, model, _seed(name), reason.removeprefix("error: "), str(record)))
    return failures


def _seed(name: str) -> int:
    return int(name.removeprefix("seed-").removesuffix(FAILED))


def _notes(terms_of: Mapping[str, Mapping[Terms, Path]]) -> list[str]:
    """What was the same for every method: one sentence for the data sets that share it."""
    sets: dict[Terms, list[str]] = defaultdict(list)
    for dataset, paths in terms_of.items():
        if len(paths) > 1:
            ways = ", ".join(f"{path}: {t.options}" for t, path in paths.items())
            raise DataError(f"rows on '{dataset}' made in two ways do not compare ({ways})", "report them apart")
        sets[next(iter(paths))].append(dataset)
    where = {t: f" on {', '.join(names)}" if len(sets) > 1 else "" for t, names in sets.items()}
    return [f"Search budget{where[t]}, the same for every method: {t.words}." for t in sets]


def _check_apart(runs: Sequence[RunFacts]) -> None:
    """Refuses two runs of one method, configuration and seed: which of them gave a number could not be decided."""
    folders: dict[tuple[str, str, str, int], Path] = {}
    for run in runs:
        key, folder = (run.dataset, run.model, run.config_hash, run.seed), Path(run.folder).resolve()
        if folders.setdefault(key, folder) != folder:
            raise DataError(
                f"seed {run.seed} of {run.model} on '{run.dataset}' is in two folders: {folders[key]} and {folder}",
                "give one of them, or report them apart",
            )


def _without_results(path: Path) -> RunError:
    """What to do about a place that has no results."""
    if path.is_dir() and not any(path.iterdir()):
        return RunError(
            f"{path} is empty: it holds no results, of a run or of a benchmark",
            f"`md2n benchmark --data digits --out {shlex.quote(str(path))}` makes a benchmark there; or give another "
            "folder, in which `md2n evaluate` or `md2n benchmark` was done",
        )
    if (path / RUN).exists():
        return RunError(f"{path} holds no results", f"run `md2n evaluate {shlex.quote(str(path))}` first")
    # Of a folder of benchmarks, or of ``runs/<data set>/<method>/seed-<number>`` at any height.
    places = [f.parent for depth in range(1, DEPTH + 1) for f in sorted(path.glob("*/" * depth + RESULTS))]
    places += [f.parent for f in sorted(path.glob(f"*/{BENCHMARK}")) if f.parent not in places]
    if not places:
        return RunError(f"{path} holds no results", "give the folder of a run or a benchmark, or its results.jsonl")
    others = f" and {len(places) - NAMED} more" if len(places) > NAMED else ""
    names = " ".join(map(str, places[:NAMED]))
    return RunError(f"{path} holds no results of its own", f"give the folders that do: md2n report {names}{others}")


def write_archive(path: Path, results: Results) -> None:
    """Puts rows, runs and failures into one file; notes and the places of files are left out.

    Raises:
        StorageError: it cannot be written; what was there before is untouched.
    """
    rows = [asdict(row) for row in results.rows]
    content = {
        "format": FORMAT,
        "rows": {f.name: [row[f.name] for row in rows] for f in fields(ResultRow)},
        "runs": [asdict(replace(r, folder="", predictions="", masks="")) for r in results.runs],
        "failures": [asdict(replace(f, record="")) for f in results.failures],
    }
    text = json.dumps(content, allow_nan=False, sort_keys=True, separators=(",", ":"))
    make_directory(path.parent)
    write_bytes(path, lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def read_archive(path: Path) -> Results:
    """What ``write_archive`` wrote.

    Raises:
        DataError: it cannot be read, is of another format, or holds rows of another version of a protocol.
    """
    with reading(path, hint="restore it, or write it again"):
        unpacker = lzma.LZMADecompressor()
        content = parse_json(unpacker.decompress(read_bytes(path, LARGEST_BYTES), LARGEST_BYTES))
        if content["format"] != FORMAT:
            raise DataError(f"'{path}' is of format {content['format']}", f"this md2n reads format {FORMAT}")
        columns = content["rows"]
        lines = zip(*columns.values(), strict=True)
        rows = [Entry(dict(zip(columns, line)), f"'{path}', row {n}").row() for n, line in enumerate(lines, start=1)]
        for run in content["runs"]:  # JSON has no numbers as keys
            run["scores"] = {m: {int(row): v for row, v in scores.items()} for m, scores in run["scores"].items()}
        runs = [RunFacts(**run) for run in content["runs"]]
        return Results(rows, runs, [Failure(**failure) for failure in content["failures"]])
