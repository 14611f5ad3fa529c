"""The search of a benchmark: the same number of trials for every method on every data set, judged on validation.

Trial 0 is the preset, trials 1 to N are drawn from the method's stated space (``md2n.experiment.search``); each is a
``md2n train`` run with seed 0 under ``trials/``.  The best validation score decides the settings of all seeds, and is
remembered in ``tuning/``.  The test split takes no part: trials are never measured on it.
"""

import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from md2n.durable import make_directory, write_json
from md2n.errors import DataError, RunError, UsageError
from md2n.experiment.jobs import EVALUATED, Job
from md2n.experiment.search import draws, space
from md2n.reading import read_json, reading
from md2n.report.table import Cell, Table
from md2n.training.rundir import read_run

BENCHMARK, TUNING = "benchmark.json", "tuning"
REFUSALS = (2, 3, 4, 6)  # exit codes that the same trial would end with again: diverged, cannot serve these data
# A traceback: a fault that this draw meets, and it will again; or memory that ran out, and it need not.
UNEXPLAINED, TIMES = 1, 2


@dataclass(frozen=True)
class Choice:
    """What the search came to for one method on one data set.

    Args:
        trial: number of the best.
        sets: its settings.
        scores: validation score of every trial; None where it failed.
    """

    trial: int
    sets: tuple[str, ...]
    scores: tuple[float | None, ...]


@dataclass(frozen=True)
class Terms:
    """What is the same for every method of a benchmark.

    Args:
        tune: trials of the search per method and data set.
        preset: that every method starts from; each one's own if empty.
        sets: settings of every run beside the preset; None in folders of an md2n that did not keep them.
    """

    tune: int
    preset: str = ""
    sets: tuple[str, ...] | None = ()

    @property
    def words(self) -> str:
        """In words, for the tables."""
        parts = ["presets, no search"]
        if self.tune:
            trials = f"{self.tune} random {'trial' if self.tune == 1 else 'trials'}"
            parts = [f"the preset and {trials} per method and data set, chosen on validation with seed 0"]
        parts += [f"every method from preset '{self.preset}'"] if self.preset else []
        parts += [f"in every run {', '.join(self.sets)}"] if self.sets else []
        return "; ".join(parts)

    @property
    def options(self) -> str:
        """As options of ``md2n benchmark``."""
        options = ["--tune", str(self.tune), *(["--preset", self.preset] if self.preset else [])]
        return shlex.join([*options, *(word for s in self.sets or () for word in ("--set", s))])


def terms(out: Path) -> Terms | None:
    """Those that a benchmark was made under; None where it has not begun.

    Raises:
        RunError: they cannot be read.
    """
    with reading(out / BENCHMARK, RunError, "restore it, or give another --out"):
        if not (out / BENCHMARK).exists():
            return None
        record = read_json(out / BENCHMARK)
        sets = tuple(map(str, record["sets"])) if "sets" in record else None
        return Terms(int(record["tune"]), str(record.get("preset", "")), sets)


def check_terms(out: Path, now: Terms) -> None:
    """Refuses to put rows made under two sets of terms into one benchmark.

    Raises:
        UsageError: the folder was made under others.
    """
    before = terms(out)
    if before is not None and before != (now if before.sets is not None else Terms(now.tune, sets=None)):
        raise UsageError(
            f"{out} was made with {before.options}, not with {now.options}: such rows do not compare",
            f"give {before.options}, or another folder to --out",
        )


def keep_terms(out: Path, now: Terms) -> None:
    """Remembers them, if there are none yet.

    Raises:
        StorageError: they cannot be written.
    """
    make_directory(out)
    if terms(out) is None:
        content = {"tune": now.tune, "preset": now.preset, "sets": list(now.sets or ())}
        write_json(out / BENCHMARK, {"format": 1, **content})


def trials(jobs: Sequence[Job], tune: int) -> list[Job]:
    """The trials of every method on every data set, trial by trial; none where the budget is 0.

    Raises:
        ConfigError: a stated space holds a setting or a value that its method does not have.
    """
    if not tune:
        return []
    trial_jobs = []
    for job in _firsts(jobs):
        drawn = draws(job.model, job.dataset, job.config, tune, job.sets)
        for number, sets in enumerate([[], *drawn]):
            trial = replace(job.with_sets(sets), trial=number, seed=0)
            _ = trial.config  # what cannot be meant is refused before the work
            trial_jobs.append(trial)
    return sorted(trial_jobs, key=lambda t: t.trial or 0)


