"""Loading data by name (a ready set, a store or a feature file), and the data sets that a training needs.

Ready sets other than ``digits`` are read from a data root: ``data.root`` in the configuration, the environment variable
``MD2N_DATA_ROOT``, or ``../shared/data`` beside the project.  They are not part of md2n.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from md2n.brief import brief, first_few
from md2n.data.cases import cases_of, complete_rows
from md2n.data.config import DataConfig
from md2n.data.dataset import MultimodalDataset
from md2n.data.folds import split_anew
from md2n.data.normalise import Normaliser
from md2n.data.places import check_one_meaning
from md2n.data.samples import SPLITS, Samples
from md2n.data.sets import READY, Ready
from md2n.data.store import is_store, open_store
from md2n.data.target import check_range, known_labels, measure_labels
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.modality import Schema, Task
from md2n.reading import named

__all__ = [
    "ENVIRONMENT",
    "READY",
    "Datasets",
    "data_root",
    "describe",
    "load",
    "load_datasets",
    "preferred_normalisation",
    "reading_notes",
]

ENVIRONMENT = "MD2N_DATA_ROOT"


def data_root(root: str = "") -> Path | None:
    """Where ready sets are: the argument, the environment, ``shared/data`` beside the project, or ``None``."""
    named = root or os.environ.get(ENVIRONMENT, "")
    if named:
        return Path(named) if Path(named).is_dir() else None
    beside = Path(__file__).resolve().parents[4] / "shared" / "data"
    return beside if beside.is_dir() else None


@named(hint="check the path; MD2N_DEBUG=1 shows where it went wrong")
def load(name: str, config: DataConfig | None = None) -> Samples:
    """A ready set by name, or the store or feature file at a path; with the modalities and the fold asked for.

    Raises:
        DataError: unknown name, absent data root, data that cannot be read, or a fold that cannot be made.
        UsageError: an unknown modality, label column or split; or a name that means a ready set and a store here.
    """
    config = config or DataConfig(name=name)
    samples = split_anew(_read(name, config), config)
    return samples.only(config.modalities) if config.modalities else samples


def reading_notes(name: str, samples: Samples) -> tuple[str, ...]:
    """The notes of a reader on a feature file; none for stores and ready sets, whose notes were shown at import."""
    return () if name in READY or is_store(Path(name)) else samples.notes


def describe() -> list[tuple[str, str, bool]]:
    """(name, summary, whether it can be read here) of every ready set."""
    root = data_root()
    return [(k, r.summary, not r.folder or (root is not None and (root / r.folder).is_dir())) for k, r in READY.items()]


def preferred_normalisation(samples: Samples, config: DataConfig) -> str:
    """The kind to use: as configured, or the set's own preference, which a store made from it keeps."""
    if config.normalise != "auto":
        return config.normalise
    return str(samples.source.get("normalise", "robust"))


@dataclass(frozen=True)
class Datasets:
    """What a training needs: schema, normaliser fitted on the training rows, the three splits, and what to say."""

    samples: Samples
    schema: Schema
    normaliser: Normaliser
    train: MultimodalDataset
    valid: MultimodalDataset
    test: MultimodalDataset
    notes: tuple[str, ...] = ()

    __repr__ = brief

    def split(self, name: str) -> MultimodalDataset:
        """``train``, ``valid`` or ``test``.

        Raises:
            UsageError: unknown split name.
        """
        if name not in SPLITS:
            raise UsageError(f"no split is called '{name}'", did_you_mean(name, SPLITS))
        chosen: MultimodalDataset = {"train": self.train, "valid": self.valid, "test": self.test}[name]
        return chosen


