"""What stands in run folders and benchmark folders, read for a report: rows, where they come from, what failed."""

import shlex
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from md2n.brief import brief
from md2n.errors import DataError, RunError
from md2n.evaluation.results import PROTOCOLS, ResultRow
from md2n.experiment.costs import read_cost
from md2n.experiment.jobs import FAILED, MASKS, RUNS
from md2n.experiment.ledger import RESULTS, read_ledger, read_run_results, training_of
from md2n.experiment.measuring import predictions_folder, run_masks
from md2n.experiment.source import training_code
from md2n.experiment.tuning import BENCHMARK, Terms, terms
from md2n.methods.catalogue import MODELS
from md2n.reading import exists, read_json, reading
from md2n.report.runs import Failure, RunFacts
from md2n.training.rundir import RUN

DEPTH, NAMED = 3, 4  # how far down results are looked for, and how many folders a message names


@dataclass
class Outcome:
    """What was found.

    Args:
        rows: result rows.
        runs: one entry for every run and data set among them.
        failures: runs that failed.
        notes: what must be said under the tables.
    """

    rows: list[ResultRow] = field(default_factory=list)
    runs: list[RunFacts] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    __repr__ = brief


def is_benchmark(folder: Path) -> bool:
    """True for a folder that ``md2n benchmark`` wrote."""
    return (folder / BENCHMARK).exists() or (folder / RUNS).is_dir()


def read_outcomes(paths: Sequence[Path], notice: Callable[[str], None] = warnings.warn) -> Outcome:
    """Everything that runs, benchmarks and results files hold.

    Args:
        paths: run folders, benchmark folders, or ``results.jsonl`` files.
        notice: told of lines and rows that are left out.

    Raises:
        RunError: one of them is absent, empty, or holds no results; the hint is the next step.
        DataError: rows of another version of a protocol, no result rows, benchmarks of one data set made under two sets
            of terms, or one run in two folders.
    """
    whole, benched, terms_of = Outcome(), list[ResultRow](), defaultdict[str, dict[Terms, Path]](dict)
    for path in paths:
        if not exists(path, RunError):
            raise RunError(f"there is no run folder or results file {path}", "give what `md2n train --out` wrote")
        if is_benchmark(path):
            outcome = _benchmark(path, notice)
            benched += outcome.rows
            if (own := terms(path)) is not None:
                for dataset in dict.fromkeys(r.dataset for r in outcome.rows):
                    terms_of[dataset].setdefault(replace(own, sets=own.sets or ()), path)
        else:
            outcome = _run(path, notice)
        whole.rows += outcome.rows
        whole.runs += outcome.runs
        whole.failures += outcome.failures
    # A folder that is given twice, or a run beside its benchmark, is one run.
    whole.runs = list({(r.dataset, r.config_hash, Path(r.folder).resolve()): r for r in whole.runs}.values())
    whole.failures = list(dict.fromkeys(whole.failures))
    whole.notes += _terms(terms_of)
    whole.notes += _of_other_code(benched)
    _check_apart(whole.runs)
    return whole


def _terms(terms_of: Mapping[str, Mapping[Terms, Path]]) -> list[str]:
    """What was the same for every method, said once where it was so on all data sets."""
    by: dict[Terms, list[str]] = defaultdict(list)
    for dataset, held in terms_of.items():
        if len(held) > 1:
            ways = ", ".join(f"{path}: {t.options}" for t, path in held.items())
            raise DataError(f"rows on '{dataset}' made in two ways do not compare ({ways})", "report them apart")
        by[next(iter(held))].append(dataset)
    where = {t: f" on {', '.join(sets)}" if len(by) > 1 else "" for t, sets in by.items()}
    return [f"Search budget{where[t]}, the same for every method: {t.words}." for t in by]


def _check_apart(runs: Sequence[RunFacts]) -> None:
    """Refuses two runs of one method, configuration and seed: which of them gave a number could not be told."""
    folders: dict[tuple[str, str, str, int], Path] = {}
    for run in runs:
        key, folder = (run.dataset, run.model, run.config_hash, run.seed), Path(run.folder).resolve()
        if folders.setdefault(key, folder) != folder:
            raise DataError(
                f"seed {run.seed} of {run.model} on '{run.dataset}' stands in two folders: {folders[key]} and {folder}",
                "give one of them, or report them apart",
            )


