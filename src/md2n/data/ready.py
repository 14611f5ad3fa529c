"""The one way in: a ready name, a store, or a feature file, by its name; and the data sets a training needs.

Ready sets other than ``digits`` are read from a data root: ``data.root`` in the configuration, the environment variable
``MD2N_DATA_ROOT``, or ``../shared/data`` beside the project.  They are not part of md2n.
"""

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from md2n.data.config import DataConfig
from md2n.data.dataset import MultimodalDataset
from md2n.data.normalise import Normaliser
from md2n.data.samples import UNASSIGNED, Array, LabelColumn, Ragged, Samples
from md2n.data.store import is_store, open_store
from md2n.errors import DataError, did_you_mean
from md2n.modality import Schema, Task

ENVIRONMENT = "MD2N_DATA_ROOT"
SENTIMENT = Task("regression", "sentiment", low=-3, high=3, sentiment=True)
MOSI_LEAK = (
    "LEAK: these visual features were trained with sentiment labels on 24 of the 31 test videos and 9 of the 10 "
    "validation videos of the standard split (a linear probe reaches ACC2 .921 on those, .512 on the others); "
    "use 'mosi_clean' for a fair comparison with vision"
)


@dataclass(frozen=True)
class Ready:
    """A ready set.

    Args:
        summary: one line for ``md2n data list``.
        folder: below the data root; empty for embedded sets.
        read: folder and configuration to samples.
        normalise: the kind its features prefer.
    """

    summary: str
    folder: str
    read: Callable[[Path, DataConfig], Samples]
    normalise: str = "robust"


def data_root(root: str = "") -> Path | None:
    """Where ready sets are: the argument, the environment, ``shared/data`` beside the project, or ``None``."""
    named = root or os.environ.get(ENVIRONMENT, "")
    if named:
        return Path(named) if Path(named).is_dir() else None
    beside = Path(__file__).resolve().parents[4] / "shared" / "data"
    return beside if beside.is_dir() else None


def load(name: str, config: DataConfig | None = None) -> Samples:
    """A ready set by name, or the store or feature file at a path; with the modalities the configuration asks for.

    Raises:
        DataError: unknown name, absent data root, or data that cannot be read.
        UsageError: an unknown modality or label column.
    """
    config = config or DataConfig(name=name)
    samples = _read(name, config)
    return samples.only(config.modalities) if config.modalities else samples


def describe() -> list[tuple[str, str, bool]]:
    """(name, summary, whether it can be read here) of every ready set."""
    root = data_root()
    return [(k, r.summary, not r.folder or (root is not None and (root / r.folder).is_dir())) for k, r in READY.items()]


def preferred_normalisation(samples: Samples, config: DataConfig) -> str:
    """The kind to use: as configured, or the set's own preference."""
    if config.normalise != "auto":
        return config.normalise
    return str(samples.source.get("normalise", "robust"))


@dataclass(frozen=True)
class Datasets:
    """What a training needs: schema, normaliser fitted on the training split, and the three splits."""

    samples: Samples
    schema: Schema
    normaliser: Normaliser
    train: MultimodalDataset
    valid: MultimodalDataset
    test: MultimodalDataset

    def split(self, name: str) -> MultimodalDataset:
        """``train``, ``valid`` or ``test``."""
        chosen: MultimodalDataset = {"train": self.train, "valid": self.valid, "test": self.test}[name]
        return chosen


def load_datasets(samples: Samples, config: DataConfig, normaliser: Normaliser | None = None) -> Datasets:
    """Splits of a data set, normalised; the normaliser is fitted on its training rows unless one is given.

    Raises:
        DataError: no training or validation rows, a modality in no training sample, or a sample without any modality.
    """
    schema = samples.schema(config.label)
    train_rows = samples.rows("train")
    for split in ("train", "valid"):
        if not len(samples.rows(split)):
            raise DataError(f"'{samples.name}' has no rows in the split '{split}'", "give every row a split")
    present = samples.present
    for k, name in enumerate(samples.names):
        if not present[train_rows, k].any():
            raise DataError(
                f"modality '{name}' is in no training sample of '{samples.name}' (all absent, or all NaN)",
                f"leave it out: --set data.modalities={[n for n in samples.names if n != name]}",
            )
    empty = np.flatnonzero(~present.any(axis=1))
    if len(empty):
        shown = ", ".join(map(str, samples.ids[empty[:5]]))
        raise DataError(
            f"{len(empty)} samples of '{samples.name}' have no modality at all (first: {shown})", "leave them out"
        )
    group = samples.normalise_by if config.group == "auto" else config.group
    if normaliser is None:
        kind = preferred_normalisation(samples, config)
        normaliser = Normaliser.fit(samples, train_rows, group, kind, config.limit)
    sets = [MultimodalDataset(samples, samples.rows(s), normaliser, config.label) for s in ("train", "valid", "test")]
    return Datasets(samples, schema, normaliser, *sets)


def _read(name: str, config: DataConfig) -> Samples:
    ready = READY.get(name)
    if ready is None:
        path = Path(name)
        if is_store(path):
            return open_store(path)
        if path.exists():
            from md2n.data.readers.detect import read

            return read(path)
        raise DataError(
            f"'{name}' is neither a ready set nor a file or folder",
            f"{did_you_mean(name, READY)}; or give the path of a store",
        )
    if not ready.folder:
        return ready.read(Path(), config)
    root = data_root(config.root)
    if root is None or not (root / ready.folder).is_dir():
        raise DataError(
            f"the data of '{name}' are not here",
            f"set {ENVIRONMENT} to the folder that holds '{ready.folder}', or use 'digits', which is embedded",
        )
    samples = ready.read(root / ready.folder, config)
    return replace(samples, name=name, source={**samples.source, "normalise": ready.normalise})


