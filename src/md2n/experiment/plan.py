"""What a benchmark consists of: one job per method, data set and seed; what is left to do, and how long it takes.

A method starts from the preset of its own name where there is one, else from the default with the method named.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from md2n.data.manifest import read_manifest
from md2n.data.places import check_one_meaning
from md2n.data.ready import READY, Datasets, load, load_datasets
from md2n.data.store import is_store
from md2n.errors import DataError, Md2nError, UsageError, did_you_mean
from md2n.experiment.config import DEFAULT, presets, resolve
from md2n.experiment.estimate import estimate
from md2n.experiment.job import EVALUATED, REMEASURE, RETRAIN, Job
from md2n.methods.catalogue import MODELS
from md2n.reading import read_json
from md2n.report.table import Cell, Table


def own_preset(model: str) -> str:
    """The preset a method starts from where none is asked for: that of its own name, else the default.

    >>> own_preset("md2n")
    'default'
    """
    return model if model in presets() and resolve(model).model.name == model else DEFAULT


def plan(
    data: Sequence[str],
    models: Sequence[str],
    seeds: int,
    out: Path,
    preset: str = "",
    sets: Sequence[str] = (),
    keep_stale: bool = False,
    first_seed: int = 0,
) -> list[Job]:
    """Every run, seeds outermost: a benchmark cut short has whole comparisons of fewer seeds.

    What cannot be meant is refused here, before hours of work.

    Args:
        data: ready names or stores.
        models: methods.
        seeds: how many: ``first_seed``, ``first_seed + 1``, ...
        out: the benchmark's folder.
        preset: what every method starts from; empty: each from its own.
        sets: overrides for every run.
        keep_stale: whether what other code made counts as done.
        first_seed: where seeds begin: several machines or sittings can share them.

    Raises:
        UsageError: an unknown method, two data sets or methods of one name, or a name of two data sets.
        DataError: data that are not there.
        ConfigError: a setting that a method does not have.
    """
    for name in data:
        check_one_meaning(name)
        if name not in READY and not Path(name).exists():
            raise DataError(f"'{name}' is neither a ready set nor a file or folder", did_you_mean(name, READY))
    stores = [str(read_manifest(Path(d)).get("name", "")) for d in data if is_store(Path(d))]
    for what, names, hint in (
        ("data sets", [Path(d).name for d in data], "their runs would share a folder: rename one"),
        ("methods", models, "name it once"),
        (
            "stores hold data that",
            [*stores, *(d for d in data if d in READY)],
            "their numbers would be in one table: import one again with another --name",
        ),
    ):
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise UsageError(f"two {what} are called '{twice[0]}'", hint)
    chosen = {model: preset or own_preset(MODELS.check(model)) for model in models}
    for model in models:
        resolve(chosen[model], sets, model=model)
    combinations = itertools.product(range(first_seed, first_seed + seeds), data, models)
    return [Job(d, m, s, out, chosen[m], tuple(sets), keep_stale=keep_stale) for s, d, m in combinations]


def plan_table(
    jobs: Sequence[Job], protocols: Sequence[str], workers: int, notice: Callable[[str], None] = lambda text: None
) -> Table:
    """Every method on every data set: runs, how many are done, and the time of the others; trains and writes nothing.

    Args:
        jobs: runs and trials.
        protocols: the runs will be measured under.
        workers: runs at a time.
        notice: receives a sentence on what is being timed.
    """
    groups: dict[tuple[str, str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.data, job.model, "runs" if job.trial is None else "trials"), []).append(job)
    loaded: dict[str, Datasets] = {}
    rows, done_in_all, seconds = [], 0, 0.0
    unknown: list[str] = []
    again: dict[str, dict[str, int]] = {RETRAIN: {}, REMEASURE: {}}
    for (data, model, kind), group in groups.items():
        where, under = f"{model} on {data}", tuple(protocols) if kind == "runs" else ()
        reasons = [job.pending(under) for job in group]
        done, left = reasons.count(""), len(group) - reasons.count("")
        each, source = 0.0, ""
        if left:
            ended = [job for job, reason in zip(group, reasons) if not reason]
            each, source = max(map(_wall_s, ended), default=0.0), "runs made here"
            if not each:
                notice(f"timing {where}")
                each, source = _timed(group[0], under, loaded)
        for reason, counts in again.items():
            if reason in reasons:
                counts[where] = reasons.count(reason)
        done_in_all += done
        seconds += each * left
        unknown += [where] if left and not each else []
        names = map(Cell, (data, model, group[0].preset, kind))
        rows.append((*names, *_counts(len(group), done), _minutes(each), _minutes(each * left), Cell(source)))
    totals = (*_counts(len(jobs), done_in_all), Cell(), Cell(value=seconds / 60), Cell())
    notes = [
        f"{seconds / 60:.0f} minutes of computing are {seconds / 60 / workers:.0f} minutes with {workers} "
        f"{'worker' if workers == 1 else 'workers'} on as many idle cores; a run that stops early takes less."
    ]
    for reason, counts in again.items():
        if counts:
            named = ", ".join(f"{where}: {n}" for where, n in counts.items())
            notes.append(f"{sum(counts.values())} were {reason} ({named}); --keep-stale counts them as done.")
    notes += [f"Not in the totals: {', '.join(unknown)}."] if unknown else []
    heads = ("data set", "method", "preset", "what", "runs", "done", "minutes a run", "minutes left", "time from")
    all_rows = (*rows, (Cell("all"), Cell(), Cell(), Cell(), *totals))
    return Table("plan", "What is to be done", heads, all_rows, tuple(notes))


def _counts(runs: int, done: int) -> tuple[Cell, Cell]:
    return Cell(value=float(runs), digits=0), Cell(value=float(done), digits=0)


def _minutes(seconds: float) -> Cell:
    return Cell(value=seconds / 60 if seconds else None)


def _timed(job: Job, protocols: Sequence[str], loaded: dict[str, Datasets]) -> tuple[float, str]:
    """Seconds of one run, and where that is known from; 0, and why, where it is not known."""
    config = job.config
    try:
        if job.data not in loaded:
            loaded.clear()  # one data set at a time: they may be large
            loaded[job.data] = load_datasets(load(config.data.name, config.data), config.data)
        return estimate(config, loaded[job.data], protocols), "a few batches"
    except Md2nError as error:
        return 0.0, f"unknown: {error.message}"
    except (RuntimeError, ValueError) as error:  # linear algebra that a few batches do not determine
        return 0.0, f"unknown: {str(error).splitlines()[0]}"


def _wall_s(job: Job) -> float:
    try:
        return float(read_json(job.run / EVALUATED)["wall_s"])
    except (OSError, ValueError, KeyError, TypeError):  # not evaluated, or its record is damaged: no time is known
        return 0.0