def choice(job: Job, tune: int) -> Choice | None:
    """What the search came to for a job's method and data; None while trials are to be made, or made again.

    A trial that diverged counts as made; where all did, the preset is left.  A choice that was made stands, whatever
    becomes of its trials and of the code: it says with which settings to run, not what came of it.
    """
    tried = trials([job], tune)
    settings = [t.settings["settings"] for t in tried]
    try:
        with reading(_record(job)):
            record = read_json(_record(job))
            if record["settings"] == settings:
                return Choice(record["trial"], tuple(record["sets"]), tuple(record["scores"]))
    except DataError:
        pass  # not made yet, or damaged: it follows from the trials
    if not tried or not all(t.done() or _refused(t) for t in tried):
        return None
    scores = tuple(_score(t) if t.done() else None for t in tried)
    held = [(score, -number) for number, score in enumerate(scores) if score is not None]
    best = -max(held)[1] if held else 0
    return Choice(best, tried[best].sets, scores)


def open_trials(jobs: Sequence[Job], tune: int) -> list[Job]:
    """The trials of methods for which nothing is chosen yet."""
    choices = {(j.data, j.model): choice(j, tune) for j in _firsts(jobs) if tune}
    chosen = {key for key, outcome in choices.items() if outcome is not None and _came_to_something(outcome)}
    return [t for t in trials(jobs, tune) if (t.data, t.model) not in chosen]


def chosen_jobs(jobs: Sequence[Job], tune: int) -> list[Job]:
    """The runs with the settings that the search chose; with their presets where there is no choice (yet)."""
    choices = {(j.data, j.model): choice(j, tune) if tune else None for j in _firsts(jobs)}
    chosen = []
    for job in jobs:
        outcome = choices[job.data, job.model]
        chosen.append(job if outcome is None else replace(job, sets=outcome.sets))
    return chosen


def settle(
    jobs: Sequence[Job], tune: int, notice: Callable[[str], None] = lambda text: None
) -> tuple[list[Job], list[Job]]:
    """Writes every choice down, and makes the best trial the run of seed 0, which it is.

    Args:
        jobs: the runs.
        tune: trials per method and data set.
        notice: told of runs of other settings or other code that were renamed to make way.

    Returns:
        The runs with the settings that were chosen, and those that must wait because trials are to be made again.

    Raises:
        StorageError: it cannot be written.
    """
    if not tune:
        return list(jobs), []
    waiting = set()
    for job in _firsts(jobs):
        outcome = choice(job, tune)
        if outcome is None:
            waiting.add((job.data, job.model))
            continue
        if not _came_to_something(outcome):
            continue  # not remembered: what all trials were refused for may be mended, as data can be
        tried = trials([job], tune)
        record: dict[str, Any] = {"trial": outcome.trial, "sets": list(outcome.sets), "scores": list(outcome.scores)}
        record |= {"tried": [list(t.sets) for t in tried], "settings": [t.settings["settings"] for t in tried]}
        make_directory(_record(job).parent)
        write_json(_record(job), record)
        best, first = tried[outcome.trial], replace(job, sets=outcome.sets, seed=0)
        if best.done() and not first.done() and (message := first.make_way()):
            notice(message)
        if best.done() and not first.run.exists():
            beside = first.run.with_name(f".{first.run.name}.copy")
            make_directory(beside.parent)
            shutil.rmtree(beside, ignore_errors=True)
            shutil.copytree(best.run, beside, ignore=shutil.ignore_patterns(EVALUATED))
            beside.rename(first.run)
    settled = [j for j in jobs if (j.data, j.model) not in waiting]
    return chosen_jobs(settled, tune), [j for j in jobs if (j.data, j.model) in waiting]


def space_table(jobs: Sequence[Job], tune: int) -> Table:
    """The stated space of every method of a benchmark."""
    rows = []
    for job in {j.model: j for j in jobs}.values():
        for path, values in space(job.model, job.config, job.sets).items():
            rows.append((Cell(job.model), Cell(path), Cell(values.words)))
    title = f"What is searched: {Terms(tune).words}"
    return Table("space", title, ("method", "setting", "drawn from"), tuple(rows))


def _firsts(jobs: Sequence[Job]) -> list[Job]:
    """One job for every method on every data set."""
    return list({(j.data, j.model): replace(j, seed=0) for j in jobs}.values())


def _record(job: Job) -> Path:
    return job.out / TUNING / job.dataset / f"{job.model}.json"


def _refused(trial: Job) -> bool:
    """True where the trial ended in a way in which it would end again; unexplained, where it did so twice."""
    return any(map(trial.failures, REFUSALS)) or trial.failures(UNEXPLAINED) >= TIMES


def _came_to_something(outcome: Choice) -> bool:
    return any(score is not None for score in outcome.scores)


def _score(trial: Job) -> float:
    return float(read_run(trial.run)["result"]["score"])
