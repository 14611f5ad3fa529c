"""The field's pickle: ``{train, valid, test}`` -> ``{text, audio, vision, id, regression_labels, ...}``.

MMSA, Self-MM, MISA, IMDer, LNLN and MulT files share this layout.  What counts as a frame:

- ``audio_lengths`` and ``vision_lengths``, where a file has them (unaligned files), say how many frames are real; a
  length of 0 means that the modality is absent.
- ``text`` follows the attention row of ``text_bert`` ``[N, 3, T]`` (ids, attention, segment), where there is one.
- Both are believed only where the array agrees (``padding.agreement``): MMSA-FET writes the same lengths beside arrays
  that are padded in front.
- Without either, frames of zeros alone at the start and at the end are padding (MulT pads in front, MMSA behind), and a
  sample whose frames are all zero does not have the modality.  Frames of zeros between others are kept as they are.
- One frame per sample (``T = 1``) is a vector and real, unless its length is 0.

Frames with a NaN or an infinity are invalid, whatever the lengths say; they are counted in the notes.

A file without splits is one of samples to predict on, or a single clip: MMSA-FET's ``run_single`` writes
``{text, audio, vision, config}`` with ``[T, d]`` arrays and no ids.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.brief import first_few
from md2n.data.known_sets import KnownSet, known_set, recognise
from md2n.data.readers.budget import texts
from md2n.data.readers.files import fingerprints
from md2n.data.readers.labels import is_missing, is_unknown, label_column
from md2n.data.readers.nonfinite import NonFinite, concat, count_nonfinite, finish
from md2n.data.readers.padding import PADDING, ZEROS, Agreement, agreement, nonzero_frames, role_of_zeros
from md2n.data.readers.unpickle import load_pickle
from md2n.data.samples import (
    SPLITS,
    UNASSIGNED,
    Array,
    LabelColumn,
    Ragged,
    Samples,
    as_features,
    as_numbers,
    between_ends,
)
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.reading import named

NO_SPLIT = ""
SPLIT_CODES = {**{split: code for code, split in enumerate(SPLITS)}, NO_SPLIT: UNASSIGNED}
SPLIT_KEYS = {"train": ("train",), "valid": ("valid", "val", "dev"), "test": ("test",)}
MODALITY_KEYS = {
    "text": ("text", "text_bert"),
    "audio": ("audio", "acoustic"),
    "vision": ("vision", "visual", "video"),
}
REGRESSION_KEYS = ("regression_labels", "regression_labels_T", "regression_labels_A", "regression_labels_V", "labels")
CLASSES_KEY = "classification_labels"
TOKEN_ROWS = ("ids", "attention", "segment")  # of ``text_bert``
VIDEO_SEPARATOR = "$_$"

Part = dict[str, Any]


@dataclass
class _Report:
    """What is noticed on the way: notes; by modality, lengths that exceed the frames there are, and roles of zeros."""

    notes: list[str] = field(default_factory=list)
    cut: Counter[str] = field(default_factory=Counter)
    zeros: dict[str, str] = field(default_factory=dict)


@named()
def read_mmsa(
    path: str | Path,
    *,
    name: str = "",
    known: str | None = None,
    label: str = "",
    unknown: Sequence[Any] = (),
    drop_empty: bool = False,
) -> Samples:
    """Read an MMSA pickle without running anything in it.

    Args:
        path: the ``.pkl`` file.
        name: of the data set; the file's name if not given.
        known: ``mosi``, ``mosei``, ``ch-sims`` or ``iemocap``: declares the label range and enables the checks of
            ``md2n.data.known_sets``.  None recognises the set by its split sizes; ``""`` declares nothing.
        label: the label column used by default; ``regression_labels`` where the file has it, if not given.
        unknown: label values that mean "not known", besides NaN and None.
        drop_empty: leave out samples that have no modality instead of refusing them.

    Returns:
        Every label column of the file; ``video`` as a group where ids read ``video$_$clip``.

    Raises:
        UnsafeFileError: the file asks for anything but NumPy arrays and builtins.
        DataError: it is damaged, or not of this layout.
        UsageError: ``known`` or ``label`` names nothing.
    """
    file = Path(path)
    report = _Report()
    parts = _parts(load_pickle(file), file, report)
    ids = {split: _ids(part, split, file) for split, part in parts.items()}
    sizes = (len(ids.get("train", ())), len(ids.get("valid", ())), len(ids.get("test", ())))
    schema = recognise(sizes) if known is None else known
    facts = known_set(schema) if schema else KnownSet(title=file.stem)
    if schema and known is None:
        report.notes.append(f"recognised as {facts.title} by its split sizes")
    labels = _labels(parts, ids, facts, file, unknown)
    modalities: dict[str, Ragged] = {}
    counted: dict[str, NonFinite] = {}
    used: set[str] = set()
    for modality in MODALITY_KEYS:
        keys = {split: _key(part, modality, f"'{file}': {split}") for split, part in parts.items()}
        if not any(keys.values()):
            continue
        ragged, counts = [], NonFinite()
        for split, key in keys.items():
            if not key:
                raise DataError(f"'{file}': split '{split}' has no {modality}", "every split needs every modality")
            used |= {key, *_length_keys(modality)}
            what = f"'{file}': {split}/{key}" if split else f"'{file}': {key}"
            one, count = _modality(parts[split], key, modality, len(ids[split]), what, report)
            parts[split].pop(key)  # the array is not needed again, and may be gigabytes
            ragged.append(one)
            counts += count
        try:
            modalities[modality] = concat(ragged)
        except DataError as error:
            raise DataError(f"'{file}': {modality} differs between splits: {error.message}", error.hint) from error
        counted[modality] = counts
    everything = np.concatenate(list(ids.values()))
    default = label or next((k for k in REGRESSION_KEYS if k in labels), next(iter(labels), ""))
    if label and label not in labels:
        raise UsageError(f"'{file}' has no label column '{label}'", did_you_mean(label, labels))
    left_out = sorted({k for part in parts.values() for k in part} - used - set(labels) - {"id"})
    samples = Samples(
        name=name or file.stem,
        modalities=modalities,
        labels=labels,
        split=np.concatenate([np.full(len(ids[s]), SPLIT_CODES[s], np.uint8) for s in parts]),
        ids=everything,
        groups=_groups(everything),
        default_label=default,
        notes=tuple(report.notes),
        source={
            "reader": "mmsa",
            "files": fingerprints([file]),
            "schema": schema,
            "left_out": left_out,
            "cut_lengths": {modality: count for modality, count in report.cut.items() if count},
            ZEROS: report.zeros,
        },
    )
    return finish(samples, counted, drop_empty=drop_empty)


def _parts(content: Any, file: Path, report: _Report) -> dict[str, Part]:
    if not isinstance(content, Mapping):
        raise DataError(
            f"'{file}' holds a {type(content).__name__}, not a dictionary of splits",
            "the MMSA layout is {train, valid, test} -> {text, audio, vision, id, regression_labels}",
        )
    parts: dict[str, Part] = {}
    for split, keys in SPLIT_KEYS.items():
        key = next((k for k in keys if k in content), None)
        if key is None:
            continue
        if not isinstance(content[key], Mapping):
            raise DataError(f"'{file}': split '{key}' is a {type(content[key]).__name__}", "it should be a dictionary")
        parts[split] = dict(content[key])
    if not parts and any(np.ndim(content[k]) for k in _held(content)):
        parts[NO_SPLIT] = _without_splits(content, file, report)
    if not parts:
        names = first_few(content, 8) or "nothing"
        raise DataError(
            f"'{file}' has no split train, valid or test; it holds {names}",
            "the MMSA layout is {train, valid, test} -> {text, audio, vision, id, regression_labels}; one clip's is "
            "{text, audio, vision} with [frames, features]",
        )
    return parts


def _held(part: Mapping[str, Any]) -> list[str]:
    return [key for keys in MODALITY_KEYS.values() for key in keys if part.get(key) is not None]


def _without_splits(content: Mapping[str, Any], file: Path, report: _Report) -> Part:
    """Samples of no split; a single clip, which has ``[T, d]`` arrays and no list of ids, becomes the only one."""
    part = dict(content)
    features = [key for key in _held(part) if key != "text_bert"] or _held(part)
    one = part.get("id")
    if isinstance(one, list | tuple | np.ndarray) or any(np.ndim(part[key]) > 2 for key in features):
        return part
    report.notes.append("read as one clip: the file has neither splits nor ids, and its arrays are [frames, features]")
    part["id"] = [file.stem if one is None else one]
    tokens = part.get("text_bert")
    if tokens is not None and np.ndim(tokens) == 2 and len(TOKEN_ROWS) in np.shape(tokens):
        part["text_bert"] = np.asarray(tokens if len(tokens) == len(TOKEN_ROWS) else np.transpose(tokens))
    for key in [*_held(part), *REGRESSION_KEYS, CLASSES_KEY, "annotations"]:
        if part.get(key) is not None:
            part[key] = np.asarray(part[key])[None]
    return part


def _key(part: Part, modality: str, what: str) -> str:
    for key in MODALITY_KEYS[modality]:
        if part.get(key) is not None and not (key == "text_bert" and _is_token_ids(part[key], what)):
            return key
    return ""


def _is_token_ids(value: Any, what: str) -> bool:
    shape = as_numbers(value, f"{what}/text_bert").shape
    return len(shape) == 3 and shape[1] == len(TOKEN_ROWS)


def _ids(part: Part, split: str, file: Path) -> Array:
    ids = part.get("id")
    if ids is None:
        first = next((part[k] for keys in MODALITY_KEYS.values() for k in keys if part.get(k) is not None), ())
        return np.array([f"{split}_{i}" if split else str(i) for i in range(len(first))], dtype=np.str_)

    if not (isinstance(ids, list | tuple) or (isinstance(ids, np.ndarray) and ids.ndim)):
        raise DataError(f"'{file}': {split}/id is a single {type(ids).__name__}", "give one id per sample")

    def text(value: Any) -> str:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    rows = np.asarray(ids, dtype=object).reshape(len(ids), -1) if len(ids) else np.empty((0, 1), object)
    if not rows.size and len(ids):
        raise DataError(f"'{file}': {split}/id holds nothing", "give one id per sample")
    return texts(["_".join(map(text, row)) for row in rows], file)


def _groups(ids: Array) -> dict[str, Array]:
    if not any(VIDEO_SEPARATOR in i for i in ids):
        return {}
    return {"video": np.array([i.split(VIDEO_SEPARATOR)[0] for i in ids], dtype=np.str_)}


def _modality(part: Part, key: str, modality: str, count: int, what: str, report: _Report) -> tuple[Ragged, NonFinite]:
    array = as_features(part[key], what)
    if array.ndim not in (2, 3):
        raise DataError(f"{what} has shape {array.shape}", "features are [samples, frames, features]")
    if len(array) != count:
        raise DataError(
            f"{what} has {len(array)} samples, but there are {count} ids", "every array needs one per sample"
        )
    cube = array[:, None, :] if array.ndim == 2 else array
    time = cube.shape[1]
    valid = _valid(part, cube, modality, what, report)
    role = role_of_zeros(cube, valid)
    if role and report.zeros.get(modality) != PADDING:
        report.zeros[modality] = role
    flat = np.ascontiguousarray(cube).reshape(count * time, cube.shape[2])
    return Ragged.from_padded(cube, valid=valid), count_nonfinite(flat, valid.reshape(-1))


def _length_keys(modality: str) -> list[str]:
    return [f"{key}_lengths" for key in MODALITY_KEYS[modality]]


def _valid(part: Part, cube: Array, modality: str, what: str, report: _Report) -> npt.NDArray[np.bool_]:
    count, time = cube.shape[:2]
    place = what.rsplit(": ", 1)[-1]
    lengths = next((part[k] for k in _length_keys(modality) if part.get(k) is not None), None)
    if lengths is not None:
        numbers = as_numbers(lengths, f"{what}_lengths").reshape(-1)
        if len(numbers) != count:
            raise DataError(f"{what}: {len(numbers)} lengths for {count} samples", "every sample needs one length")
        if (numbers < 0).any():
            raise DataError(f"{what}: a length is {numbers.min()}", "lengths count frames and are at least 0")
        longer = numbers > time
        report.cut[modality] += int(longer.sum())
        agreed = agreement(cube, np.arange(time)[None, :] < numbers[:, None], longer)
        if longer.any():
            less = "" if agreed.valid[longer].all() else ", less frames of zeros alone at the start and end"
            cut = f"{int(longer.sum())} lengths exceed the {time} frames there are; cut to them"
            report.notes.append(f"{place}: {cut}{less}")
        return _believed(agreed, place, "lengths", report)
    if time == 1:
        return np.ones((count, time), bool)
    tokens = part.get("text_bert") if modality == "text" else None
    if (
        tokens is not None
        and _is_token_ids(tokens, what.rpartition("/")[0])
        and np.shape(tokens)[0] == count
        and np.shape(tokens)[2] == time
    ):
        attention = as_numbers(tokens, f"{what}: text_bert")[:, TOKEN_ROWS.index("attention")] > 0
        return _believed(agreement(cube, attention), place, "attention rows", report)
    something = nonzero_frames(cube)  # NaN is not zero, so a frame of NaN is not padding
    absent = int((~something.any(axis=1)).sum())
    if absent:
        report.notes.append(f"{place}: {absent} samples are zeros alone and count as absent")
    return between_ends(something)


def _believed(agreed: Agreement, place: str, claim: str, report: _Report) -> npt.NDArray[np.bool_]:
    if agreed.front:
        report.notes.append(
            f"{place}: {agreed.front} samples are padded in front; the {claim} count from the end there"
        )
    if agreed.wrong:
        report.notes.append(
            f"{place}: {agreed.wrong} {claim} contradict the array, which holds numbers beyond them; there frames of "
            "zeros alone at the start and end count as padding instead"
        )
    if agreed.other:
        report.notes.append(
            f"{place}: {agreed.other} {claim} leave out frames that are not zeros, and were followed; if those frames "
            f"are real, take the {claim} out of the file"
        )
    return agreed.valid


def _labels(
    parts: Mapping[str, Part], ids: Mapping[str, Array], facts: KnownSet, file: Path, unknown: Sequence[Any]
) -> dict[str, LabelColumn]:
    columns: dict[str, LabelColumn] = {}
    for key in (*REGRESSION_KEYS, CLASSES_KEY):
        if not all(part.get(key) is not None for part in parts.values()):
            continue
        arrays = [_targets(part[key], f"'{file}': {split}/{key}") for split, part in parts.items()]
        for split, array in zip(parts, arrays):
            if not array.ndim:
                raise DataError(f"'{file}': {split}/{key} is a single value", "every sample needs one label")
            if len(array) != len(ids[split]):
                raise DataError(
                    f"'{file}': {split}/{key} has {len(array)} labels for {len(ids[split])} samples",
                    "every sample needs one label",
                )
        shapes = {a.shape[1:] for a in arrays}
        if len(shapes) > 1 or max(map(len, shapes)) > 2:
            listing = ", ".join(str(a.shape) for a in arrays)
            raise DataError(f"'{file}': {key} has shapes {listing}", "labels are [samples], or [samples, columns]")
        values = np.concatenate(arrays)
        if values.ndim == 3 and values.shape[2] == 2:
            columns |= _emotions(values, facts)
        elif key == CLASSES_KEY:
            columns[key] = _classes(values.reshape(-1), parts, unknown)
        else:
            columns |= _real(values.reshape(len(values), -1), key, facts, unknown)
    return columns


def _targets(value: Any, what: str) -> Array:
    """Numbers, NaN where the file has None or another word for nothing."""
    array = np.asarray(value)
    if array.dtype.kind in "OUST":
        array = array.astype(object)
        array[np.frompyfunc(is_missing, 1, 1)(array).astype(np.bool_)] = np.nan
    return as_numbers(array, what)


def _real(values: Array, key: str, facts: KnownSet, unknown: Sequence[Any]) -> dict[str, LabelColumn]:
    names = [key, *(f"{key}_{i}" for i in range(1, values.shape[1]))]
    return {
        name: label_column(
            values[:, i],
            name,
            kind="regression",
            unknown=unknown,
            low=facts.low,
            high=facts.high,
            sentiment=facts.sentiment,
        )
        for i, name in enumerate(names)
    }


def _emotions(values: Array, facts: KnownSet) -> dict[str, LabelColumn]:
    # MulT's IEMOCAP: [N, emotions, 2], one-hot over (no, yes) for each emotion.
    count = values.shape[1]
    names = facts.classes if len(facts.classes) == count else tuple(f"label_{i}" for i in range(count))
    return {n: label_column(values[:, i].argmax(axis=1), n, classes=("no", "yes")) for i, n in enumerate(names)}


def _classes(values: Array, parts: Mapping[str, Part], unknown: Sequence[Any]) -> LabelColumn:
    """Named by ``annotations`` ("Positive") where each code has exactly one, in the order of the codes."""
    annotations = [part.get("annotations") for part in parts.values()]
    words = [str(w) for each in annotations if isinstance(each, list | tuple | np.ndarray) for w in each]
    named = zip(values, words) if len(words) == len(values) else ()
    pairs = sorted({(float(v), w) for v, w in named if not is_unknown(v, unknown) and not is_missing(w)})
    if pairs and len({c for c, _ in pairs}) == len({w for _, w in pairs}) == len(pairs):
        known = ["" if is_unknown(v, unknown) else w for v, w in zip(values, words)]
        return label_column(known, CLASSES_KEY, classes=[w for _, w in pairs])
    return label_column(values, CLASSES_KEY, kind="classification", unknown=unknown)
