"""What a benchmark consists of: one job per method, data set and seed, each with a folder and two commands.

A method starts from the preset of its own name where there is one, else from the default with the method named.
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from md2n.config import config_hash, to_mapping
from md2n.data.manifest import read_manifest
from md2n.data.places import check_one_meaning
from md2n.data.ready import READY
from md2n.data.store import checksum, is_store
from md2n.durable import refused
from md2n.errors import DataError, RunError, UsageError, did_you_mean
from md2n.evaluation.results import PROTOCOLS
from md2n.experiment.config import DEFAULT, ExperimentConfig, presets, resolve
from md2n.experiment.source import UNKNOWN, measuring_code, training_code
from md2n.methods.catalogue import MODELS
from md2n.reading import read_json
from md2n.training.run_identity import differences, identity, identity_hash
from md2n.training.rundir import is_begun, read_config, read_run

RUNS, TRIALS, MASKS = "runs", "trials", "masks"
EVALUATED = "evaluated.json"
FAILED = ".failed.json"
ASIDE = ".aside-"

# Why a run is not done.
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
        keep_stale: whether what older code made counts as done.
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
        """What was asked and said, if the run failed; beside its folder, in which there may be no run to go on with."""
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
    def settings(self) -> dict[str, Any]:
        """What the run is made with, as it is remembered: a preset that was edited is another one."""
        mapping = to_mapping(self.config)
        settings_hash = config_hash({**identity(mapping), "evaluation": mapping["evaluation"]})
        code = {"training": training_code(self.model), "measuring": measuring_code(self.model)}
        request = {"preset": self.preset, "sets": list(self.sets), "data": self.data, "settings": settings_hash}
        return {**request, "config_hash": identity_hash(mapping), "code": code}

    def remembers(self, record: Mapping[str, Any]) -> bool:
        """True where a record is of the run with these settings, by whatever code."""
        return all(record.get(k) == self.settings[k] for k in ("preset", "sets", "data", "settings"))

    @property
    def outdated(self) -> bool:
        """True where other code trained what is in the run folder, or it does not say which."""
        try:
            return bool(read_run(self.run).get("code", UNKNOWN) != training_code(self.model))
        except RunError:  # absent or damaged: no code is known
            return True

    @property
    def of_other_data(self) -> bool:
        """True where what is in the run folder was made from what this store held before."""
        if not is_store(Path(self.data)):
            return False
        try:
            held = read_run(self.run).get("data", {}).get("checksum")
        except RunError:
            return False
        return held not in (None, checksum(Path(self.data)))

    def done(self, protocols: Sequence[str] = ()) -> bool:
        """True where every command has ended well, with these settings and code and for all of these protocols."""
        return not self.lacks(protocols)

    def lacks(self, protocols: Sequence[str] = ()) -> str:
        """Why the run is to be made or measured: one of the constants above; empty where it is done."""
        try:
            record = read_json(self.run / EVALUATED)
            same = self.remembers(record)
            # Before versions were written down there was only the first.
            held = {p if "@" in p else f"{p}@1" for p in record["protocols"]}
            measured_by = record.get("code", {}).get("measuring")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # no record, or a damaged one
            return NEW
        if not same:
            return NEW
        if self.of_other_data:
            return OTHER_DATA
        if self.outdated and not self.keep_stale:
            return RETRAIN
        missing = {p for p in protocols if PROTOCOLS[p] not in held}
        if missing:
            return REMEASURE if missing & {h.partition("@")[0] for h in held} else NEW
        remeasured = protocols and measured_by != measuring_code(self.model) and not self.keep_stale
        return REMEASURE if remeasured else ""

    def failures(self, exit_code: int) -> int:
        """How often in a row it ended in this way, with these settings and, unless that is not to count, this code."""
        try:
            record = read_json(self.failed)
            alike = self.remembers(record) and record["exit_code"] == exit_code
            alike &= self.keep_stale or record["code"]["training"] == training_code(self.model)
            return int(record.get("times", 1)) if alike else 0
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # no record, or a damaged one
            return 0

    def make_way(self) -> str:
        """Renames what stands in the run folder where it is of other settings or of other code; nothing is lost.

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
        if self.of_other_data:
            reasons.append(OTHER_DATA)
        if self.outdated and not self.keep_stale:
            reasons.append(RETRAIN)
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
        stands alone, and tables of recovery are made of it.  IMDer takes 800 network calls for each recovered sample.
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

    def with_sets(self, more: Sequence[str]) -> "Job":
        """The same run with further overrides."""
        return replace(self, sets=(*self.sets, *more))


def recovered_under(protocols: Sequence[str]) -> str:
    """The one of a benchmark's protocols under which recoveries are measured.

    >>> recovered_under(["random", "fixed"]), recovered_under(["random"])
    ('fixed', 'random')
    """
    return "fixed" if "fixed" in protocols else protocols[0]


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
        keep_stale: whether what older code made counts as done.
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
            "their numbers would stand in one table: import one again with another --name",
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
