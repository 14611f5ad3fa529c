"""Measuring a run under the protocols: rows with their provenance, predictions and recovered frames in files."""

import hashlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.data.dataset import MultimodalDataset
from md2n.data.folds import group_names
from md2n.data.readers.npy import load_npz
from md2n.data.samples import Samples
from md2n.durable import make_directory, tidy, write_bytes
from md2n.errors import RunError, UsageError, did_you_mean
from md2n.evaluation.evaluator import ConditionResult, RecoveryResult, evaluate, evaluate_recovery, result_rows
from md2n.evaluation.inference import Meter
from md2n.evaluation.inside import evaluate_cells, inside_conditions
from md2n.evaluation.protocols import Condition, fixed_conditions, hidden_condition, shared_masks
from md2n.evaluation.results import (
    PROTOCOLS,
    STANDARD,
    Provenance,
    ResultRow,
    append_results,
    provenance,
    read_entries,
)
from md2n.experiment.costs import read_cost, record_cost
from md2n.experiment.loading import LoadedRun, evaluation_data, load_run
from md2n.experiment.source import UNKNOWN, measuring_code, shared_code, training_code
from md2n.methods.base import Recovers
from md2n.reading import reading
from md2n.report.figures import RecoveryExample
from md2n.training.run_identity import identity_hash
from md2n.training.rundir import read_config

Progress = Callable[[int, int, str], None]

RESULTS, PREDICTIONS = "results.jsonl", "predictions"
RECOVERY_BATCH = 64  # samples at a time: a recovery holds several draws of each
FIGURE_NUMBERS = 20_000  # of a recovered modality, for its figure
# What tells two evaluations apart; versions of packages and the time do not.
SAME = ("dataset", "split", "data_checksum", "model", "config_hash", "seed", "protocol", "settings", "md2n_version")


def run_evaluation(
    run: Path | LoadedRun,
    protocols: Sequence[str] | None = None,
    *,
    split: str = "test",
    masks: Path | None = None,
    hide: Mapping[str, float] | None = None,
    draws: int | None = None,
    recovery: bool = True,
    data: str | None = None,
    device: str = "cpu",
    notice: Callable[[str], None] = lambda text: None,
    progress: Progress = lambda done, total, what: None,
) -> list[ResultRow]:
    """Measures a finished run; what was measured before in the same way is read, not measured again.

    Rows are appended to the run's ``results.jsonl``, predictions and what was available are written to
    ``predictions/``, and what the method took for its answers to ``cost.json``.

    Args:
        run: a run folder, or a loaded run.
        protocols: of ``STANDARD``; the configuration's if neither they nor ``hide`` are given.
        split: train, valid or test.
        masks: the random protocol's masks, drawn and saved there the first time; in the run folder if not given.
        hide: modality -> rate in [0, 1] at which it is hidden; one condition of the protocol ``hidden``.
        draws: averaged for a prediction; the configuration's if not given.
        recovery: whether recovered modalities are measured, where the method recovers; never under ``every``.
        data: other data than the run was trained on.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``; of no account for a loaded run.
        notice: receives sentences that a person should read.
        progress: called after every batch: how many answers there are, of how many, and what they are.

    Returns:
        The rows of these protocols on this split.

    Raises:
        RunError: the run is not finished, or damaged.
        UsageError: no such protocol, split or device; a modality to hide that is not there, or a rate out of range.
        DataError: the data do not fit the run, or have changed since it was trained.
        StorageError: results cannot be written.
    """
    loaded = run if isinstance(run, LoadedRun) else load_run(run, device)
    chosen = tuple(protocols or (() if hide else loaded.config.evaluation.protocols))
    for name in chosen:
        if name not in STANDARD:
            hint = "give the rates: --hide image=0.7" if name in PROTOCOLS else did_you_mean(name, STANDARD)
            message = f"the protocol '{name}' needs rates" if name in PROTOCOLS else f"no protocol is called '{name}'"
            raise UsageError(message, hint)
    chosen += ("hidden",) if hide else ()
    for note in loaded.notes:
        notice(note)
    for folder in (loaded.path, *(p for p in (loaded.path / PREDICTIONS).glob("**/") if p.is_dir())):
        tidy(folder)
    samples, dataset, checksum = evaluation_data(loaded, split, data, notice)
    averaged = loaded.config.evaluation.draws if draws is None else draws
    bench = _Bench(loaded, samples, dataset, checksum, split, averaged, data is not None, notice, progress, hide or {})
    rows: list[ResultRow] = []
    for name in chosen:
        conditions = bench.conditions(name, masks)
        for condition in conditions:
            if condition.excluded:
                notice(f"{condition.name}: {condition.excluded} of {len(dataset)} samples hold none of it")
        rows += bench.predictions(name, conditions)
        if recovery and name != "every" and isinstance(loaded.model, Recovers):
            try:
                rows += bench.recoveries(name, conditions)
            except UsageError as error:  # a method that recovers in principle, but not as it was configured
                notice(f"recovery is not measured: {error.message}")
    return rows


