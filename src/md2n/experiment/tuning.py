"""The search of a benchmark: the same number of trials for every method on every data set, chosen on validation.

Trial 0 is the preset, trials 1 to N are drawn at random from the method's space (``md2n.experiment.search``); each is a
``md2n train`` run with seed 0 under ``trials/``.  Optuna draws them and remembers what came of them in ``tuning.db``:
one study per method, data set and preset.  The best validation score decides the settings of all seeds.  The test split
has no part in it: trials are never measured on it.
"""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from md2n.durable import make_directory
from md2n.errors import RunError, UsageError, install_hint
from md2n.experiment.job import Job
from md2n.experiment.search import in_words, space, targets
from md2n.experiment.terms import Terms
from md2n.reading import read_json, reading
from md2n.report.table import Cell, Table
from md2n.training.rundir import read_run

if TYPE_CHECKING:
    import optuna

STORAGE = "tuning.db"
# Exit codes that the same trial would end with again: a fault of md2n, settings or data it refuses, divergence.
# After others (killed, no space left) it is made again.
FINAL = (1, 2, 3, 4, 6)


class Search:
    """The searches of a benchmark, one for every method on every data set among its runs.

    Args:
        jobs: the runs whose settings are searched.
        tune: trials beside the preset; at least 1.
        out: the benchmark's folder, where the search is remembered; None: nothing is written.

    Raises:
        UsageError: Optuna is not installed.
        RunError: what is remembered cannot be read.
    """

    def __init__(self, jobs: Sequence[Job], tune: int, out: Path | None = None) -> None:
        try:
            import optuna
        except ImportError as error:
            raise UsageError("Optuna, which searches settings, is not installed", install_hint("tune")) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.jobs, self.tune = tuple(jobs), tune
        self.path = None if out is None else out / STORAGE
        if out is not None:
            make_directory(out)
        self.firsts = {(j.data, j.model): replace(j, seed=0) for j in jobs}
        with self._storing():
            url = None if self.path is None else f"sqlite:///{self.path.resolve()}"
            self.storage = optuna.storages.get_storage(url)
            self.studies = {key: self._study(job) for key, job in self.firsts.items()}

    def trials(self) -> list[Job]:
        """The trials that have not ended, of every method, trial by trial.

        Raises:
            ConfigError: a space holds a setting or a value that its method does not have.
            RunError: what is remembered cannot be read or written.
        """
        trials = []
        with self._storing():
            for key, job in self.firsts.items():
                if self._ended(key) and not self._scores(key):
                    # All were refused, as for data that may have been mended since: from the beginning.
                    self.storage.delete_study(self.studies[key]._study_id)
                    self.studies[key] = self._study(job)
                while len(self.studies[key].trials) <= self.tune:
                    self._draw(key)
                trials += [_job(job, t) for t in self.studies[key].trials if not t.state.is_finished()]
        for trial in trials:
            _ = trial.config  # what cannot be meant is refused before the work
        return sorted(trials, key=lambda t: t.trial or 0)

    def record(self, trials: Sequence[Job]) -> None:
        """Remembers the validation scores of trials that are done, and those that failed and would fail again.

        Raises:
            RunError: it cannot be written.
        """
        import optuna

        with self._storing():
            for trial in trials:
                study, number = self.studies[trial.data, trial.model], trial.trial or 0
                if not trial.pending():
                    study.tell(number, float(read_run(trial.run)["result"]["score"]))
                elif _exit_code(trial) in FINAL:
                    study.tell(number, state=optuna.trial.TrialState.FAIL)

    def settled(self) -> tuple[list[Job], list[Job]]:
        """The runs with the settings that were chosen, and those whose trials have not all ended.

        Of equal scores the earlier trial is chosen; where all trials failed, the preset.
        """
        runs: list[Job] = []
        with self._storing():
            best = {key: max(self._scores(key), default=(0.0, 0))[1] for key in self.firsts if self._ended(key)}
            chosen = {key: _job(self.firsts[key], self.studies[key].trials[-n]).sets for key, n in best.items()}
        for job in self.jobs:
            if (job.data, job.model) in chosen:
                runs.append(replace(job, sets=chosen[job.data, job.model]))
        return runs, [job for job in self.jobs if (job.data, job.model) not in chosen]

    def _study(self, job: Job) -> "optuna.Study":
        import optuna

        name = f"{job.dataset}/{job.model}/{job.settings}"
        return optuna.create_study(storage=self.storage, study_name=name, direction="maximize", load_if_exists=True)

    def _draw(self, key: tuple[str, str]) -> None:
        """One more trial; its draw hangs on its number, so more trials begin with those that fewer would have made."""
        from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
        from optuna.samplers import RandomSampler

        job, study = self.firsts[key], self.studies[key]
        number = len(study.trials)
        drawn: dict[str, BaseDistribution] = {}
        for path, values in space(job.model, job.config, job.sets).items() if number else ():
            if isinstance(values[0], float):
                drawn[path] = FloatDistribution(*values, log=True)
            else:
                drawn[path] = CategoricalDistribution(values)
        study.sampler = RandomSampler(seed=zlib.crc32(f"{job.model}/{job.dataset}/{number}".encode()))
        study.ask(drawn)

    def _ended(self, key: tuple[str, str]) -> bool:
        trials = self.studies[key].trials
        return len(trials) > self.tune and all(t.state.is_finished() for t in trials)

    def _scores(self, key: tuple[str, str]) -> list[tuple[float, int]]:
        """(validation score, minus the number) of the trials that are done."""
        return [(t.value, -t.number) for t in self.studies[key].trials if t.value is not None]

    @contextmanager
    def _storing(self) -> Iterator[None]:
        again = "remove it and give the same command: trials that are done are read from their folders, not made again"
        with reading(self.path or "memory", RunError, again):
            yield


def space_table(jobs: Sequence[Job], tune: int) -> Table:
    """The search space of every method of a benchmark."""
    rows = []
    for job in {j.model: j for j in jobs}.values():
        for path, values in space(job.model, job.config, job.sets).items():
            rows.append((Cell(job.model), Cell(path), Cell(in_words(values))))
    return Table("space", f"What is searched: {Terms(tune).words}", ("method", "setting", "drawn from"), tuple(rows))


def _job(job: Job, trial: "optuna.trial.FrozenTrial") -> Job:
    """The run of a trial."""
    sets = [f"{t}={value}" for path, value in trial.params.items() for t in targets(path, job.config, job.sets)]
    return replace(job, sets=(*job.sets, *sets), trial=trial.number, seed=0)


def _exit_code(trial: Job) -> int | None:
    """Of the command that failed; None where none did, or the record is damaged."""
    try:
        return int(read_json(trial.failed)["exit_code"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
