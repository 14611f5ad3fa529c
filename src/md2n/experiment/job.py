"""One run of a benchmark: its folder, its two commands, and whether it is done, stale or still to be made."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from md2n.config import config_hash, to_mapping
from md2n.data.store import checksum, is_store
from md2n.durable import refused
from md2n.errors import RunError
from md2n.evaluation.results import PROTOCOLS
from md2n.experiment.config import DEFAULT, ExperimentConfig, resolve
from md2n.experiment.source import UNKNOWN, measuring_code, training_code
from md2n.methods.catalogue import MODELS
from md2n.reading import read_json
from md2n.training.run_identity import differences, identity
from md2n.training.rundir import is_begun, read_config, read_run

RUNS, TRIALS, MASKS = "runs", "trials", "masks"
EVALUATED = "evaluated.json"
FAILED = ".failed.json"
ASIDE = ".aside-"

# Why a run is to be made or measured.
NEW = "not made yet in this way"
OTHER_DATA = "made from another version of the data"
RETRAIN = "made by other code"
REMEASURE = "measured by other code, or under another version of the protocol"


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
        keep_stale: whether what other code made counts as done.
    """

    data: str
    model: str
    seed: int
    out: Path
    preset: str = DEFAULT
    sets: tuple[str, ...] = ()
    trial: int | None = None
    keep_stale: bool = False

    @property
    def dataset(self) -> str:
        """The name of the data in folders."""
        return Path(self.data).name

    @property
    def run(self) -> Path:
        """The run folder."""
        if self.trial is not None:
            return self.out / TRIALS / self.dataset / self.model / f"trial-{self.trial:02}"
        return self.out / RUNS / self.dataset / self.model / f"seed-{self.seed}"

    @property
    def masks(self) -> Path:
        """The random protocol's masks, shared by every method on this data set."""
        return self.out / MASKS / f"{self.dataset}.npz"

    @property
    def failed(self) -> Path:
        """The record of a failure; beside the run's folder, in which there may be no run to go on with."""
        return self.run.with_name(f"{self.run.name}{FAILED}")

    @property
    def title(self) -> str:
        """The job in a line, for messages."""
        return f"{self.data} {self.model} " + (f"seed {self.seed}" if self.trial is None else f"trial {self.trial}")

    @cached_property
    def config(self) -> ExperimentConfig:
        """The resolved configuration.

        Raises:
            ConfigError: a setting that the method does not have.
            UsageError: no such preset, file or method.
        """
        return resolve(self.preset, self.sets, data=self.data, model=self.model, seed=self.seed)

    @cached_property
    def settings(self) -> str:
        """Digest of the resolved settings, those of the evaluation too: a preset that was edited is another one."""
        mapping = to_mapping(self.config)
        return config_hash({**identity(mapping), "evaluation": mapping["evaluation"]})

    @cached_property
    def code(self) -> dict[str, str]:
        """Digests of the code that a run would be trained and measured by now."""
        return {"training": training_code(self.model), "measuring": measuring_code(self.model)}

    def pending(self, protocols: Sequence[str] = ()) -> str:
        """Why the run is to be made or measured: one of the constants above; empty where it is done.

        Args:
            protocols: that it is to be measured under; none: that it is trained is enough.
        """
        try:
            record = read_json(self.run / EVALUATED)
            same = record["settings"] == self.settings
            # Before versions were written down there was only the first.
            measured = {p if "@" in p else f"{p}@1" for p in record["protocols"]}
            measured_by = record.get("code", {}).get("measuring")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # no record, or a damaged one
            return NEW
        if not same:
            return NEW
        if reason := self._outdated():
            return reason
        absent = {p for p in protocols if PROTOCOLS[p] not in measured}
        if absent:
            return REMEASURE if absent & {p.partition("@")[0] for p in measured} else NEW
        remeasured = protocols and measured_by != self.code["measuring"] and not self.keep_stale
        return REMEASURE if remeasured else ""

    def _outdated(self) -> str:
        """Why what is in the run folder cannot be gone on with, whatever its settings; empty where it can."""
        facts = self._facts()
        trained_on = (facts.get("data") or {}).get("checksum")
        if trained_on is not None and is_store(Path(self.data)) and trained_on != checksum(Path(self.data)):
            return OTHER_DATA
        return RETRAIN if self.stale and not self.keep_stale else ""

    @property
    def stale(self) -> bool:
        """True where other code trained what is in the run folder, or it does not say which."""
        return bool(self._facts().get("code", UNKNOWN) != self.code["training"])

    def _facts(self) -> dict[str, Any]:
        try:
            return read_run(self.run)
        except RunError:  # absent or damaged
            return {}

    def set_aside(self) -> str:
        """Renames the run folder where it is of other settings, data or code; nothing is lost.

        Returns:
            What was renamed and why; empty where the folder is free, or holds a run to go on with.

        Raises:
            StorageError: it cannot be renamed.
        """
        try:
            if not is_begun(self.run):
                return ""
            reasons = differences(read_config(self.run), to_mapping(self.config))
        except RunError:
            return ""  # damaged: training says how, and what to do
        reasons += [reason] if (reason := self._outdated()) else []
        if not reasons:
            return ""
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
        sample.
        """
        sets = [part for s in self.sets for part in ("--set", s)]
        train = ["train", self.preset, "--data", self.data, "--model", self.model, "--seed", str(self.seed)]
        train += ["--out", str(self.run), *sets, "--quiet"]
        if self.trial is not None:
            return [train]
        if not MODELS.get(self.model).card.recovers:
            return [train, self._evaluate(*protocols)]
        under = recovered_under(protocols)
        others = [p for p in protocols if p != under]
        return [train, self._evaluate(under), *([[*self._evaluate(*others), "--no-recovery"]] if others else [])]

    def _evaluate(self, *protocols: str) -> list[str]:
        options = [part for p in protocols for part in ("--protocol", p)]
        return ["evaluate", str(self.run), *options, "--masks", str(self.masks), "--quiet"]


def recovered_under(protocols: Sequence[str]) -> str:
    """The one of a benchmark's protocols under which recoveries are measured.

    >>> recovered_under(["random", "fixed"]), recovered_under(["random"])
    ('fixed', 'random')
    """
    return "fixed" if "fixed" in protocols else protocols[0]