def _of_other_code(rows: Sequence[ResultRow]) -> list[str]:
    """A note where benchmarks hold runs by other code than this md2n's beside runs by its own, or by yet other code."""
    codes: dict[str, set[str]] = defaultdict(set)
    for r in rows:
        codes[r.model].add(training_of(r.settings))
    stale = {m: held for m, held in codes.items() if m in MODELS.names() and held != {training_code(m)}}
    # Where every method's are of the same older state they can be compared as they are.
    if not stale or (len(stale) == len(codes) and all(len(held) == 1 for held in stale.values())):
        return []
    methods = "; ".join(f"{model} ({', '.join(sorted(held))})" for model, held in stale.items())
    return [
        f"Runs by other code than this md2n's stand beside runs by its own, or by yet other code: {methods}; "
        "the same `md2n benchmark` command without --keep-stale makes the older ones again."
    ]


def _run(path: Path, notice: Callable[[str], None]) -> Outcome:
    if path.is_dir() and not any(path.iterdir()):
        raise RunError(
            f"{path} is empty: it holds no results, of a run or of a benchmark",
            f"`md2n benchmark --data digits --out {shlex.quote(str(path))}` makes a benchmark there; or give another "
            "folder, in which `md2n evaluate` or `md2n benchmark` was done",
        )
    file = path / RESULTS if path.is_dir() else path
    if not file.is_file():
        raise _without_results(path)
    rows = read_run_results(file, notice)
    return Outcome(rows, run_facts(rows, file.parent))


def _without_results(path: Path) -> RunError:
    """What to do about a place that is no benchmark and has no results."""
    if (path / RUN).exists():
        return RunError(f"{path} holds no results", f"run `md2n evaluate {shlex.quote(str(path))}` first")
    # Of a folder of benchmarks, or of ``runs/<data set>/<method>/seed-<number>`` at any height.
    held = [f.parent for depth in range(1, DEPTH + 1) for f in sorted(path.glob("*/" * depth + RESULTS))]
    if not held:
        return RunError(f"{path} holds no results", "give the folder of a run or a benchmark, or its results.jsonl")
    others = f" and {len(held) - NAMED} more" if len(held) > NAMED else ""
    named = " ".join(map(str, held[:NAMED]))
    return RunError(f"{path} holds no results of its own", f"give the folders that do: md2n report {named}{others}")


def _benchmark(out: Path, notice: Callable[[str], None]) -> Outcome:
    rows = read_ledger(out, notice) if (out / RESULTS).exists() else []
    failures = _failures(out, rows)
    if not rows:
        failed = f"; {len(failures)} failed, the first: {failures[0].reason}" if failures else ""
        raise RunError(
            f"no run of the benchmark {out} has results{failed}",
            f"give the `md2n benchmark ... --out {shlex.quote(str(out))}` command again: it goes on",
        )
    return Outcome(rows, run_facts(rows, out), failures)


def run_facts(rows: Sequence[ResultRow], place: Path) -> list[RunFacts]:
    """One entry for every run and data set, in the order of the rows.

    Args:
        rows: of results.
        place: the folder in which their ``run`` is to be looked for.
    """
    facts: dict[tuple[str, str, str], RunFacts] = {}
    for row in rows:
        key = (row.run, row.dataset, row.config_hash)
        folder = place / row.run
        masks = facts[key].masks if key in facts else ""
        if row.protocol == PROTOCOLS["random"]:
            masks = _masks(place, folder, row)
        facts[key] = RunFacts(
            folder=str(folder),
            dataset=row.dataset,
            model=row.model,
            config_hash=row.config_hash,
            seed=row.seed,
            predictions=str(predictions_folder(folder, row.dataset)),
            masks=masks,
            cost=facts[key].cost if key in facts else read_cost(folder),
        )
    return list(facts.values())


def _masks(place: Path, folder: Path, row: ResultRow) -> str:
    """The masks a run was measured under: the benchmark's, else its own."""
    parts = Path(row.run).parts
    shared = place / MASKS / f"{parts[1]}.npz" if len(parts) == 4 and parts[0] == RUNS else None
    own = run_masks(folder, row.dataset, row.split)
    return next((str(p) for p in (shared, own) if p is not None and p.exists()), "")


def _failures(out: Path, rows: Sequence[ResultRow]) -> list[Failure]:
    """Runs with a record of failure; data that are called otherwise than their folder are named as in the rows."""
    names = {Path(r.run).parts[1]: r.dataset for r in rows if len(Path(r.run).parts) == 4}
    failures = []
    for record in sorted((out / RUNS).glob(f"*/*/seed-*{FAILED}")):
        folder, model = record.parts[-3:-1]
        seed = int(record.name.removeprefix("seed-").removesuffix(FAILED))
        try:
            with reading(record):
                content = read_json(record)
                reason = str(content.get("reason") or content["said"].strip().splitlines()[-1])
                reason += f"; next: {content['next']}" if content.get("next") else ""
        except DataError:
            reason = "its record cannot be read"
        failures.append(Failure(names.get(folder, folder), model, seed, reason.removeprefix("error: "), str(record)))
    return failures
