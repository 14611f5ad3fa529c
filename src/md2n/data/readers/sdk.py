"""CMU-MOSI and CMU-MOSEI from the SDK's ``.csd`` files, aligned to labels, to words, or not at all.

One sequence holds the labels; every label interval is one sample.  ``segments`` says what ``align`` does.
A label whose video a modality does not have, or has no frame for, is a natural gap.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from md2n.brief import brief
from md2n.data.known_sets import KnownSet, known_set
from md2n.data.readers import csd
from md2n.data.readers.csd import open_sequence, video_of
from md2n.data.readers.files import fingerprints, plain_name
from md2n.data.readers.labels import is_unknown, label_column
from md2n.data.readers.nonfinite import finish
from md2n.data.readers.segments import WORDS, Segment, SequencePieces, cut, require_features, require_reference
from md2n.data.samples import SPLITS, UNASSIGNED, Array, LabelColumn, Ragged, Samples
from md2n.errors import DataError, UsageError, did_you_mean

Folds = Mapping[str, tuple[str, ...]]
MODALITIES = {
    "text": ("glove", "bert", "wordvector", "text", "language"),
    "audio": ("covarep", "opensmile", "acoustic", "audio"),
    "vision": ("facet", "openface", "visual", "vision", "video"),
}


@dataclass(frozen=True)
class Labelled(Segment):
    """One labelled stretch of a video; its id is ``video[i]``.

    Args:
        values: ``[L]`` label values.
    """

    values: Array

    __repr__ = brief


FOLDS = ("mosi", "mosei")


def standard_folds(name: str) -> Folds:
    """Video ids of the standard folds: ``train``, ``valid``, ``test``.

    Raises:
        UsageError: no folds of that name are packaged.
    """
    table: dict[str, dict[str, list[str]]] = json.loads(
        (files("md2n.data.readers") / "folds.json").read_text(encoding="utf-8")
    )
    if name not in table:
        raise UsageError(f"no standard folds are called '{name}'", did_you_mean(name, table))
    return {split: tuple(ids) for split, ids in table[name].items()}


def read_sdk(
    sources: Mapping[str, str | Path],
    labels: str | Path,
    *,
    name: str = "",
    known: str | None = None,
    align: str = "none",
    words: str | Path | None = None,
    folds: Folds | None = None,
    label: str = "",
    unknown: Iterable[Any] = (),
    drop_empty: bool = False,
) -> Samples:
    """Read computational sequences and cut them into labelled samples.

    Args:
        sources: modality name -> its ``.csd`` file, in the order wanted.
        labels: the ``.csd`` file with the labels; the first column is the sentiment.
        name: of the data set.
        known: ``mosi`` or ``mosei``: standard folds, label names and range.  None recognises them by their video ids;
            ``""`` declares nothing.
        align: ``none``, ``labels``, ``words`` or the name of a modality; see ``segments``.
        words: the ``.csd`` file with the words themselves, which ``align="words"`` needs; it is no modality.
        folds: split name -> video ids; the standard folds of ``known`` if not given, no split without either.
        label: the label column used by default; the first if not given.
        unknown: label values that mean "not known", besides NaN.
        drop_empty: leave out samples that have no modality instead of refusing them.

    Returns:
        One sample per label, ``video[i]``, grouped by ``video``.  MOSEI's file holds a few labels beyond its range
        (10/3, 11/3, 15/3); they are clipped to it and counted in the notes.

    Raises:
        DataError: a file is damaged or of another layout, a segment does not hold together, no label is usable.
        UsageError: ``align``, ``known`` or ``label`` names nothing.
    """
    if known:
        known_set(known)
    require_reference(align, {*sources, *((WORDS,) if words else ())})
    notes: list[str] = []
    with ExitStack() as stack:
        sequences = {k: stack.enter_context(open_sequence(p)) for k, p in sources.items()}
        for modality, sequence in sequences.items():
            require_features(modality, sequence)
        if words is not None:
            sequences[WORDS] = stack.enter_context(open_sequence(words))
        annotation = stack.enter_context(open_sequence(labels))
        segments = _segments(annotation, notes)
        if known is None:
            known = _recognise({s.recording for s in segments})
            notes += [f"recognised as {known_set(known).title} by its video ids"] if known else []
        facts = known_set(known) if known else KnownSet(title=name)
        names = _label_names(annotation, facts)
        pieces = {k: SequencePieces(s, segments) for k, s in sequences.items()}
        arrays = cut(pieces, segments, align)
        notes += [note for k, p in pieces.items() for note in p.notes(k)]
    arrays.pop(WORDS, None)
    modalities = {k: Ragged.from_arrays(a, dim=sequences[k].dim) for k, (a, _) in arrays.items()}
    columns = _columns(np.stack([s.values for s in segments]), names, facts, notes, tuple(unknown))
    if label and label not in columns:
        raise UsageError(f"'{labels}' has no label column '{label}'", did_you_mean(label, columns))
    videos = [s.recording for s in segments]
    samples = Samples(
        name=name or known or Path(labels).stem,
        modalities=modalities,
        labels=columns,
        split=_split(videos, folds, facts, notes),
        ids=np.array([s.id for s in segments], dtype=np.str_),
        groups={"video": np.array(videos, dtype=np.str_)},
        default_label=label or names[0],
        notes=tuple(notes),
        source={
            "reader": "sdk",
            "files": fingerprints([*map(Path, sources.values()), Path(labels), *([Path(words)] if words else [])]),
            "schema": known,
            "align": align,
        },
    )
    return finish(samples, {k: count for k, (_, count) in arrays.items()}, drop_empty=drop_empty)


def read_sdk_folder(path: str | Path, *, name: str = "", modalities: Sequence[str] = (), **options: Any) -> Samples:
    """Read a folder of ``.csd`` files; their names say what they hold.

    The file with ``label`` in its name holds the labels; one with ``word`` (and not ``vector``) holds words.  The
    others are modalities: text (glove, bert), audio (covarep, opensmile), vision (facet, openface), or, where the name
    says nothing or two say the same, the file's own name.

    Args:
        path: the folder.
        name: of the data set; the folder's name if not given.
        modalities: which ones, in this order; all if not given.
        **options: further ones of ``read_sdk``.

    Raises:
        DataError: no labels, several of them, or no modality; and whatever ``read_sdk`` raises.
        UsageError: a modality that no file gives.
    """
    folder = Path(path)
    paths = sorted(folder.glob("*.csd")) if folder.is_dir() else [folder]
    labels = [f for f in paths if "label" in f.stem.lower()]
    words = [f for f in paths if "word" in f.stem.lower() and "vector" not in f.stem.lower()]
    if len(labels) != 1:
        candidates = ", ".join(f.name for f in labels) or "none of " + ", ".join(f.name for f in paths)
        raise DataError(
            f"'{folder}': one .csd file must have 'label' in its name, but here it is {candidates}",
            "keep one labels file in the folder, or name the files in Python: md2n.data.readers.sdk.read_sdk",
        )
    sources = _sources([f for f in paths if f not in labels and f not in words])
    if not sources:
        raise DataError(f"'{folder}' has labels but no modality", "put the .csd files of the modalities beside them")
    for modality in modalities:
        if modality not in sources:
            raise UsageError(f"'{folder}' has no modality '{modality}'", did_you_mean(modality, sources))
    wanted = {m: sources[m] for m in modalities} if modalities else sources
    name = name or folder.resolve().name
    return read_sdk(wanted, labels[0], name=name, words=words[0] if words else None, **options)


def _sources(files: Sequence[Path]) -> dict[str, Path]:
    guesses = [
        next((m for m, words in MODALITIES.items() if any(w in f.stem.lower() for w in words)), "") for f in files
    ]
    named = {}
    for file, guess in zip(files, guesses):
        own = plain_name(file.stem)
        named[guess if guess and guesses.count(guess) == 1 else own] = file
    order = [*(m for m in MODALITIES if m in named), *(m for m in named if m not in MODALITIES)]
    return {m: named[m] for m in order}


def _segments(annotation: csd.Sequence, notes: list[str]) -> list[Labelled]:
    segments, dropped, unlabelled = [], 0, 0
    for key in annotation.segments:
        track = annotation.track(key)
        dropped += track.dropped
        values = np.asarray(track.features, np.float64)
        whole = video_of(key) != key
        if whole and len(values) > 1 and not (values == values[0]).all():
            raise DataError(
                f"'{annotation.path}', segment '{key}' holds {len(values)} different labels", "one piece has one label"
            )
        for i in range(min(1, len(values)) if whole else len(values)):
            times = track.intervals if whole else track.intervals[i : i + 1]
            start, end = float(times[:, 0].min()), float(times[:, 1].max())
            if not np.isfinite(values[i, 0]):
                unlabelled += 1
                continue
            own = key if whole else f"{key}[{track.rows[i]}]"
            segments.append(Labelled(own, video_of(key), start, end, values[i]))
    if dropped:
        notes.append(f"{dropped} labels without a usable interval were left out")
    if unlabelled:
        notes.append(f"{unlabelled} intervals without a label were left out")
    if not segments:
        raise DataError(f"'{annotation.path}' holds no usable label", "check that it is the sequence with the labels")
    return segments


def _recognise(videos: set[str]) -> str:
    """The set whose standard folds hold nine in ten of the videos, or ``""``."""
    for name in FOLDS:
        ids = {video for fold in standard_folds(name).values() for video in fold}
        if len(videos & ids) >= 0.9 * len(videos):
            return name
    return ""


def _label_names(annotation: csd.Sequence, facts: KnownSet) -> tuple[str, ...]:
    count = annotation.dim
    for names in (facts.labels, annotation.dimension_names()):
        if len(names) == count and len(set(names)) == count:
            return names
    return ("sentiment", *(f"label_{i}" for i in range(1, count)))


def _columns(
    values: Array, names: tuple[str, ...], facts: KnownSet, notes: list[str], unknown: tuple[Any, ...]
) -> dict[str, LabelColumn]:
    columns = {}
    for i, column in enumerate(names):
        low, high = facts.label_range(i)
        held = np.array([np.nan if is_unknown(v, unknown) else v for v in values[:, i]])
        if facts.clip:
            outside = int(((held < low) | (held > high)).sum())
            if outside:
                notes.append(f"{column}: {outside} values beyond [{low:g}, {high:g}] were clipped to it")
            held = np.clip(held, low, high)
        sentiment = facts.sentiment and i == 0
        columns[column] = label_column(held, column, kind="regression", low=low, high=high, sentiment=sentiment)
    return columns


def _split(videos: list[str], folds: Folds | None, facts: KnownSet, notes: list[str]) -> Array:
    if folds is None and facts.folds:
        standard = standard_folds(facts.folds)
        if any(video in ids for ids in standard.values() for video in videos):
            folds = standard
        else:  # labels like those of the known set, of videos of one's own
            notes.append(f"no video is one of {facts.title}'s, so its folds do not apply")
    if folds is None:
        notes.append("no folds were given, so no sample belongs to a split")
        return np.full(len(videos), UNASSIGNED, np.uint8)
    code = {video: SPLITS.index(split) for split, ids in folds.items() for video in ids}
    split = np.array([code.get(v, UNASSIGNED) for v in videos], np.uint8)
    outside = int((split == UNASSIGNED).sum())
    if outside == len(videos):
        raise DataError(
            "no video of the labels is in the folds", f"the labels have '{videos[0]}', the folds '{next(iter(code))}'"
        )
    if outside:
        notes.append(
            f"{outside} samples of {len({v for v, s in zip(videos, split) if s == UNASSIGNED})} videos are in "
            "no fold and belong to no split"
        )
    return split
