"""What a benchmark will take before it is begun: runs, how many are done, network calls, expected time."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from md2n.data.ready import Datasets, load, load_datasets
from md2n.errors import Md2nError
from md2n.experiment.estimate import Effort, estimate
from md2n.experiment.jobs import EVALUATED, REMEASURE, RETRAIN, Job
from md2n.reading import read_json
from md2n.report.table import Cell, Table


@dataclass(frozen=True)
class Planned:
    """One method on one data set.

    Args:
        data: ready name or store.
        model: method.
        preset: it starts from.
        kind: ``runs`` that are measured, or ``trials`` of the search.
        runs: how many.
        done: how many of them are done.
        effort: of one run, timed on a few batches; None where nothing is left to do or nothing can be timed.
        seconds: of one run: the longest that was made here, else as timed.
        source: where ``seconds`` comes from, or why there are none.
        stale: reason -> how many of those left are done but for the code that made or measured them.
        outdated: how many of those done were made by other code, and are let stand.
    """

    data: str
    model: str
    preset: str
    kind: str
    runs: int
    done: int
    effort: Effort | None
    seconds: float | None
    source: str
    stale: Mapping[str, int] = field(default_factory=dict)
    outdated: int = 0

    @property
    def left(self) -> int:
        """Runs to do."""
        return self.runs - self.done


def planned(jobs: Sequence[Job], protocols: Sequence[str], notice: Callable[[str], None]) -> list[Planned]:
    """Every method on every data set, with what is left to do; trains nothing and writes nothing.

    Args:
        jobs: runs and trials.
        protocols: the runs will be measured under.
        notice: told what is being timed.
    """
    groups: dict[tuple[str, str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.data, job.model, "runs" if job.trial is None else "trials"), []).append(job)
    loaded: dict[str, Datasets] = {}
    plans = []
    for (data, model, kind), held in groups.items():
        under = tuple(protocols) if kind == "runs" else ()
        reasons = {job: job.lacks(under) for job in held}
        done = [job for job in held if not reasons[job]]
        stale = Counter(reason for reason in reasons.values() if reason in (RETRAIN, REMEASURE))
        outdated = sum(job.keep_stale and job.outdated for job in done)
        effort, seconds, source = None, None, ""
        if len(done) < len(held):
            notice(f"timing {model} on {data}")
            effort, source = _timed(held[0], under, loaded)
            seconds = None if effort is None else effort.seconds
            walls = [_wall_s(job) for job in done]
            if any(walls):
                seconds, source = max(walls), "runs made here"
        counts = (len(held), len(done))
        plans.append(Planned(data, model, held[0].preset, kind, *counts, effort, seconds, source, stale, outdated))
    return plans


def plan_table(plans: Sequence[Planned], workers: int) -> Table:
    """The plan as a table, with its totals in the last row.

    Args:
        plans: from ``planned``.
        workers: runs at a time.
    """
    rows = []
    for p in plans:
        calls = None if p.effort is None else float(p.effort.calls)
        steps = None if p.effort is None else float(p.effort.steps)
        each = None if p.seconds is None else p.seconds / 60
        rows.append(
            (
                Cell(p.data),
                Cell(p.model),
                Cell(p.preset),
                Cell(p.kind),
                Cell(value=float(p.runs), digits=0),
                Cell(value=float(p.done), digits=0),
                Cell(value=steps, digits=0),
                Cell(value=calls, digits=0),
                Cell(value=each, digits=1),
                Cell(value=None if calls is None else calls * p.left, digits=0),
                Cell(value=None if each is None else each * p.left, digits=1),
                Cell(p.source),
            )
        )
    calls_left = sum(p.effort.calls * p.left for p in plans if p.effort is not None)
    minutes = sum(p.seconds * p.left for p in plans if p.seconds is not None) / 60
    counts = (sum(p.runs for p in plans), sum(p.done for p in plans))
    totals = (Cell("all"), Cell(), Cell(), Cell(), *(Cell(value=float(c), digits=0) for c in counts), Cell(), Cell())
    totals += (Cell(), Cell(value=float(calls_left), digits=0), Cell(value=minutes, digits=1), Cell())
    unknown = [p for p in plans if p.left and p.seconds is None]
    notes = [
        f"{minutes:.0f} minutes of computing are {minutes / workers:.0f} minutes with {workers} "
        f"{'worker' if workers == 1 else 'workers'} on as many idle cores; a run that stops early takes less.",
        "Network calls: passes through the part of a method that is called most often, in training, choice and "
        "measuring; at most.",
    ]
    for reason in (RETRAIN, REMEASURE):
        count = sum(p.stale.get(reason, 0) for p in plans)
        if count:
            where = ", ".join(f"{p.model} on {p.data}: {p.stale[reason]}" for p in plans if reason in p.stale)
            notes.append(
                f"Stale, {count} of the runs to do: {reason} ({where}). --keep-stale lets what other code did stand."
            )
    outdated = sum(p.outdated for p in plans)
    if outdated:
        notes.append(f"{outdated} of the runs that are done were {RETRAIN}; --keep-stale lets them stand.")
    if unknown:
        notes.append(f"Not in the totals: {', '.join(f'{p.model} on {p.data}' for p in unknown)}.")
    return Table(
        "plan",
        "What is to be done",
        (
            "data set", "method", "preset", "what", "runs", "done", "steps a run", "network calls a run",
            "minutes a run", "network calls left", "minutes left", "time from",
        ),
        (*rows, totals),
        tuple(notes),
    )  # fmt: skip


def _timed(job: Job, protocols: Sequence[str], loaded: dict[str, Datasets]) -> tuple[Effort | None, str]:
    """What one run takes, and where that is known from; or why it is not known."""
    config = job.config
    try:
        if job.data not in loaded:
            loaded.clear()  # one data set at a time: they may be large
            loaded[job.data] = load_datasets(load(config.data.name, config.data), config.data)
        return estimate(config, loaded[job.data], protocols), "a few batches"
    except Md2nError as error:
        return None, f"unknown: {error.message}"
    except (RuntimeError, ValueError) as error:  # linear algebra that a few batches do not determine
        return None, f"unknown: {str(error).splitlines()[0]}"


def _wall_s(job: Job) -> float:
    try:
        return float(read_json(job.run / EVALUATED)["wall_s"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0
