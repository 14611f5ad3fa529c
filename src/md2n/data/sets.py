"""The ready sets: what each of them is, where it lies below the data root, and how it is read."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from md2n.data.config import DataConfig
from md2n.data.readers.files import require_file
from md2n.data.readers.npy import load_npy, load_npz
from md2n.data.readers.npz import read_npz
from md2n.data.samples import SPLITS, UNASSIGNED, LabelColumn, Ragged, Samples
from md2n.modality import Task

MOSI_LEAK = (
    "LEAK: these visual features were trained with sentiment labels on 24 of the 31 test videos and 9 of the 10 "
    "validation videos of the standard split (a linear probe reaches ACC2 .921 on those, .512 on the others); "
    "use 'mosi_clean' for a fair comparison with vision"
)
SENTIMENT = Task("regression", "sentiment", low=-3, high=3, sentiment=True)
STARS = Task("regression", "sentiment", low=1, high=5)
EMOTION = Task(
    "classification",
    "emotion",
    ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised"),
)
FAMILY = Task("classification", "family", ("counting", "math", "reading", "speaking", "stroop"))
TOPIC = Task("classification", "topic", ("business", "entertainment", "health", "politics", "sport", "technology"))
DIGIT = Task("classification", "digit", tuple(map(str, range(10))))


@dataclass(frozen=True)
class Ready:
    """A ready set.

    Args:
        summary: one line for ``md2n data list``.
        folder: below the data root; empty for embedded sets.
        read: folder and configuration to samples.
        normalise: the kind its features prefer.
        splits: names that ``DataConfig.split`` may take; empty where there is one split.
    """

    summary: str
    folder: str
    read: Callable[[Path, DataConfig], Samples]
    normalise: str = "robust"
    splits: tuple[str, ...] = ()


def _npz(
    folder: Path,
    task: Task,
    *,
    column: str = "y",
    split: str = "split",
    only: str = "",
    groups: Sequence[str] = (),
    normalise_by: str = "",
    notes: Sequence[str] = (),
) -> Samples:
    """A ``data.npz`` with one of its label columns, and of its other columns only the groups named.

    Args:
        folder: that holds it.
        task: what the label column means.
        column: key of the labels.
        split: key of the split.
        only: a boolean column; rows where it is False are left out.
        groups: group columns.
        normalise_by: one of them.
        notes: facts a user must know.
    """
    classes = {column: task.classes} if task.classes else None
    # Codes with -1 in the gaps, as these files have them.
    whole = read_npz(folder, label=column, split=split, kinds={column: task.kind}, classes=classes, unknown=(-1,))
    chosen = np.flatnonzero(whole.groups[only] == "True") if only else np.arange(len(whole))
    return replace(
        whole,
        labels={task.label: LabelColumn(whole.label(column).values, task)},
        groups={k: whole.groups[k] for k in groups},
        default_label=task.label,
        normalise_by=normalise_by,
        notes=(*whole.notes, *notes),
    ).select(chosen)


def _mosi(folder: Path, config: DataConfig, clean: bool) -> Samples:
    path = require_file(folder / "labels.csv")
    with path.open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    column = "clean_split" if clean else "split"
    split = np.asarray([SPLITS.index(r[column]) if r[column] in SPLITS else UNASSIGNED for r in table], np.uint8)
    archive = load_npz(folder / "text_mpnet.npz")
    tokens = archive["tokens"]
    modalities = {
        "text": Ragged(tokens, archive["offsets"].astype(np.int64), np.ones(len(tokens), np.bool_)),
        "audio": Ragged.from_padded(load_npy(folder / "audio.npy")),
    }
    notes = ["licence: CMU-MOSI is for research only"]
    if clean or "vision" in config.modalities:
        modalities["vision"] = Ragged.from_padded(load_npy(folder / "vision.npy"))
        notes = notes if clean else [MOSI_LEAK, *notes]
    whole = Samples(
        name=folder.name,
        modalities=modalities,
        labels={"sentiment": LabelColumn(np.asarray([float(r["label"]) for r in table], np.float32), SENTIMENT)},
        split=split,
        ids=np.asarray([r["id"] for r in table]),
        groups={"video": np.asarray([r["video_id"] for r in table])},
        default_label="sentiment",
        notes=tuple(notes),
        source={"reader": "mosi", "text": "all-mpnet-base-v2 tokens", "audio": "COVAREP segment means"},
    )
    return whole.select(np.flatnonzero(split != UNASSIGNED))


def _digits(_: Path, __: DataConfig) -> Samples:
    from md2n.data.digits import load_digits

    return load_digits()


def _ict_mmmo(folder: Path, config: DataConfig) -> Samples:
    notes = (
        "text exists for 120 of 340 reviews; in the original split none of them is a training sample",
        "one label for a whole review; the test split is small (48 or 80 reviews)",
    )
    return _npz(folder, STARS, split="split" if config.split == "original" else "split_resampled", notes=notes)


def _ravdess_av(folder: Path, _: DataConfig) -> Samples:
    notes = (
        "face_au and face_emo were taken from the same video; face_emo is what a pretrained classifier says",
        "licence: RAVDESS is CC BY-NC-SA 4.0",
    )
    return _npz(folder, EMOTION, groups=("actor",), normalise_by="actor", notes=notes)


def _stressid(folder: Path, _: DataConfig) -> Samples:
    return _npz(
        folder,
        FAMILY,
        column="y_family5",
        only="verbal",
        groups=("subject", "task"),
        normalise_by="subject",
        notes=("only the spoken tasks: in the others there is no voice, which would give the label away",),
    )


READY: dict[str, Ready] = {
    "digits": Ready("handwritten digits in four views (embedded); ten classes", "", _digits),
    "mosi": Ready("CMU-MOSI, text and audio, standard split; sentiment", "mosi", lambda f, c: _mosi(f, c, False)),
    "mosi_clean": Ready(
        "CMU-MOSI, text, audio and vision on 31 videos free of leaks; sentiment", "mosi", lambda f, c: _mosi(f, c, True)
    ),
    "ict_mmmo": Ready(
        "ICT-MMMO reviews, audio, vision and text as sequences; sentiment 1 to 5",
        "ict_mmmo",
        _ict_mmmo,
        splits=("resampled", "original"),
    ),
    "ravdess_av": Ready("RAVDESS voice and face features; eight emotions", "ravdess_av", _ravdess_av),
    "stressid": Ready(
        "StressID, five body and face sensors, natural gaps; five families of spoken tasks", "stressid", _stressid
    ),
    "news3sources": Ready(
        "news stories in three sources, natural gaps; six topics",
        "news3sources",
        lambda f, _: _npz(f, TOPIC, notes=("features are counts of terms",)),
        normalise="log",
    ),
    "mfeat": Ready("six views of handwritten digits; ten classes", "mfeat", lambda f, _: _npz(f, DIGIT)),
}
