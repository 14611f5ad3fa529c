"""From a configuration to a run folder, and from a run folder to its results: what the commands call."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from md2n.brief import brief
from md2n.config import from_mapping, to_mapping
from md2n.data.cell_model import CellModel
from md2n.data.hide import hidden_counts, hide_for_good
from md2n.data.normalise import Normaliser
from md2n.data.places import check_one_meaning
from md2n.data.readers.padding import ZEROS, zeros_of
from md2n.data.readers.wide import COLUMNS
from md2n.data.ready import load, load_datasets, reading_notes
from md2n.data.samples import Samples
from md2n.data.store import checksum, is_store
from md2n.durable import encode_json
from md2n.errors import DivergenceError, RunError, UsageError
from md2n.experiment.config import ExperimentConfig
from md2n.experiment.costs import TrainingMeter
from md2n.experiment.findings import tell_findings
from md2n.experiment.loading import LoadedRun, data_checksum, load_run, read_normaliser
from md2n.experiment.measuring import recovery_examples, run_evaluation
from md2n.experiment.shared_run import open_run
from md2n.experiment.source import UNKNOWN, training_code
from md2n.methods.catalogue import build
from md2n.modality import Schema, Task
from md2n.parallel.group import count, from_first, is_first
from md2n.parallel.rows import rows_divided
from md2n.training.device import autocast, choose_device
from md2n.training.feed import check_weights
from md2n.training.loop import train
from md2n.training.observer import Observer, Silent, Together
from md2n.training.run_identity import check_same, check_same_data
from md2n.training.rundir import (
    CELLS,
    CHECKPOINTS,
    CONFIG,
    NORMALISER,
    is_begun,
    is_finished,
    read_config,
    read_run,
    read_schema,
    tidy_finished,
    write_file,
)

PROCESSES = "processes"  # in run.json, of a training in several

__all__ = ["LoadedRun", "load_run", "recovery_examples", "run_evaluation", "run_training"]


def run_training(
    config: ExperimentConfig, out: Path, observer: Observer | None = None, data_set: Samples | None = None
) -> Path:
    """Trains in a run folder: from the beginning, from where it was stopped, or not at all where it is done.

    Args:
        config: the whole experiment.
        out: the run folder; made if absent.
        observer: receives a report of every step.
        data_set: the data themselves; read by their configured name if not given.

    Returns:
        ``out``.

    Raises:
        RunError: the folder holds a run of another configuration or other data, or its checkpoints cannot be used.
        DataError: the data cannot be read.
        InterruptedRun: Ctrl-C or SIGTERM; the state is saved.
        DivergenceError: a loss that is no longer a number, or a matrix that cannot be decomposed.
        StorageError: the folder cannot be written.
        UsageError: no such device, label or modality.
    """
    watcher = observer or Silent()
    mapping = to_mapping(config)
    # Whatever can be refused is refused before the folder is touched.
    autocast(config.trainer.precision, choose_device(config.trainer.device))
    if data_set is not None and config.data.fold is not None:
        raise UsageError("data.fold splits data that are read by name", "give the samples the split they shall have")
    before = from_first(lambda: _before(config, out, data_set))
    if before.result is not None:
        score, epoch = before.result["score"], before.result["epoch"]
        watcher.notice(f"{out} is done: validation {score:.4g} after epoch {epoch}")
        return out
    begun = before.begun
    whole = load(config.data.name, config.data) if data_set is None else data_set
    for note in reading_notes(config.data.name, whole):
        watcher.notice(f"note: {note}")
    own = checksum(whole) if data_set else data_checksum(whole, config.data.name, watcher.warn)
    if begun:  # the label may be another by now, and what was measured of it then would not fit
        check_same_data(out, before.data, {"name": whole.name, "checksum": own})
    samples = hide_for_good(whole, config.data.hide, config.seed)
    hidden = hidden_counts(whole, samples)
    # What was measured then rather than anew: the same bits even under another version of numpy.
    data = load_datasets(samples, config.data, before.normaliser, before.task)
    rows = min(config.trainer.batch_size, len(data.train))
    if count() > rows > 0:
        raise UsageError(
            f"{count()} processes cannot share a batch of {rows} samples",
            f"give torchrun --nproc-per-node {rows} at most, or raise trainer.batch_size",
        )
    model = build(config.model.name, data.schema, config.model.settings, config.seed, len(data.train))
    check_weights(model, data.train)
    facts: dict[str, Any] = {
        "name": samples.name,
        "checksum": own,
        "samples": {"train": len(data.train), "valid": len(data.valid), "test": len(data.test)},
        **({"hidden": hidden} if hidden else {}),
    }
    for name, parts in hidden.items():
        shares = " and ".join(f"{n} of {of} {split} samples" for split, (n, of) in parts.items())
        watcher.notice(f"'{name}' is hidden for good from {shares}")
    for note in data.notes:
        watcher.notice(note)
    if zeros := zeros_of(samples.source):
        facts[ZEROS] = zeros
    if COLUMNS in samples.source:
        facts[COLUMNS] = samples.source[COLUMNS]
    tell_findings(whole, config.data, watcher.warn)
    code = training_code(config.model.name)
    if begun and before.code != code:
        code = UNKNOWN
    if begun and before.processes != count():
        watcher.warn(f"begun in {before.processes} processes, going on in {count()}: bits may differ from here on")
    with open_run(out, mapping, watcher.warn) as run, rows_divided(model) as divided:
        if count() > 1:
            watcher.notice(f"{count()} processes share the rows of every batch")
            if not divided:
                watcher.warn(f"no part of '{config.model.name}' works by row: it is no faster than in one process")
        run.describe(to_mapping(data.schema), facts)
        run.record("running", code=code, **({PROCESSES: count()} if count() > 1 else {}))
        if not begun:
            arrays, kind = data.normaliser.to_state()
            run.save_tensors(NORMALISER, {name: torch.from_numpy(a) for name, a in arrays.items()}, kind)
            arrays, kind = CellModel.fit(data.samples, data.train.rows, data.normaliser).to_state()
            run.save_tensors(CELLS, {name: torch.from_numpy(a) for name, a in arrays.items()}, kind)
        watchers = [watcher]
        if is_first():
            watchers.append(TrainingMeter(out, sum(p.numel() for p in model.parameters()), begun))
        try:
            train(model, data.train, data.valid, config.trainer, config.seed, run, Together(watchers))
        # Of covariances that are no numbers any more, or singular.
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # documented, not in its __all__
            raise DivergenceError(
                f"a matrix cannot be decomposed: {error}",
                "train into another folder with a lower trainer.learning_rate, or look at the data",
            ) from error
        # They hold ten times what the chosen weights do; a damaged model is trained again to the same bits.
        run.checkpoints.clear()
    return out


@dataclass(frozen=True)
class Before:
    """What is in the run folder when a training begins, or goes on.

    Args:
        begun: whether there is something to go on from.
        result: of a training that is done.
        normaliser: of a training that goes on.
        task: likewise.
        code: which trained it.
        processes: which trained it.
        data: of a training that goes on: their name and checksum, as far as they are known.
    """

    begun: bool = False
    result: dict[str, Any] | None = None
    normaliser: Normaliser | None = None
    task: Task | None = None
    code: str | None = None
    processes: int = 1
    data: dict[str, Any] | None = None

    __repr__ = brief


def _before(config: ExperimentConfig, out: Path, data_set: Samples | None) -> Before:
    if not is_begun(out):
        if any((out / CHECKPOINTS).glob("*")) and not (out / CONFIG).exists():
            raise RunError(
                f"'{out}' holds checkpoints but no {CONFIG}: what they are of is not known",
                f"restore {CONFIG}, or train into another folder",
            )
        return Before()
    mapping = to_mapping(config)
    check_same(out, read_config(out), mapping)
    facts = read_run(out)
    if not is_finished(out):
        task = from_mapping(Schema, read_schema(out)).task
        processes = int(facts.get(PROCESSES, 1))
        return Before(True, None, read_normaliser(out), task, facts.get("code"), processes, facts.get("data"))
    check_one_meaning(config.data.name)
    if data_set is not None or is_store(Path(config.data.name)):  # that of anything else takes reading it
        now = {"name": config.data.name, "checksum": checksum(data_set or Path(config.data.name))}
        check_same_data(out, facts.get("data"), now)
    tidy_finished(out)
    # How it is to be measured may have changed, and belongs to no training.
    if (settings := read_config(out))["evaluation"] != mapping["evaluation"]:
        write_file(out, CONFIG, encode_json(settings | {"evaluation": mapping["evaluation"]}))
    return Before(True, read_run(out)["result"])
