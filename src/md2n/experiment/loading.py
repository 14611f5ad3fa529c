"""A trained run as it is used: the model with the schema, normalisation and configuration it was trained with."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from md2n.brief import brief
from md2n.config import from_mapping
from md2n.data.cell_model import CellModel
from md2n.data.dataset import MultimodalDataset
from md2n.data.integrity import WHOLE
from md2n.data.normalise import Normaliser
from md2n.data.readers.padding import MEASUREMENT, PADDING, ZEROS, treat_zeros_as_trained
from md2n.data.ready import load, reading_notes
from md2n.data.samples import Samples
from md2n.data.store import checksum, compare_store, is_store
from md2n.errors import DataError, Md2nError, RunError
from md2n.evaluation.certainty import Certainty
from md2n.experiment.config import ExperimentConfig
from md2n.methods.base import MultimodalModel
from md2n.methods.catalogue import build
from md2n.modality import Schema
from md2n.reading import reading
from md2n.training.device import choose_device, require_precision
from md2n.training.rundir import (
    CELLS,
    CERTAINTY,
    CONFIG,
    NORMALISER,
    RESTORE,
    SCHEMA,
    read_certainty,
    read_config,
    read_run,
    read_schema,
    read_tensors,
    read_weights,
)
from md2n.training.versions import READING, changed_versions
from md2n.training.weights import load_weights


@dataclass(frozen=True)
class LoadedRun:
    """A finished run.

    Args:
        path: its folder.
        config: the resolved configuration.
        schema: modalities in their order, and the task.
        normaliser: fitted on the training split.
        cells: what single unknown numbers are filled with; mean and deviation alone in a run of an older md2n.
        model: with the chosen weights, in evaluation mode, on ``device``.
        device: where the model is.
        facts: ``run.json``: seed, data checksum, config hash, versions, validation score.
        certainty: how sure its predictions may be; None where that was not calibrated.
    """

    path: Path
    config: ExperimentConfig
    schema: Schema
    normaliser: Normaliser
    cells: CellModel
    model: MultimodalModel
    device: torch.device
    facts: dict[str, Any]
    certainty: Certainty | None = None

    __repr__ = brief

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of its answers: no certainty, other versions of packages than in training."""
        notes = []
        if self.certainty is None:
            of = "probabilities are as the method gives them" if self.schema.task.classes else "there are no intervals"
            notes.append(f"the certainty of predictions is not calibrated in {self.path}: {of}")
        if changed := changed_versions(self.facts.get("versions"), READING):
            notes.append(f"{self.path} was trained under other versions ({changed}): answers may differ in rounding")
        return tuple(notes)


def load_run(path: Path, device: str = "cpu") -> LoadedRun:
    """A finished run, ready for use.

    Args:
        path: a folder written by ``md2n train``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        RunError: no run folder, training not done, or a file that is damaged or was changed.
        ConfigError: its configuration has settings that this md2n does not know.
        UsageError: no such device, or one that lacks the precision the label needs.
    """
    where = choose_device(device)
    weights = read_weights(path)
    with _naming(path / CONFIG):
        config = from_mapping(ExperimentConfig, read_config(path))
    with _naming(path / SCHEMA):
        schema = from_mapping(Schema, read_schema(path))
    require_precision(schema.task, where)
    normaliser = read_normaliser(path)
    with _naming(path / f"{NORMALISER}.safetensors"):
        normaliser.check({m.name: m.dim for m in schema.modalities})
    with _naming(path):
        model = build(config.model.name, schema, config.model.settings, config.seed)
    model.to(where)
    load_weights(model, weights, str(path))
    model.eval()
    with _naming(path / CERTAINTY):
        certainty = read_certainty(path)
        if certainty is not None:
            certainty.check(len(schema.names), schema.task)
    cells = read_cells(path, schema)
    return LoadedRun(path, config, schema, normaliser, cells, model, where, read_run(path), certainty)


def read_normaliser(path: Path) -> Normaliser:
    """The normalisation of a run folder.

    Raises:
        RunError: absent, damaged or changed, or with numbers that cannot be used.
    """
    tensors, facts = read_tensors(path, NORMALISER)
    with reading(path / f"{NORMALISER}.json", RunError, RESTORE), _naming(path):
        return Normaliser.from_state({name: value.numpy() for name, value in tensors.items()}, facts)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """The message on a value of a run folder begins with its file."""
    with reading(path, RunError, RESTORE):
        try:
            yield
        except Md2nError as error:
            kind = RunError if isinstance(error, DataError) else type(error)
            raise kind(f"'{path}': {error.message}", error.hint) from error


def read_cells(path: Path, schema: Schema) -> CellModel:
    """What single unknown numbers are filled with in a run folder.

    Raises:
        RunError: damaged.
    """
    if not (path / f"{CELLS}.json").exists():
        return CellModel.plain({m.name: m.dim for m in schema.modalities})
    tensors, facts = read_tensors(path, CELLS)
    with reading(path / f"{CELLS}.json", RunError, RESTORE), _naming(path):
        return CellModel.from_state({name: value.numpy() for name, value in tensors.items()}, facts)


