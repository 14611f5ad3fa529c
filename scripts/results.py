"""The project's own results, ``results/results.json.xz``, from which docs/benchmark.md is made.

    python -m scripts.results missing [SET ...]         counts the runs that are missing or out of date
    python -m scripts.results run [SET ...]             makes them, and adds a set's numbers as soon as they are there
    python -m scripts.results add runs/benchmark-...    puts what benchmarks measured so far into the file

What is run is in ``BUDGETS``.  ``make benchmark`` is ``run``: hours; resumable.  The file holds what the pages need: of
predictions two measures under every condition, of recoveries means over the incomplete conditions that hide the
modality, what every test sample gives, costs, and failures.  Everything else is in the run folders, which the same
command makes again.  Commit the file and the pages alone, without code.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean

from md2n.cli.benchmark import cores
from md2n.config import to_mapping
from md2n.durable import make_directory
from md2n.evaluation.results import PROTOCOLS, STANDING, ResultRow, repeat_of
from md2n.experiment.benchmark import run_benchmark
from md2n.experiment.job import Job
from md2n.experiment.plan import options, plan, record_options
from md2n.experiment.results_store import Results, collect, read_archive, write_archive
from md2n.methods.catalogue import compared
from md2n.report.grid import COMPLETE, Naming, grid, measured, metrics_of
from md2n.report.runs import Failure, RunFacts
from md2n.report.samples import groups_of, scores_by_label
from md2n.training.run_identity import identity_hash
from scripts.refusals import in_two_lines

FILE = Path(__file__).resolve().parents[1] / "results" / "results.json.xz"
OUT = Path("runs")


@dataclass(frozen=True)
class Budget:
    """How long all methods learn on some sets, whatever their presets say.

    Args:
        name: of the benchmark's folder, behind ``benchmark-``.
        data: ready sets.
        steps: of training.
        validations: in those steps.
        imder: sets on which IMDer is run, too; a run of it takes as long as fifteen of most others.
    """

    name: str
    data: tuple[str, ...]
    steps: int
    validations: int
    imder: tuple[str, ...] = ()

    @property
    def out(self) -> Path:
        """Folder of the runs: those of two budgets do not compare."""
        return OUT / f"benchmark-{self.name}"

    @property
    def sets(self) -> tuple[str, ...]:
        """Overrides for every run."""
        return f"trainer.steps={self.steps}", f"trainer.validations={self.validations}"

    def jobs(self, data: str) -> list[Job]:
        """Every run on a set: five folds, or two seeds where 1,500 rows or more are tested; of slow methods fewer."""
        models = [m for m in compared() if m != "imder" or data in self.imder]
        jobs = plan([data], models, None, self.out, "", self.sets)
        return [
            j for j in jobs if (j.seed if j.fold is None else j.fold) < runs_of(j.model, len(jobs), j.fold is not None)
        ]


SMALL = ("ravdess_av", "stressid", "ict_mmmo", "news3sources", "mosi_clean")
# By the number of training samples: below 1,000, below 2,000, more.
BUDGETS = (
    Budget("small", SMALL, 600, 10, ("ravdess_av", "ict_mmmo", "news3sources")),
    Budget("middle", ("digits", "mfeat"), 1000, 8),
    Budget("large", ("cremad_ratings", "beijing_air", "extrasensory"), 2000, 8),
)
SETS = tuple(name for budget in BUDGETS for name in budget.data)
IMDER_SETS = tuple(name for budget in BUDGETS for name in budget.imder)
# A run of these takes as long as three to fifteen of most others.  Differences are paired, so few runs decide.
SLOW = ("transm", "icdn", "dicmor", "imder")
SLOW_FOLDS, SLOW_SEEDS = 2, 1
SPLIT, INCOMPLETE = "test", "incomplete"
PREDICTION = (("accuracy", "macro_f1"), ("acc2_nonzero", "mae"), ("mae",))  # a set has the first that it can have
RECOVERY = ("recovery_r2", "recovery_crps", "recovery_coverage90")
DIGITS = 12  # of a digest

Key = tuple[str, str, str]  # data set, method, protocol


def runs_of(model: str, repeats: int, folded: bool) -> int:
    """How many of a set's folds or seeds a method is run on: the first ones."""
    return min(repeats, SLOW_FOLDS if folded else SLOW_SEEDS) if model in SLOW else repeats


