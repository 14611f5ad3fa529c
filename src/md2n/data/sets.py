"""The ready sets: what each of them is, where it lies below the data root, and how it is read."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from md2n.data.config import DataConfig
from md2n.data.folds import FIXED
from md2n.data.readers.files import require_file
from md2n.data.readers.npy import load_npy, load_npz
from md2n.data.readers.npz import read_npz
from md2n.data.readers.padding import ZEROS
from md2n.data.samples import SPLITS, UNASSIGNED, Array, LabelColumn, Ragged, Samples, between_ends, offsets_of
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
PLAYED = Task("classification", "emotion", ("anger", "disgust", "fear", "happy", "neutral", "sad"))
LEVELS = ("0-35", "35-75", "75-115", "115-150", "150-250", "above 250")  # ug/m3, daily mean of PM2.5
PARTICLES = {
    "y": Task("classification", "level", LEVELS),
    "y_log_pm25": Task("regression", "log_pm25"),
    "y_next_day": Task("classification", "next_day", LEVELS),
}
GASES = ("pm10", "so2", "no2", "co", "o3")
CONTEXT = {
    "y": Task("classification", "posture", ("lying", "sitting", "standing", "walking or running", "bicycling")),
    "y_posture6": Task(
        "classification", "posture6", ("lying", "sitting", "standing", "walking", "running", "bicycling")
    ),
    "y_home": Task("classification", "home", ("not at home", "at home")),
    "y_phone_position": Task("classification", "phone_position", ("pocket", "hand", "bag", "table")),
}
WORN = ("acc", "gyro", "mag", "watch", "loc", "audio")  # in units of their own; the states of the phone are 0 to 1
FOLDS = 5


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
    labels: Mapping[str, Task],
    *,
    split: str = "split",
    only: str = "",
    groups: Sequence[str] = (),
    normalise_by: str = "",
    notes: Sequence[str] = (),
) -> Samples:
    """A ``data.npz`` with the label columns and groups named, and none of its other columns.

    Args:
        folder: that holds it.
        labels: key of a label column -> what it means, under whose name it goes; the first is the default.
        split: key of the split.
        only: a boolean column; rows where it is False are left out.
        groups: group columns.
        normalise_by: one of them.
        notes: facts a user must know.
    """
    kinds = {column: task.kind for column, task in labels.items()}
    classes = {column: task.classes for column, task in labels.items() if task.classes}
    # Codes with -1 in the gaps, as these files have them.
    whole = read_npz(folder, label=next(iter(labels)), split=split, kinds=kinds, classes=classes, unknown=(-1,))
    samples = replace(
        whole,
        labels={task.label: LabelColumn(whole.label(column).values, task) for column, task in labels.items()},
        groups={k: whole.groups[k] for k in groups},
        default_label=next(iter(labels.values())).label,
        normalise_by=normalise_by,
        notes=(*whole.notes, *notes),
    )
    return samples.select(np.flatnonzero(whole.groups[only] == "True")) if only else samples


def _changed(samples: Samples, names: Sequence[str], change: Callable[[Array], Array]) -> Samples:
    """The samples with a function applied to the features of some modalities, in float32; it keeps zeros zeros."""
    changed = {
        name: replace(samples.modalities[name], values=change(np.asarray(samples.modalities[name].values, np.float32)))
        for name in names
    }
    return replace(samples, modalities={**samples.modalities, **changed})


def _signed_log(x: Array) -> Array:
    """sign(x) log(1 + abs(x)): x near zero, a logarithm far from it."""
    return np.asarray(np.copysign(np.log1p(np.abs(x)), x))


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
    notes, fixed = ["licence: CMU-MOSI is for research only"], {}
    if clean or "vision" in config.modalities:
        modalities["vision"] = Ragged.from_padded(load_npy(folder / "vision.npy"))
        if not clean:
            notes, fixed = [MOSI_LEAK, *notes], {FIXED: "its visual features know the labels of 33 videos"}
    whole = Samples(
        name=folder.name,
        modalities=modalities,
        labels={"sentiment": LabelColumn(np.asarray([float(r["label"]) for r in table], np.float32), SENTIMENT)},
        split=split,
        ids=np.asarray([r["id"] for r in table]),
        groups={"video": np.asarray([r["video_id"] for r in table])},
        default_label="sentiment",
        notes=tuple(notes),
        source={"reader": "mosi", "text": "all-mpnet-base-v2 tokens", "audio": "COVAREP segment means"} | fixed,
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
    return _npz(folder, {"y": STARS}, split="split" if config.split == "original" else "split_resampled", notes=notes)


def _ravdess_av(folder: Path, _: DataConfig) -> Samples:
    notes = (
        "face_au and face_emo were taken from the same video; face_emo is what a pretrained classifier says",
        "licence: RAVDESS is CC BY-NC-SA 4.0",
    )
    return _npz(folder, {"y": EMOTION}, groups=("actor",), normalise_by="actor", notes=notes)


def _stressid(folder: Path, _: DataConfig) -> Samples:
    return _npz(
        folder,
        {"y_family5": FAMILY},
        only="verbal",
        groups=("subject", "task"),
        normalise_by="subject",
        notes=("only the spoken tasks: in the others there is no voice, which would give the label away",),
    )


def _cremad_ratings(folder: Path, _: DataConfig) -> Samples:
    notes = (
        "features are answers of about ten people who heard, saw, or heard and saw a clip: shares of votes for each "
        "emotion, then the mean level given to each (0 to 1); no signal",
        "where all raters agree, rows of different clips are equal: few answers are possible",
        "av is no third channel but a third view: its raters had both channels; with two channels alone: voice, face",
        "licence: Open Database License 1.0; Cao et al., doi:10.1109/TAFFC.2014.2336244",
    )
    return _npz(folder, {"y": PLAYED}, groups=("actor",), notes=notes)


def _beijing_air(folder: Path, _: DataConfig) -> Samples:
    notes = (
        f"{', '.join(GASES)} are log(1 + x) of ug/m3, log_pm25 is the log of the day's mean in ug/m3; weather is in "
        "degrees C, hPa above 1000, degrees C of dew point, mm of rain, m/s of wind from east and from north",
        "a frame is an hour, 0 to 23; PM2.5 is the label and no input",
        "the twelve stations of one day are alike: the split is by `block` of 14 days, and so are errors to be",
        "licence: UCI Beijing Multi-Site Air-Quality, CC BY 4.0; Zhang et al., Proc. R. Soc. A 473, 2017, 20170457",
    )
    samples = _npz(folder, PARTICLES, groups=("block", "station", "day"), notes=notes)
    hours = load_npz(folder / "data.npz", {f"t_{name}" for name in samples.names})
    whole = {name: _whole_days(ragged, hours[f"t_{name}"]) for name, ragged in samples.modalities.items()}
    # The file's zeros at bad hours are no padding, which would be cut off.
    source = {key: value for key, value in samples.source.items() if key != ZEROS}
    return _changed(replace(samples, modalities=whole, source=source), GASES, np.log1p)


def _whole_days(ragged: Ragged, hours: Array) -> Ragged:
    """A frame for every hour, so that a frame's place is its hour in all modalities.

    Args:
        ragged: as read: without the invalid hours before a day's first and after its last valid one.
        hours: ``[N, 24]``; True at valid hours, nowhere in an absent day.
    """
    held = hours.any(axis=1)
    values = np.zeros((int(held.sum()), hours.shape[1], ragged.dim), ragged.values.dtype)
    values[between_ends(hours[held])] = ragged.values
    offsets = offsets_of(hours.shape[1] * held)
    return Ragged(values.reshape(-1, ragged.dim), offsets, hours[held].reshape(-1).astype(np.bool_))


def _extrasensory(folder: Path, config: DataConfig) -> Samples:
    notes = (
        f"{', '.join(WORN)} are sign(x) log(1 + |x|) of the published features; phone is as published",
        "gaps go by person and hour, not at random, and by themselves say a little of the posture",
        "`clock` (time of day) is no sensor and left out",
        "classes are uneven and people differ: report balanced accuracy, and use the splits fold0 to fold4 (each "
        "tests on six other people, validates on the next fold's six) where methods are close",
        "publications must cite Vaizman, Ellis, Lanckriet, IEEE Pervasive Computing 16(4), 2017, "
        "doi:10.1109/MPRV.2017.3971131",
    )
    samples = _changed(_npz(folder, CONTEXT, groups=("subject", "fold"), notes=notes), WORN, _signed_log)
    fold = samples.groups["fold"].astype(np.int64)
    samples = replace(samples, groups={"subject": samples.groups["subject"]})
    if config.split in ("", "people"):
        return samples
    turn = (fold - int(config.split.removeprefix("fold"))) % FOLDS  # 0 is tested, 1 validates, the others train
    split = np.select([turn == 0, turn == 1], [SPLITS.index("test"), SPLITS.index("valid")], SPLITS.index("train"))
    return replace(samples, split=split.astype(np.uint8), source={**samples.source, "split": config.split})


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
        lambda f, _: _npz(f, {"y": TOPIC}, notes=("features are counts of terms",)),
        normalise="log",
    ),
    "mfeat": Ready("six views of handwritten digits; ten classes", "mfeat", lambda f, _: _npz(f, {"y": DIGIT})),
    "cremad_ratings": Ready(
        "CREMA-D clips as people rated them by ear, by eye, by both; six played emotions, 91 actors",
        "cremad_ratings",
        _cremad_ratings,
    ),
    "beijing_air": Ready(
        "air and weather of 12 stations as 24 hours, natural gaps; six levels of PM2.5, its log, the next day's level",
        "beijing_air",
        _beijing_air,
    ),
    "extrasensory": Ready(
        "seven sensors of phone and watch, natural gaps in 59% of rows; five postures of 30 people, and where they are",
        "extrasensory",
        _extrasensory,
        splits=("people", *(f"fold{k}" for k in range(FOLDS))),
    ),
}
