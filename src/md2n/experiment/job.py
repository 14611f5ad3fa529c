"""One run of a benchmark: its folder, its commands, and whether it is done."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from md2n.config import config_hash, to_mapping
from md2n.data.store import checksum, is_store
from md2n.durable import refused
from md2n.errors import RunError
from md2n.evaluation.results import PROTOCOLS
from md2n.experiment.config import DEFAULT, ExperimentConfig, resolve
from md2n.experiment.source import measuring_code, training_code
from md2n.methods.catalogue import MODELS
from md2n.reading import read_json
from md2n.training.lock import FolderLock
from md2n.training.run_identity import differences, identity
from md2n.training.rundir import LOCK, is_begun, read_config, read_run

EVALUATED = "evaluated.json"
FAILED = ".failed.json"
ASIDE = ".aside-"
VARIANTS = "variants"  # in a benchmark's folder: runs of variants of methods, which its report leaves out


@dataclass(frozen=True)
class Job:
    """One run of the benchmark.

    Args:
        data: ready name or store.
        model: method.
        seed: of everything random.
        out: the benchmark's folder.
        preset: configuration; the method is named apart.
        sets: overrides, in order.
        trial: number of a trial of the search; None for a run that is measured.
        fold: which fold of the data is the test split; None: the data's own split.
        folds: how many there are; None with ``fold``.
        variant: of the method, in a folder of its own; empty: the method as it is compared with others.
        recovery: whether what is recovered is measured, too.
    """

    data: str
    model: str
    seed: int
    out: Path
    preset: str = DEFAULT
    sets: tuple[str, ...] = ()
    trial: int | None = None
    fold: int | None = None
    folds: int | None = None
    variant: str = ""
    recovery: bool = True

    @property
    def dataset(self) -> str:
        """The name of the data in folders."""
        return Path(self.data).name

    @property
    def run(self) -> Path:
        """The run folder."""
        kind, name = ("runs", f"seed-{self.seed}") if self.trial is None else ("trials", f"trial-{self.trial:02}")
        part = "" if self.fold is None else f"-fold-{self.fold}-of-{self.folds}"
        kind = f"{VARIANTS}/{self.variant}" if self.variant else kind
        return self.out / kind / self.dataset / self.model / f"{name}{part}"

    @property
    def failed(self) -> Path:
        """The record of a failure; beside the run's folder, in which there may be no run to go on with."""
        return self.run.with_name(f"{self.run.name}{FAILED}")

    @property
    def title(self) -> str:
        """The job in a line, for messages."""
        return f"{self.data} {self.variant or self.model} {self.run.name.replace('-', ' ')}"

    @property
    def overrides(self) -> tuple[str, ...]:
        """All that is set beside the preset, the fold too."""
        fold = () if self.fold is None else (f"data.fold={self.fold}", f"data.folds={self.folds}")
        return (*self.sets, *fold)

    @cached_property
    def config(self) -> ExperimentConfig:
        """The resolved configuration.

        Raises:
            ConfigError: a setting that the method does not have.
            UsageError: no such preset, file or method.
        """
        return resolve(self.preset, self.overrides, data=self.data, model=self.model, seed=self.seed)

    @cached_property
    def version(self) -> dict[str, str]:
        """Digests of what decides the numbers: all settings, also of the evaluation, and the code of both commands."""
        mapping = to_mapping(self.config)
        settings = config_hash({**identity(mapping), "evaluation": mapping["evaluation"]})
        return {"settings": settings, "training": training_code(self.model), "measuring": measuring_code(self.model)}

    def done(self, protocols: Sequence[str] = ()) -> bool:
        """Whether these settings, these data and the installed code have made and measured it.

        Args:
            protocols: that it is to be measured under; none: that it is trained is enough.
        """
        measured = self.measured()
        return measured is not None and {PROTOCOLS[p] for p in protocols} <= set(measured) and not self.outdated()

    def measured(self) -> list[str] | None:
        """The protocols it was measured under, by these settings and the installed code; None where it was not made."""
        try:
            record = read_json(self.run / EVALUATED)
            return list(map(str, record["protocols"])) if record["version"] == self.version else None
        except (OSError, ValueError, KeyError, TypeError):  # no record, or a damaged one
            return None

    def outdated(self) -> list[str]:
        """Why what is in the run folder cannot be gone on with; empty where it can, or where there is nothing."""
        try:
            if not is_begun(self.run):
                return []
            reasons = differences(read_config(self.run), to_mapping(self.config))
            facts = read_run(self.run)
        except RunError:
            return []  # damaged: training says how, and what to do
        trained_on = (facts.get("data") or {}).get("checksum")
        if trained_on is not None and is_store(Path(self.data)) and trained_on != checksum(Path(self.data)):
            reasons.append("made from another version of the data")
        return reasons + (["made by other code"] if facts.get("code") != self.version["training"] else [])

    def set_aside(self) -> str:
        """Renames the run folder where it is of other settings, data or code; nothing is lost.

        Returns:
            What was renamed and why; empty where the folder is free, or holds a run to go on with.

        Raises:
            RunError: somebody trains there.
            StorageError: it cannot be renamed.
        """
        if not (reasons := self.outdated()):
            return ""
        with FolderLock(self.run / LOCK):
            pass  # a folder that is renamed must have no open file on some systems
        names = (self.run.with_name(f"{self.run.name}{ASIDE}{n}") for n in itertools.count(1))
        aside = next(path for path in names if not path.exists())
        try:
            self.run.rename(aside)
        except OSError as error:
            raise refused(aside, error) from error
        return f"{self.run} was renamed to {aside.name}: {'; '.join(reasons)}"

    def commands(self, protocols: Sequence[str]) -> list[list[str]]:
        """The commands, as a person would type them: train, then evaluate; a trial is only trained.

        What was recovered is measured under one protocol, the fixed one where it is asked for: there each pattern
        is measured alone, and tables of recovery are made of it.  IMDer takes 800 network calls for each recovered
        sample.  Under ``every`` none is measured.
        """
        sets = [part for s in self.overrides for part in ("--set", s)]
        train = ["train", self.preset, "--data", self.data, "--model", self.model, "--seed", str(self.seed)]
        train += ["--out", str(self.run), *sets, "--quiet"]
        if self.trial is not None:
            return [train]
        able = [p for p in protocols if p != "every"]
        if not MODELS.get(self.model).card.recovers:
            return [train, self._evaluate(*protocols)]
        if not self.recovery or not able:
            return [train, [*self._evaluate(*protocols), "--no-recovery"]]
        under = "fixed" if "fixed" in able else able[0]
        others = [p for p in protocols if p != under]
        return [train, self._evaluate(under), *([[*self._evaluate(*others), "--no-recovery"]] if others else [])]

    def _evaluate(self, *protocols: str) -> list[str]:
        chosen = (part for p in protocols for part in ("--protocol", p))
        return ["evaluate", str(self.run), *chosen, "--no-report", "--quiet"]  # the benchmark has a report of all runs
