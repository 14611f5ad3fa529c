"""What a benchmark consists of: one job per method, data set, fold and seed; and what is the same for all of them.

A method starts from the preset of its own name where there is one, else from the default with the method named.
"""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from md2n.data.config import DataConfig
from md2n.data.folds import split_anew
from md2n.data.manifest import read_manifest
from md2n.data.places import check_one_meaning
from md2n.data.ready import READY, load
from md2n.data.store import is_store
from md2n.durable import make_directory, write_json
from md2n.errors import DataError, RunError, UsageError, did_you_mean
from md2n.experiment.config import DEFAULT, presets, resolve
from md2n.experiment.job import EVALUATED, Job
from md2n.methods.catalogue import MODELS
from md2n.reading import read_json, reading
from md2n.report.table import Cell, Table

BENCHMARK = "benchmark.json"
FOLDS, SMALL = 5, 1500  # folds of sets with fewer test rows


def own_preset(model: str) -> str:
    """The preset a method starts from where none is asked for: that of its own name, else the default.

    >>> own_preset("md2n")
    'default'
    """
    return model if model in presets() and resolve(model).model.name == model else DEFAULT


def plan(
    data: Sequence[str],
    models: Sequence[str],
    seeds: int | None,
    out: Path,
    preset: str = "",
    sets: Sequence[str] = (),
    folds: int | None = None,
) -> list[Job]:
    """Every run, seeds and folds outermost: a benchmark cut short has whole comparisons of fewer of them.

    What cannot be meant is refused here, before hours of work.

    Args:
        data: ready names or stores.
        models: methods.
        seeds: how many: 0, 1, ...; as in ``repeats_of`` if None.
        out: the benchmark's folder.
        preset: what every method starts from; empty: each from its own.
        sets: overrides for every run.
        folds: into how many the rows of every set are split anew; 0: the split they have.

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
    repeats = {d: repeats_of(d, seeds, folds) for d in data}
    return [
        Job(d, m, repeats[d][n][0], out, chosen[m], tuple(sets), None, *repeats[d][n][1:])
        for n in range(max(map(len, repeats.values()), default=0))
        for d in data
        for m in models
        if n < len(repeats[d])
    ]


def repeats_of(data: str, seeds: int | None, folds: int | None) -> list[tuple[int, int | None, int | None]]:
    """(seed, fold, folds) of every run of a method on a data set.

    By default five folds with one seed where fewer than 1,500 rows are tested, for there the rows are what a mean hangs
    on; two seeds on the split that there is elsewhere, and where data cannot be split anew.  Whoever says only how many
    seeds means the split that there is.

    Args:
        data: ready name or store.
        seeds: how many.
        folds: how many; 0: the split that there is.
    """
    if seeds is None and folds is None:
        try:
            samples = load(data)
            split_anew(samples, DataConfig(data, fold=0, folds=FOLDS))
            small = len(samples.rows("test")) < SMALL
        except DataError:  # of data that cannot be read every run says so
            small = False
        seeds, folds = (1, FOLDS) if small else (2, 0)
    if not folds:
        return [(seed, None, None) for seed in range(seeds or 1)]
    return [(seed, fold, folds) for seed in range(seeds or 1) for fold in range(folds)]


def plan_table(jobs: Sequence[Job], protocols: Sequence[str]) -> Table:
    """Every method on every data set: runs, how many are done, and the time of the others by the longest done one.

    Args:
        jobs: runs and trials.
        protocols: the runs will be measured under.
    """
    groups: dict[tuple[str, str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.data, job.variant or job.model, "runs" if job.trial is None else "trials"), []).append(
            job
        )
    rows = []
    for names, group in groups.items():
        done = [job for job in group if job.done(protocols if job.trial is None else ())]
        each = max((float(read_json(job.run / EVALUATED)["wall_s"]) / 60 for job in done), default=None)
        left = len(group) - len(done)
        counts = (Cell(value=float(n), digits=0) for n in (len(group), len(done)))
        minutes = (Cell(value=each), Cell(value=None if each is None else each * left))
        rows.append((*map(Cell, names), *counts, *minutes))
    heads = ("data set", "method", "what", "runs", "done", "minutes a run", "minutes left")
    note = "Minutes are known once a run has been done here; --seeds 1 runs one of each."
    return Table("plan", "What is to be done", heads, tuple(rows), (note,))


def options(tune: int, preset: str = "", sets: Sequence[str] = ()) -> str:
    """What is the same for every method, as options of ``md2n benchmark``; of two values of a setting the last.

    >>> options(3, "md2n", ["trainer.epochs=1", "trainer.epochs=2"])
    '--tune 3 --preset md2n --set trainer.epochs=2'
    """
    last = sorted({s.partition("=")[0]: s for s in sets}.values())
    words = ["--tune", str(tune), *(["--preset", preset] if preset else [])]
    return shlex.join([*words, *(word for s in last for word in ("--set", s))])


def options_of(out: Path) -> str | None:
    """The ``options`` that a benchmark was begun with; None where it has not begun, or of an md2n before this.

    Raises:
        RunError: they cannot be read.
    """
    with reading(out / BENCHMARK, RunError, "restore it, or give another --out"):
        return read_json(out / BENCHMARK).get("options") if (out / BENCHMARK).exists() else None


def check_options(out: Path, now: str) -> None:
    """Refuses to put rows made with two sets of options into one benchmark.

    Raises:
        UsageError: the folder was made with others.
    """
    before = options_of(out)
    if before not in (None, now):
        raise UsageError(
            f"{out} was made with {before}, not with {now}: such rows do not compare",
            f"give {before}, or another folder to --out",
        )


def record_options(out: Path, now: str) -> None:
    """Writes them, where they hold from now on.

    Raises:
        StorageError: they cannot be written.
    """
    make_directory(out)
    write_json(out / BENCHMARK, {"format": 2, "options": now})
