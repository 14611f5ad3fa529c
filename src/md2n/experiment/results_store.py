"""What runs measured, cost and failed with, in one form: from run folders, or from one compressed file.

A run folder holds its own ``results.jsonl`` and ``cost.json``; a benchmark, or any other folder of run folders, is read
from the run folders below it, so no row is in two places.  ``write_archive`` puts results into one file (JSON by
columns, compressed by xz): the same results are the same bytes, and what is read back is equal.
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
from md2n.experiment.job import ASIDE, FAILED, VARIANTS
from md2n.experiment.measuring import RESULTS, predictions_folder, run_masks
from md2n.experiment.plan import options_of
from md2n.methods.catalogue import MODELS
from md2n.reading import exists, parse_json, read_bytes, read_json, reading
from md2n.report.runs import Failure, RunFacts
from md2n.training.rundir import RUN

ARCHIVE = ".json.xz"
FORMAT = 1
LARGEST_BYTES = 1 << 28  # of an archive, compressed or not

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
        paths: folders of runs, at any height, ``results.jsonl`` files, or archives.
        notice: receives a sentence for lines that were cut and rows that are left out.

    Raises:
        RunError: one of them is absent, empty, or holds no results; the hint is the next step.
        DataError: rows of another version of a protocol, no result rows, benchmarks of one data set made with two sets
            of options, or one run in two folders.
    """
    whole = Results()
    options: dict[str, dict[str, None]] = defaultdict(dict)  # data set -> options of benchmarks it is in
    for path in paths:
        if not exists(path, RunError):
            raise RunError(f"there is no run folder or results file {path}", "give what `md2n train --out` wrote")
        part = read_archive(path) if path.name.endswith(ARCHIVE) else _part(path, notice)
        for run in part.runs:
            parents = Path(run.folder).resolve().parents
            if len(parents) > 3 and (own := options_of(parents[3])) is not None:
                options[run.dataset][own] = None
        whole.rows += part.rows
        whole.runs += part.runs
        whole.failures += part.failures
    # A folder that is given twice, or a run beside its benchmark, is one run.
    whole.runs = list({(r.dataset, r.config_hash, r.repeat, Path(r.folder).resolve()): r for r in whole.runs}.values())
    whole.failures = list(dict.fromkeys(whole.failures))
    for dataset, ways in options.items():
        if len(ways) > 1:
            named = " and ".join(ways)
            raise DataError(f"rows on '{dataset}' made with {named} do not compare", "report them apart")
        whole.notes.append(f"{dataset}: every method with {next(iter(ways))} (random trials beside its preset).")
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
    newest = {_subject(e.held): _version(e.held) for e in entries if isinstance(e.held, dict)}
    # What is no result row is refused by its name.
    chosen = [e for e in entries if not isinstance(e.held, dict) or newest[_subject(e.held)] == _version(e.held)]
    if len(chosen) < len(entries):
        notice(f"{file}: {len(entries) - len(chosen)} rows that were measured again since are left out")
    try:
        rows = [entry.row() for entry in chosen]
    except DataError as error:
        again = "or give the same `md2n benchmark` command again, with every protocol: it measures anew"
        raise DataError(error.message, f"{error.hint}; {again}") from None
    return [replace(row, run=run) for row in rows] if run else rows


def _subject(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What is measured, whichever the version."""
    protocol = str(row.get("protocol")).partition("@")[0]
    kind = "recovery" if row.get("target") else "prediction"
    return str(row.get("run")), str(row.get("dataset")), str(row.get("split")), protocol, kind


def _version(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Of the protocol, data, settings and code."""
    settings = row.get("settings")
    code = settings.get("code") if isinstance(settings, Mapping) else None
    return (*(str(row.get(name)) for name in ("protocol", "data_checksum", "config_hash")), str(code))


def _part(path: Path, notice: Notice) -> Results:
    """What one file, or the run folders in one folder, hold."""
    if path.is_file():
        rows = run_rows(path, notice)
        return Results(rows, run_facts(rows, path.parent))
    results = Results(failures=_failures(path))
    own = [f for f in path.rglob(RESULTS) if VARIANTS not in f.relative_to(path).parts]
    files = [f for f in own if (f.parent / RUN).exists() and ASIDE not in f.parent.name]
    for file in sorted(files, key=lambda f: _place(f.parent)):
        rows = run_rows(file, notice, file.parent.relative_to(path).as_posix())
        results.rows += rows
        results.runs += run_facts(rows, path)
    # Data whose name is not their folder's are called as in the rows.
    names = {Path(r.folder).parts[-3:-2]: r.dataset for r in results.runs}
    results.failures = [replace(f, dataset=names.get((f.dataset,), f.dataset)) for f in results.failures]
    if not results.rows:
        lost = f"; {len(results.failures)} runs failed" if results.failures else ""
        hint = "give the folder of a run after `md2n evaluate`, that of `md2n benchmark`, or a results file"
        if (path / RUN).exists():
            hint = f"run `md2n evaluate {shlex.quote(str(path))}` first"
        raise RunError(f"{path} holds no results{lost}", hint)
    return results


def _place(run: Path) -> tuple[object, ...]:
    """By data set, method in the order of the catalogue, and seed."""
    names = list(MODELS.names())
    dataset, model, name = ("", "", *run.parts)[-3:]
    numbers = [int(n) for n in re.findall(r"\d+", name)]
    return dataset, names.index(model) if model in names else len(names), model, numbers, name


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
                fold=row.fold,
                predictions=str(predictions_folder(folder, row.dataset)),
                cost=read_cost(folder),
            )
        masks = run_masks(folder, row.dataset, row.split)
        if row.protocol == PROTOCOLS["random"] and masks.exists():
            facts[key] = replace(facts[key], masks=str(masks))
    return list(facts.values())


def _failures(place: Path) -> list[Failure]:
    """Runs with a record of failure."""
    failures = []
    records = [r for r in place.rglob(f"seed-*{FAILED}") if VARIANTS not in r.relative_to(place).parts]
    for record in sorted(records):
        dataset, model, name = record.parts[-3:]
        try:
            with reading(record):
                content = read_json(record)
                reason = str(content["reason"]).removeprefix("error: ")
                reason += f"; next: {content['next']}" if content.get("next") else ""
        except DataError:
            reason = "its record cannot be read"
        failures.append(Failure(dataset, model, int(re.findall(r"\d+", name)[0]), reason, str(record)))
    return failures


def _check_apart(runs: Sequence[RunFacts]) -> None:
    """Refuses two runs of one method, configuration and seed: which of them gave a number could not be decided."""
    folders: dict[tuple[str, str, str, int], Path] = {}
    for run in runs:
        key, folder = (run.dataset, run.model, run.config_hash, run.repeat), Path(run.folder).resolve()
        if folders.setdefault(key, folder) != folder:
            raise DataError(
                f"seed {run.seed} of {run.model} on '{run.dataset}' is in two folders: {folders[key]} and {folder}",
                "give one of them, or report them apart",
            )


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
            run["groups"] = {int(row): group for row, group in run.get("groups", {}).items()}
            run["scores"] = {m: {int(row): v for row, v in scores.items()} for m, scores in run["scores"].items()}
        runs = [RunFacts(**run) for run in content["runs"]]
        return Results(rows, runs, [Failure(**failure) for failure in content["failures"]])