def trimmed(results: Results) -> Results:
    """What the pages need of what was measured on the test split, with six significant digits.

    Raises:
        DataError: a data set's rows are of two versions of the data, or of two sets of masks.
    """
    rows = [r for r in results.rows if r.split == SPLIT]
    chosen: list[ResultRow] = []
    means: dict[tuple[object, ...], list[ResultRow]] = defaultdict(list)
    metrics: dict[str, tuple[str, ...]] = {}
    for dataset in {r.dataset for r in rows}:
        held = {r.metric for r in rows if r.dataset == dataset and not r.target}
        metrics[dataset] = next((names for names in PREDICTION if set(names) <= held), ())
    for r in rows:
        if not r.target and r.metric in metrics[r.dataset]:
            chosen.append(_line(r, r.condition, r.value))
        elif r.metric in RECOVERY and r.protocol == PROTOCOLS["fixed"] and r.condition != COMPLETE:
            means[r.dataset, r.model, r.config_hash, r.repeat, r.target, r.metric].append(r)
    chosen += [_line(group[0], INCOMPLETE, fmean(r.value for r in group)) for group in means.values()]
    scores, known_groups = {}, {}
    for dataset in metrics:
        fixed = [r for r in measured(rows, dataset, "fixed") if not r.target and r.metric in metrics[dataset]]
        if fixed:
            labels = Naming().labels(fixed)
            known_groups[dataset] = groups_of(results.runs, grid(fixed, metrics_of(fixed)[0]), SPLIT)
            by_label = scores_by_label(results.runs, grid(fixed, metrics_of(fixed)[0]), labels, SPLIT)
            models = {label: pair for pair, label in labels.items()}
            for label, seeds in by_label.items():
                for seed, values in seeds.items():
                    scores[dataset, *models[label], seed] = {metrics_of(fixed)[0]: values}
    runs = []
    for run in results.runs:
        own = scores.get((run.dataset, run.model, run.config_hash, run.repeat), {})
        rounded = {metric: {row: _rounded(v) for row, v in values.items()} for metric, values in own.items()}
        rows_of = {row for values in own.values() for row in values}
        groups = {row: g for row, g in known_groups.get(run.dataset, {}).items() if row in rows_of}
        digest = run.config_hash[:DIGITS]
        bare = replace(run, folder="", predictions="", masks="", config_hash=digest)
        runs.append(replace(bare, scores=rounded, groups=groups))
    return Results(chosen, runs, [replace(f, record="") for f in results.failures])


def still_measured(old: Results, new: Results) -> Results:
    """The old numbers of the budgets' sets, without IMDer where the new ones leave it out."""
    anew = {r.dataset for r in new.rows} - set(IMDER_SETS)
    return replace(
        old, rows=[r for r in old.rows if r.dataset in SETS and not (r.model == "imder" and r.dataset in anew)]
    )


def merged(old: Results, new: Results) -> Results:
    """Both: new rows of a method on a data set under a protocol join old ones of the same settings and code.

    Old ones of other settings or code they replace, if they are of as many runs.  Runs of folds and of the split that
    there is do not mix: of a set that is measured the other way now, all old rows go.  A run's cost and samples go with
    its rows under the fixed protocol.  A failure stays until its run has results.

    Raises:
        DataError: a data set's numbers would be of two versions of the data, or of two sets of masks.
    """
    folds = {r.dataset: bool(r.fold) for r in new.rows}
    old = replace(old, rows=[r for r in old.rows if folds.get(r.dataset, bool(r.fold)) == bool(r.fold)])
    before, now = _groups(old.rows), _groups(new.rows)
    groups = dict(before)
    for key, rows in now.items():
        others = before.get(key, [])
        if _versions(rows) == _versions(others):
            groups[key] = rows + [r for r in others if r.repeat not in _seeds(rows)]
        elif len(_seeds(rows)) >= len(_seeds(others)):
            groups[key] = rows
    rows = sorted((r for group in groups.values() for r in group), key=_order)
    for dataset in {r.dataset for r in rows}:
        for protocol in STANDING:
            measured(rows, dataset, protocol)
    fixed = [group for key, group in groups.items() if key[2] == PROTOCOLS["fixed"]]
    mine = {_run(r) for r in new.rows}
    taken = {_run(r) for group in fixed for r in group if _run(r) in mine and r in now[r.dataset, r.model, r.protocol]}
    left = {_run(r) for group in fixed for r in group} - taken
    runs = [r for r in old.runs if _run(r) in left] + [r for r in new.runs if _run(r) in taken]
    ended = {_run(r) for r in new.rows} | {_run(f) for f in new.failures}
    failures = [*new.failures, *(f for f in old.failures if _run(f) not in ended)]
    return Results(rows, sorted(runs, key=_run), sorted(failures, key=_run))