def load_datasets(
    samples: Samples, config: DataConfig, normaliser: Normaliser | None = None, task: Task | None = None
) -> Datasets:
    """Splits of a data set, normalised; what is not given is measured on its training rows.

    Args:
        samples: with the splits train and valid at least.
        config: label, groups, kind of normalisation, and which training samples are learned from.
        normaliser: of a run that goes on.
        task: of a run that goes on: whose centre and scale of the label, or counts of classes, hold.

    Raises:
        DataError: no training or validation rows, a modality in no training sample, a sample without any modality,
            labels outside their range, or no label known in training or validation.
        UsageError: no such label or group column.
    """
    schema = samples.schema(config.label)
    _check_modalities(samples)
    _check_labels(samples, schema)
    learned = complete_rows(samples, config)
    if task is None:
        task = measure_labels(schema.task, samples.label(schema.task.label).values[learned])
    task = replace(schema.task, centre=task.centre, scale=task.scale, counts=task.counts)
    schema = replace(schema, task=task)
    group = samples.normalise_by if config.group == "auto" else config.group
    if normaliser is None:
        kind = preferred_normalisation(samples, config)
        normaliser = Normaliser.fit(samples, learned, group, kind, config.limit)
    train, valid, test = (MultimodalDataset(samples, samples.rows(s), normaliser, config.label, schema) for s in SPLITS)
    cases = cases_of(train, config)
    if config.cases != "all":
        train = MultimodalDataset(samples, cases.rows, normaliser, config.label, schema, weights=cases.weights)
    return Datasets(samples, schema, normaliser, train, valid, test, cases.notes)


def _check_modalities(samples: Samples) -> None:
    for split in ("train", "valid"):
        if not len(samples.rows(split)):
            raise DataError(f"'{samples.name}' has no rows in the split '{split}'", "give every row a split")
    present = samples.present
    for name, column in zip(samples.names, present[samples.rows("train")].T):
        if not column.any():
            raise DataError(
                f"modality '{name}' is in no training sample of '{samples.name}' (all absent, or all NaN)",
                f'leave it out: --set "data.modalities={[n for n in samples.names if n != name]}"',
            )
    empty = np.flatnonzero(~present.any(axis=1))
    if len(empty):
        raise DataError(
            f"{len(empty)} samples of '{samples.name}' have no modality at all ({first_few(samples.ids[empty], 5)})",
            "leave them out",
        )


def _check_labels(samples: Samples, schema: Schema) -> None:
    task, values = schema.task, np.asarray(samples.label(schema.task.label).values)
    check_range(task, values, samples.name, samples.ids)
    known = known_labels(task, values)
    for split in ("train", "valid"):
        if not known[samples.rows(split)].any():
            raise DataError(
                f"no label '{task.label}' is known in the split '{split}' of '{samples.name}'",
                f"choose another label column: --set data.label=NAME (there are: {', '.join(samples.labels)})",
            )


def _read(name: str, config: DataConfig) -> Samples:
    check_one_meaning(name)
    ready = READY.get(name)
    if ready is not None:
        return _read_ready(name, ready, config)
    path = Path(name)
    if is_store(path):
        if config.split:
            raise UsageError(
                f"'{name}' is a store, which has one split", f"leave data.split = '{config.split}' out, or import anew"
            )
        return open_store(path)
    if path.exists():
        from md2n.data.readers.detect import read

        return read(path, split=config.split)
    raise DataError(
        f"'{name}' is neither a ready set nor a file or folder",
        f"{did_you_mean(name, READY)}; or give the path of a store",
    )


def _read_ready(name: str, ready: Ready, config: DataConfig) -> Samples:
    if config.split and config.split not in ready.splits:
        raise UsageError(
            f"'{name}' has no split called '{config.split}'",
            did_you_mean(config.split, ready.splits) if ready.splits else "it has one split: leave data.split out",
        )
    if not ready.folder:
        return ready.read(Path(), config)
    root = data_root(config.root)
    if root is None or not (root / ready.folder).is_dir():
        named = config.root or os.environ.get(ENVIRONMENT, "")
        where = f"there is no '{ready.folder}' in '{root}'" if root else f"there is no folder '{named}'"
        raise DataError(
            f"the data of '{name}' are not here" + (f": {where}" if named or root else ""),
            f"set {ENVIRONMENT} to the folder that holds '{ready.folder}', or use 'digits', which is embedded",
        )
    samples = ready.read(root / ready.folder, config)
    return replace(samples, name=name, source={**samples.source, "normalise": ready.normalise})