def _npz(folder: Path, task: Task, labels: str = "y", split: str = "split", keep: str = "", **more: Any) -> Samples:
    """The ``data.npz`` layout: ``x_<modality>``, ``m_<modality>`` presence, ``t_<modality>`` validity."""
    with np.load(folder / "data.npz", allow_pickle=False) as archive:
        held: dict[str, Array] = {k: archive[k] for k in archive.files}
    chosen = held[keep].astype(bool) if keep else np.ones(len(held["ids"]), bool)
    modalities = {
        k[2:]: Ragged.from_padded(
            held[k][chosen],
            present=held[f"m_{k[2:]}"][chosen] if f"m_{k[2:]}" in held else None,
            valid=held[f"t_{k[2:]}"][chosen] if f"t_{k[2:]}" in held else None,
        )
        for k in held
        if k.startswith("x_")
    }
    values = held[labels][chosen]
    if task.kind == "classification":
        values = values.astype(np.int64)
        task = task if task.classes else replace(task, classes=tuple(str(c) for c in range(values.max() + 1)))
    groups = {k: held[k][chosen].astype(np.str_) for k in more.pop("groups", ())}
    return Samples(
        name=folder.name,
        modalities=modalities,
        labels={task.label: LabelColumn(values.astype(np.float32) if task.kind == "regression" else values, task)},
        split=held[split][chosen].astype(np.uint8),
        ids=held["ids"][chosen].astype(np.str_),
        groups=groups,
        default_label=task.label,
        source={"reader": "npz", "file": "data.npz"},
        **more,
    )


def _mosi(folder: Path, config: DataConfig, clean: bool) -> Samples:
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    codes = {"train": 0, "valid": 1, "test": 2}
    split = np.asarray([codes.get(r["clean_split" if clean else "split"], UNASSIGNED) for r in table], np.uint8)
    rows = np.flatnonzero(split != UNASSIGNED)
    with np.load(folder / "text_mpnet.npz", allow_pickle=False) as archive:
        tokens, offsets = archive["tokens"], archive["offsets"].astype(np.int64)
    modalities = {
        "text": Ragged(tokens, offsets, np.ones(len(tokens), np.bool_)),
        "audio": Ragged.from_padded(np.load(folder / "audio.npy", allow_pickle=False)),
    }
    with_vision = clean or "vision" in config.modalities
    if with_vision:
        modalities["vision"] = Ragged.from_padded(np.load(folder / "vision.npy", allow_pickle=False))
    values = np.asarray([float(r["label"]) for r in table], np.float32)
    whole = Samples(
        name=folder.name,
        modalities=modalities,
        labels={"sentiment": LabelColumn(values, SENTIMENT)},
        split=split,
        ids=np.asarray([r["id"] for r in table]),
        groups={"video": np.asarray([r["video_id"] for r in table])},
        default_label="sentiment",
        notes=(MOSI_LEAK,) if with_vision and not clean else (),
        source={"reader": "mosi", "text": "all-mpnet-base-v2 tokens", "audio": "COVAREP segment means"},
    )
    return whole.select(rows)


EMOTIONS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")
FAMILIES = ("counting", "math", "reading", "speaking", "stroop")
TOPICS = ("business", "entertainment", "health", "politics", "sport", "technology")


def _classes(label: str, names: tuple[str, ...] = ()) -> Task:
    return Task("classification", label, names or ("0", "1"))


def _digits(_: Path, __: DataConfig) -> Samples:
    from md2n.data.digits import load_digits

    return load_digits()


def _ict_mmmo(folder: Path, config: DataConfig) -> Samples:
    split = {"": "split_resampled", "resampled": "split_resampled", "original": "split"}.get(config.split)
    if split is None:
        raise DataError(f"ict_mmmo has no split column '{config.split}'", "use 'resampled' (default) or 'original'")
    note = "text exists for 120 of 340 reviews; in the original split none of them is a training sample"
    return _npz(folder, Task("regression", "sentiment", low=1, high=5), split=split, notes=(note,))


READY: dict[str, Ready] = {
    "digits": Ready("handwritten digits in four views (embedded); ten classes", "", _digits),
    "mosi": Ready("CMU-MOSI, text and audio, standard split; sentiment", "mosi", lambda f, c: _mosi(f, c, False)),
    "mosi_clean": Ready(
        "CMU-MOSI, text, audio and vision on 31 videos free of leaks; sentiment", "mosi", lambda f, c: _mosi(f, c, True)
    ),
    "ict_mmmo": Ready("ICT-MMMO reviews, audio, vision and text as sequences; sentiment 1 to 5", "ict_mmmo", _ict_mmmo),
    "ravdess_av": Ready(
        "RAVDESS voice and face features; eight emotions",
        "ravdess_av",
        lambda f, c: _npz(f, _classes("emotion", EMOTIONS), groups=("actor",), normalise_by="actor"),
    ),
    "stressid": Ready(
        "StressID, five body and face sensors, natural gaps; five families of spoken tasks",
        "stressid",
        lambda f, c: _npz(
            f,
            _classes("family", FAMILIES),
            labels="y_family5",
            keep="verbal",
            groups=("subject", "task"),
            normalise_by="subject",
        ),
    ),
    "news3sources": Ready(
        "news stories in three sources, natural gaps; six topics",
        "news3sources",
        lambda f, c: _npz(f, _classes("topic", TOPICS)),
        normalise="log",
    ),
    "mfeat": Ready(
        "six views of handwritten digits; ten classes",
        "mfeat",
        lambda f, c: _npz(f, _classes("digit", tuple(map(str, range(10))))),
    ),
}