def missing(rows: Iterable[ResultRow], jobs: Sequence[Job]) -> list[Job]:
    """The runs that have no number of these settings and of the installed code under one of the protocols."""
    known = {(_run(r), r.protocol, r.config_hash, _code(r, "measuring")) for r in rows if not r.target}

    def measured_now(job: Job) -> bool:
        version = identity_hash(to_mapping(job.config))[:DIGITS], job.version["measuring"]
        fold = "" if job.fold is None else f"{job.fold}/{job.folds}"
        run = job.dataset, job.model, repeat_of(job.seed, fold)
        return all((run, PROTOCOLS[p], *version) in known for p in STANDING)

    return [job for job in jobs if not measured_now(job)]


def make(budget: Budget, jobs: Sequence[Job]) -> None:
    """Makes runs, as ``md2n benchmark`` does; what is done in the budget's folder is not made again."""
    make_directory(budget.out)
    record_options(budget.out, options(0, "", budget.sets))
    say = partial(print, file=sys.stderr, flush=True)
    run_benchmark(jobs, STANDING, cores(), say, lambda done, total, what: say(f"[{done}/{total}] {what}"))


def _line(r: ResultRow, condition: str, value: float) -> ResultRow:
    code = {part: _code(r, part) for part in ("measuring", "shared") if _code(r, part)}
    masks = str(r.settings.get("masks", ""))[:DIGITS]
    settings = {**({"masks": masks} if masks else {}), **({"code": code} if code else {})}
    settings |= {"fold": r.fold} if r.fold else {}
    return replace(
        r,
        condition=condition,
        value=_rounded(value),
        rate_realised=float(f"{r.rate_realised:.4g}"),
        settings=settings,
        config_hash=r.config_hash[:DIGITS],
        data_checksum=r.data_checksum[:DIGITS],
        git_commit=r.git_commit[:DIGITS],
        run="",
        versions={},
        md2n_version="",
        created="",
    )


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _code(r: ResultRow, part: str) -> str:
    return str((r.settings.get("code") or {}).get(part, ""))


def _run(r: "ResultRow | RunFacts | Failure") -> tuple[str, str, int]:
    return r.dataset, r.model, r.seed if isinstance(r, Failure) else r.repeat


def _groups(rows: Iterable[ResultRow]) -> dict[Key, list[ResultRow]]:
    groups: dict[Key, list[ResultRow]] = defaultdict(list)
    for r in rows:
        groups[r.dataset, r.model, r.protocol].append(r)
    return groups


def _versions(rows: Iterable[ResultRow]) -> set[tuple[str, str, str]]:
    """Settings and code of rows."""
    return {(r.config_hash, _code(r, "measuring"), _code(r, "shared")) for r in rows}


def _seeds(rows: Iterable[ResultRow]) -> set[int]:
    return {r.repeat for r in rows}


def _order(r: ResultRow) -> tuple[object, ...]:
    return *_run(r), r.protocol, r.condition, r.target, r.metric


def add(folders: Sequence[Path]) -> None:
    """Puts what benchmarks measured into the file, and makes the pages."""
    from scripts import generate

    new, old = trimmed(collect(folders, lambda text: print(text, file=sys.stderr))), read_archive(FILE)
    write_archive(FILE, merged(still_measured(old, new), new))
    generate.write()


@in_two_lines()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("missing", "run", "add"))
    parser.add_argument("what", nargs="*", help="data sets; of `add`, folders of benchmarks")
    asked = parser.parse_args()
    if asked.action == "add":
        if not asked.what:
            parser.error("give the folder of a benchmark")
        add([Path(folder) for folder in asked.what])
        return
    if unknown := set(asked.what) - set(SETS):
        parser.error(f"no set of the benchmark: {', '.join(sorted(unknown))}; known: {', '.join(SETS)}")
    rows = read_archive(FILE).rows
    for budget in BUDGETS:
        for data in budget.data:
            if asked.what and data not in asked.what:
                continue
            jobs = budget.jobs(data)
            todo = missing(rows, jobs)
            print(f"# {data}: {len(todo)} of {len(jobs)} runs are to be made")
            if not todo:
                continue
            for model, count in Counter(job.model for job in todo).items():
                print(f"#   {model} {count}")
            if asked.action == "run":
                make(budget, todo)
                add([budget.out])


if __name__ == "__main__":
    main()