@dataclass(frozen=True)
class _Bench:
    """One run on one split of one data set."""

    run: LoadedRun
    samples: Samples
    dataset: MultimodalDataset
    checksum: str
    split: str
    draws: int
    foreign: bool
    notice: Callable[[str], None]
    progress: Progress
    hide: Mapping[str, float] = field(default_factory=dict)

    __repr__ = brief

    @cached_property
    def groups(self) -> npt.NDArray[np.int64]:
        """Number of the person or video that each row of the data set comes from."""
        return np.unique(group_names(self.samples), return_inverse=True)[1].reshape(-1).astype(np.int64)

    def conditions(self, protocol: str, masks: Path | None) -> tuple[Condition, ...]:
        present, names = self.dataset.present, self.run.schema.names
        if protocol == "fixed":
            return fixed_conditions(present, names)
        if protocol == "inside":
            return inside_conditions(present)
        if protocol == "hidden":
            ids = self.samples.ids[self.dataset.rows]
            condition = hidden_condition(present, names, ids, self.hide, self.run.config.evaluation.seed)
            for k, name in enumerate(names):
                if name in self.hide:
                    gone, held = int((present & ~condition.available)[:, k].sum()), int(present[:, k].sum())
                    self.notice(f"{condition.name}: '{name}' is hidden from {gone} of the {held} samples that have it")
            return (condition,)
        own = run_masks(self.run.path, self.samples.name, self.split, protocol)
        belongs = {"data_checksum": self.checksum, "split": self.split, "protocol": protocol}
        path = (masks or own) if protocol == "random" else own
        return shared_masks(path, present, names, self.run.config.evaluation.seed, **belongs)

    def predictions(self, protocol: str, conditions: Sequence[Condition]) -> list[ResultRow]:
        config = self.run.config.evaluation
        source = self.source(protocol, conditions, draws=self.draws, batch_size=config.batch_size)
        rows = self.measured(source, recovery=False)
        if rows:
            return rows
        meter = self.meter(f"predictions, {protocol} protocol", sum(len(c.rows) for c in conditions))
        results = evaluate(
            self.run.model,
            self.dataset,
            conditions,
            batch_size=config.batch_size,
            draws=self.draws or None,
            seed=config.seed,
            device=self.run.device,
            meter=meter,
            certainty=self.run.certainty,
        )
        for result in results:
            self.save_prediction(protocol, result)
        self.save_cost("prediction", protocol, meter)
        return self.append(results, source)

    def recoveries(self, protocol: str, conditions: Sequence[Condition]) -> list[ResultRow]:
        config = self.run.config.evaluation
        size = min(RECOVERY_BATCH, config.batch_size)
        settings = {"draws": config.recover_draws, "steps": config.recover_steps, "batch_size": size}
        source = self.source(protocol, conditions, **settings)
        rows = self.measured(source, recovery=True)
        if rows:
            return rows
        if protocol == "inside":
            results = evaluate_cells(self.run.cells, self.dataset, conditions, batch_size=size, seed=config.seed)
        else:
            hidden = [(self.dataset.present[c.rows] & ~c.available[c.rows]).any(axis=1) for c in conditions]
            meter = self.meter(f"recoveries, {protocol} protocol", sum(int(h.sum()) for h in hidden))
            results = evaluate_recovery(
                self.run.model,
                self.dataset,
                conditions,
                batch_size=size,
                draws=config.recover_draws or None,
                steps=config.recover_steps or None,
                seed=config.seed,
                device=self.run.device,
                meter=meter,
            )
            self.save_cost("recovery", protocol, meter)
        for result in results:
            self.save_recovery(protocol, result)
        return self.append(results, source)

    def meter(self, what: str, total: int) -> Meter:
        return Meter(lambda samples: self.progress(samples, total, what))

    def source(self, protocol: str, conditions: Sequence[Condition], **settings: Any) -> Provenance:
        if protocol == "hidden":
            settings["hide"] = {name: float(rate) for name, rate in self.hide.items()}
        if (data := self.run.config.data).fold is not None and not self.foreign:
            settings["fold"] = f"{data.fold}/{data.folds}"
        shown = hashlib.sha256(b"".join(np.packbits(c.available).tobytes() for c in conditions)).hexdigest()[:12]
        return provenance(
            dataset=self.samples.name,
            split=self.split,
            data_checksum=self.checksum,
            model=self.run.config.model.name,
            config_hash=identity_hash(read_config(self.run.path)),
            seed=self.run.config.seed,
            protocol=PROTOCOLS[protocol],
            run=".",
            settings={**settings, "seed": self.run.config.evaluation.seed, "masks": shown, "code": self.code()},
        )

    def code(self) -> dict[str, str]:
        model, trained = self.run.config.model.name, str(self.run.facts.get("code", UNKNOWN))
        # What all methods have in common is known of a run that was trained by the installed code.
        shared = shared_code() if trained == training_code(model) else ""
        return {"training": trained, "measuring": measuring_code(model), "shared": shared}

    def measured(self, source: Provenance, recovery: bool) -> list[ResultRow]:
        path = self.run.path / RESULTS
        if not path.exists():
            return []
        wanted = {name: getattr(source, name) for name in SAME}
        # Rows of an older version of the protocol may stand there too: they are what is to be measured again.
        alike = [
            e for e in read_entries(path, self.notice) if isinstance(e.held, dict) and wanted.items() <= e.held.items()
        ]
        return [row for row in (entry.row() for entry in alike) if bool(row.target) == recovery]

    def append(self, results: Sequence[ConditionResult | RecoveryResult], source: Provenance) -> list[ResultRow]:
        rows = result_rows(results, source)
        append_results(self.run.path / RESULTS, rows)
        return rows

    def save_cost(self, kind: str, protocol: str, meter: Meter) -> None:
        if self.foreign:  # of the data the run was trained on, so that methods compare
            return
        cost = {"cpu_s": round(meter.cpu_s, 4), "samples": meter.samples}
        cost |= {"draws": meter.draws} if meter.draws else {}
        record_cost(self.run.path, {kind: read_cost(self.run.path).get(kind, {}) | {protocol: cost}})

    def save_prediction(self, protocol: str, result: ConditionResult) -> None:
        arrays = {"output": result.output, "labels": result.labels, "rows": result.rows}
        arrays |= {} if result.std is None else {"std": result.std}
        arrays["group"] = self.groups[result.rows]
        shown = {"available": result.condition.available[result.condition.rows], "modalities": self.run.schema.names}
        self.save(protocol, f"{result.condition.name}.npz", ids=self.samples.ids[result.rows], **arrays, **shown)

    def save_recovery(self, protocol: str, result: RecoveryResult) -> None:
        frames = max(1, FIGURE_NUMBERS // result.truth.shape[1])
        arrays = {"truth": result.truth, "recovered": result.recovered, "draw": result.draw}
        excerpt = {name: np.asarray(array[:frames], np.float32) for name, array in arrays.items()}
        self.save(protocol, f"{result.condition.name}.recovered-{result.target}.npz", **excerpt)

    def save(self, protocol: str, name: str, **arrays: Any) -> None:
        folder = predictions_folder(self.run.path, self.samples.name) / f"{protocol}-{self.split}"
        make_directory(folder)
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        write_bytes(folder / name, content.getvalue())


def predictions_folder(run: Path, dataset: str) -> Path:
    """Where a run's predictions on a data set are: ``<protocol>-<split>/<condition>.npz`` inside."""
    return run / PREDICTIONS / _plain(dataset)


def run_masks(run: Path, dataset: str, split: str, protocol: str = "random") -> Path:
    """The masks of a drawn protocol, of a run that was not given any."""
    return run / f"{'masks' if protocol == 'random' else protocol}-{_plain(dataset)}-{split}.npz"


def recovery_examples(run: Path | LoadedRun, dataset: str, split: str = "test") -> list[RecoveryExample]:
    """Recovered frames of every modality from all the others, for figures; empty where none were measured.

    Args:
        run: a run folder, or a loaded run.
        dataset: its name, as in the result rows.
        split: that was measured under the fixed protocol.

    Raises:
        RunError: the run is not finished, or damaged.
    """
    loaded = run if isinstance(run, LoadedRun) else load_run(run)
    folder = predictions_folder(loaded.path, dataset) / f"fixed-{split}"
    examples = []
    for target in loaded.schema.names:
        available = "+".join(name for name in loaded.schema.names if name != target)
        path = folder / f"{available}.recovered-{target}.npz"
        if path.exists():
            with reading(path, RunError, "measure the run again: md2n evaluate"):
                held = load_npz(path)
                arrays = {name: held[name] for name in ("truth", "recovered", "draw")}
            examples.append(RecoveryExample(dataset, loaded.config.model.name, target, available, **arrays))
    return examples


def _plain(name: str) -> str:
    """A name as a file can have it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)
