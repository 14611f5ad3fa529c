"""From a configuration to a run folder, and from a run folder to its results: what the commands call."""

from pathlib import Path
from typing import Any

import torch

from md2n.config import from_mapping, to_mapping
from md2n.data.cell_model import CellModel
from md2n.data.hide import hidden_counts, hide_for_good
from md2n.data.places import check_one_meaning
from md2n.data.readers.padding import ZEROS, zeros_of
from md2n.data.readers.wide import COLUMNS
from md2n.data.ready import load, load_datasets, reading_notes
from md2n.data.samples import Samples
from md2n.data.store import checksum, is_store
from md2n.durable import encode_json
from md2n.errors import DivergenceError, UsageError
from md2n.experiment.config import ExperimentConfig
from md2n.experiment.costs import TrainingMeter
from md2n.experiment.findings import tell_findings
from md2n.experiment.loading import LoadedRun, data_checksum, load_run, read_normaliser
from md2n.experiment.measuring import recovery_examples, run_evaluation
from md2n.experiment.source import UNKNOWN, training_code
from md2n.methods.catalogue import build
from md2n.modality import Schema
from md2n.training.device import autocast, choose_device
from md2n.training.loop import train
from md2n.training.observer import Observer, Silent, Together
from md2n.training.run_identity import check_same, check_same_data
from md2n.training.rundir import (
    CELLS,
    CONFIG,
    NORMALISER,
    RunDir,
    is_begun,
    is_finished,
    read_config,
    read_run,
    read_schema,
    tidy_finished,
    write_file,
)

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
    begun = is_begun(out)
    if begun:
        check_same(out, read_config(out), mapping)
        if is_finished(out):
            check_one_meaning(config.data.name)
            if data_set is not None or is_store(Path(config.data.name)):  # that of anything else takes reading it
                now = {"name": config.data.name, "checksum": checksum(data_set or Path(config.data.name))}
                check_same_data(out, read_run(out).get("data"), now)
            tidy_finished(out)
            # How it is to be measured may have changed, and belongs to no training.
            if (settings := read_config(out))["evaluation"] != mapping["evaluation"]:
                write_file(out, CONFIG, encode_json(settings | {"evaluation": mapping["evaluation"]}))
            result = read_run(out)["result"]
            watcher.notice(f"{out} is done: validation {result['score']:.4g} after epoch {result['epoch']}")
            return out
    whole = load(config.data.name, config.data) if data_set is None else data_set
    for note in reading_notes(config.data.name, whole):
        watcher.notice(f"note: {note}")
    samples = hide_for_good(whole, config.data.hide, config.seed)
    hidden = hidden_counts(whole, samples)
    # What was measured then rather than anew: the same bits even under another version of numpy.
    before = (read_normaliser(out), from_mapping(Schema, read_schema(out)).task) if begun else (None, None)
    data = load_datasets(samples, config.data, *before)
    model = build(config.model.name, data.schema, config.model.settings, config.seed)
    facts: dict[str, Any] = {
        "name": samples.name,
        "checksum": checksum(whole) if data_set else data_checksum(whole, config.data.name, watcher.warn),
        "samples": {"train": len(data.train), "valid": len(data.valid), "test": len(data.test)},
        **({"hidden": hidden} if hidden else {}),
    }
    for name, parts in hidden.items():
        shares = " and ".join(f"{n} of {of} {split} samples" for split, (n, of) in parts.items())
        watcher.notice(f"'{name}' is hidden for good from {shares}")
    if zeros := zeros_of(samples.source):
        facts[ZEROS] = zeros
    if COLUMNS in samples.source:
        facts[COLUMNS] = samples.source[COLUMNS]
    tell_findings(whole, config.data, watcher.warn)
    code = training_code(config.model.name)
    with RunDir(out, mapping, watcher.warn) as run:
        if begun and read_run(out).get("code") != code:
            code = UNKNOWN
        run.describe(to_mapping(data.schema), facts)
        run.record("running", code=code)
        if not begun:
            arrays, kind = data.normaliser.to_state()
            run.save_tensors(NORMALISER, {name: torch.from_numpy(a) for name, a in arrays.items()}, kind)
            arrays, kind = CellModel.fit(data.samples, data.train.rows, data.normaliser).to_state()
            run.save_tensors(CELLS, {name: torch.from_numpy(a) for name, a in arrays.items()}, kind)
        meter = TrainingMeter(out, sum(p.numel() for p in model.parameters()), begun)
        try:
            train(model, data.train, data.valid, config.trainer, config.seed, run, Together([watcher, meter]))
        # Of covariances that are no numbers any more, or singular.
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # documented, not in its __all__
            raise DivergenceError(
                f"a matrix cannot be decomposed: {error}",
                "train into another folder with a lower trainer.learning_rate, or look at the data",
            ) from error
        # They hold ten times what the chosen weights do; a damaged model is trained again to the same bits.
        run.checkpoints.clear()
    return out