def data_checksum(samples: Samples, name: str, notice: Callable[[str], None] = lambda text: None) -> str:
    """Sixteen hexadecimal digits that name the data; a store's manifest has them already, and its files must fit.

    Args:
        samples: as loaded.
        name: by which they were loaded.
        notice: receives a sentence where not every file of a store was compared with its digests.

    Raises:
        DataError: a store whose numbers are not those that its manifest vouches for.
    """
    if not is_store(Path(name)):
        return checksum(samples)
    compared = compare_store(name, WHOLE)
    if not compared.whole:
        notice(
            f"{compared.compared / 2**30:.1f} of {compared.total / 2**30:.1f} GiB of '{name}' were compared with their "
            f"checksums; `md2n data check {shlex.quote(name)}` compares all"
        )
    return checksum(Path(name))


def evaluation_data(
    run: LoadedRun, split: str, data: str | None, notice: Callable[[str], None] = lambda text: None
) -> tuple[Samples, MultimodalDataset, str]:
    """The data a run is measured on, its chosen split as the model sees it, and the checksum.

    Args:
        run: whose modalities, label and normalisation apply.
        split: train, valid or test.
        data: other data than the run was trained on.
        notice: receives a sentence on how other data were read.

    Raises:
        DataError: the data do not fit the model, are not those the run was trained on although no other are named, a
            sample of other data holds nothing, or the split is empty.
        UsageError: no such split, modality or label.
    """
    config = run.config.data
    chosen = replace(config, modalities=run.schema.names)
    if data is not None:
        chosen = replace(chosen, name=data, fold=None, folds=None)  # other data have a split of their own
    samples = load(chosen.name, chosen)
    check_fits(samples, run.schema)
    held = data_checksum(samples, chosen.name, notice)
    trained = run.facts.get("data", {}).get("checksum")
    if data is None and held != trained:
        raise DataError(
            f"the data '{samples.name}' have changed since {run.path} was trained on them (checksum {trained} then, "
            f"{held} now)",
            "bring the old data back, or train anew; to measure the run on these as on other data: "
            f"md2n evaluate {shlex.quote(str(run.path))} --data {shlex.quote(chosen.name)}",
        )
    rows = samples.rows(split)
    if not len(rows):
        raise DataError(
            f"'{samples.name}' has no rows in the split '{split}'",
            f"`md2n data info {shlex.quote(chosen.name)}` shows its splits",
        )
    # Groups of other data (new speakers) are normalised by themselves.
    normaliser = run.normaliser if data is None else run.normaliser.adapt(samples)
    if data is not None:
        of_reading = reading_notes(data, samples)
        samples, of_zeros = treat_zeros_as_trained(samples, zeros_in_training(run.facts, run.path))
        for note in (*of_reading, *of_zeros):
            notice(f"note: {note}")
        nothing = rows[~samples.present[rows].any(axis=1)]
        if len(nothing):
            some = f"{len(nothing)} samples of '{samples.name}'"
            raise DataError(f"{some} hold no modality at all (first: {samples.ids[nothing[0]]})", "leave them out")
    dataset = MultimodalDataset(samples, rows, normaliser, schema=run.schema)
    return samples, dataset, held


def zeros_in_training(facts: Mapping[str, Any], run: Path) -> dict[str, str]:
    """Modality -> what zeros at the ends of its sequences were in training; empty where a run does not say.

    Args:
        facts: ``run.json``.
        run: the folder, for the message.

    Raises:
        RunError: what it says is nonsense.
    """
    data = facts.get("data")
    table = data.get(ZEROS, {}) if isinstance(data, Mapping) else None
    if not isinstance(table, Mapping) or not all(role in (PADDING, MEASUREMENT) for role in table.values()):
        raise RunError(
            f"run.json in '{run}' does not say what zeros were in training, or which data were",
            "restore the file, or train again",
        )
    return dict(table)


def check_fits(samples: Samples, schema: Schema) -> None:
    """Refuses data that the model was not built for.

    Raises:
        DataError: a modality of another size, or another task.
        UsageError: no such label.
    """
    for modality in schema.modalities:
        dim = samples.modalities[modality.name].dim
        if dim != modality.dim:
            raise DataError(
                f"modality '{modality.name}' of '{samples.name}' has {dim} features, the model has {modality.dim}",
                "give data whose features were made in the same way",
            )
    task = samples.label(schema.task.label).task
    if (task.kind, task.classes) != (schema.task.kind, schema.task.classes):
        raise DataError(
            f"label '{task.label}' of '{samples.name}' is a {task.kind} with {len(task.classes)} classes, "
            f"the model predicts a {schema.task.kind} with {len(schema.task.classes)}",
            "give data with the label the model was trained on",
        )
