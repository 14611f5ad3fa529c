"""Arrays in memory: what a person already holds in Python becomes samples.

A modality is given as one of

- ``[N, d]``: a vector per sample; a row of NaN alone is absent, a single NaN is an unknown number;
- ``[N, T, d]``: a sequence per sample; frames of NaN alone are padding, a sample of NaN alone is absent;
- a list of N entries, each ``[T_i, d]``, ``[d]`` or ``None`` (or empty) where absent;
- a table of pandas, polars or Arrow: a vector per row, its columns the features (``dataframes``);
- ``None`` (or an empty array of shape ``(0,)``): absent everywhere, which needs ``dims``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from md2n.data.declaration import Meaning, declare
from md2n.data.readers.dataframes import check_rows, column, columns_of, is_table, plain
from md2n.data.readers.labels import label_column, name_of
from md2n.data.readers.nonfinite import NonFinite, count_nonfinite, finish
from md2n.data.readers.padding import MEASUREMENT, ZEROS, describe_zeros, role_of_zeros, zero_ends
from md2n.data.samples import SPLITS, UNASSIGNED, Array, LabelColumn, Ragged, Samples, as_features, as_frames
from md2n.errors import DataError, UsageError, did_you_mean

ONE_LABEL = "y"
TAKEN = ("complete", "available", "groups", ".", "..")  # a condition, inputs of a server, and folders
SPLIT_WORDS = {
    **{word: code for code, word in enumerate(SPLITS)},
    "training": 0,
    "val": 1,
    "dev": 1,
    "validation": 1,
    "testing": 2,
    "": UNASSIGNED,
}


def from_arrays(
    features: Mapping[str, Any],
    labels: Any = None,
    *,
    splits: Any = None,
    ids: Any = None,
    groups: Mapping[str, Any] | None = None,
    name: str = "arrays",
    kinds: Mapping[str, str] | None = None,
    classes: Mapping[str, Sequence[str]] | None = None,
    unknown: Sequence[Any] = (),
    default_label: str = "",
    present: Mapping[str, Any] | None = None,
    valid: Mapping[str, Any] | None = None,
    dims: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
    source: Mapping[str, Any] | None = None,
    drop_empty: bool = False,
    known: str = "",
    ranges: Mapping[str, tuple[float, float]] | None = None,
    sentiment: Sequence[str] = (),
) -> Samples:
    """Samples from arrays in memory.

    Args:
        features: modality name -> array, table, list or None, in the order wanted; see above.
        labels: ``[N]`` for one column called ``y``, or column name -> ``[N]``, or a table; None for data to predict on.
        splits: ``[N]`` words (train, valid, test, "") or codes (0, 1, 2, 255); unassigned if not given.
        ids: ``[N]``; row numbers if not given.
        groups: column name -> ``[N]``: speaker, actor, subject, video.
        name: of the data set.
        kinds: label column -> ``regression`` or ``classification``, where ``readers.labels`` would guess wrong.
        classes: label column -> class names in the order of their codes.
        unknown: label values that mean "not known", besides None, NaN and the like; ``(-1,)`` for codes with -1 in the
            gaps.
        default_label: the label column used by default; the first if not given.
        present: modality name -> ``[N]``, False where a sample lacks it, whatever the array holds there.
        valid: modality name -> ``[N, T]``, False at padding, or in the shape of the array, False at single unknown
            numbers; for arrays only.
        dims: modality name -> feature size, for modalities that no sample has.
        notes: facts to keep with the data.
        source: provenance to keep with the data.
        drop_empty: leave out samples without any modality instead of refusing them.
        known: a known data set (``md2n.data.known_sets``) whose label range and sentiment the labels have.
        ranges: label column -> least and greatest value of a real-valued label.
        sentiment: label columns whose sign carries the meaning and whose zero is neutral: ACC2, F1 and ACC7 are
            measured of them.

    Returns:
        The samples; numbers that are none, and zeros at the ends of sequences, are counted in the notes.

    Raises:
        DataError: counts, shapes, dtypes or the rows of tables do not hold together; a modality in no sample that
            ``dims`` does not name; a sample without any modality; labels outside their range.
        UsageError: ``default_label``, ``kinds``, ``classes``, ``present``, ``valid``, ``known``, ``ranges`` or
            ``sentiment`` names nothing, or a range that is none.

    >>> import numpy as np
    >>> samples = from_arrays({"audio": np.ones((2, 3)), "text": [np.ones((4, 5)), None]}, labels=[0.5, -1.0])
    >>> samples.present.tolist()
    [[True, True], [True, False]]
    """
    if not features:
        raise DataError("no modality was given", "give at least two: {'text': ..., 'audio': ...}")
    for key in features:
        if key in TAKEN:
            raise DataError(f"a modality is called '{key}', which means something else", f"rename it: my_{key}")
    present, valid, dims = present or {}, valid or {}, dims or {}
    for flags, word in ((present, "presence"), (valid, "validity"), (dims, "size")):
        for key in flags:
            if key not in features:
                raise UsageError(f"{word} is given for '{key}', which is no modality", did_you_mean(key, features))
    check_rows({**{f"modality '{k}'": v for k, v in features.items()}, "labels": labels})
    arrays = {k: plain(v, f"modality '{k}'") for k, v in features.items()}
    arrays = {k: None if isinstance(v, np.ndarray) and v.shape == (0,) else v for k, v in arrays.items()}
    targets = _targets(labels)
    ids, splits = column(ids), column(splits)
    lengths = {f"modality '{k}'": len(v) for k, v in arrays.items() if v is not None}
    lengths |= {} if ids is None else {"ids": len(ids)}
    lengths |= {f"label '{k}'" if isinstance(labels, Mapping) else "labels": len(v) for k, v in targets.items()}
    count = _count(lengths, any(map(is_table, features.values())))
    modalities: dict[str, Ragged] = {}
    counted: dict[str, NonFinite] = {}
    zeros: dict[str, str] = {}
    about_zeros: list[str] = []
    for modality, values in arrays.items():
        ragged, counted[modality] = _ragged(
            values, modality, count, present.get(modality), valid.get(modality), dims.get(modality)
        )
        modalities[modality] = ragged
        note, role = _zeros(modality, values, ragged, valid.get(modality))
        about_zeros += [note] if note else []
        zeros |= {modality: role} if role else {}
    columns = _columns(targets, kinds or {}, classes or {}, unknown)
    if default_label and default_label not in columns:
        raise UsageError(f"there is no label column '{default_label}'", did_you_mean(default_label, columns))
    samples = Samples(
        name=name,
        modalities=modalities,
        labels=columns,
        split=split_codes(splits, count),
        ids=np.array([name_of(i) for i in (range(count) if ids is None else ids)], dtype=np.str_),
        groups={k: np.array([name_of(v) for v in column(g)], dtype=np.str_) for k, g in (groups or {}).items()},
        default_label=default_label or next(iter(columns), ""),
        notes=(*notes, *about_zeros),
        source={"reader": "arrays", **(source or {}), **({ZEROS: zeros} if zeros else {})},
    )
    samples = declare(samples, Meaning(known, ranges or {}, sentiment))
    return finish(samples, counted, drop_empty=drop_empty, may_be_absent=frozenset(dims))


def _count(lengths: Mapping[str, int], tables: bool) -> int:
    if not lengths:
        raise DataError("the number of samples is unknown", "give one modality, or ids")
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{k}: {n}" for k, n in lengths.items())
        joined = "; md2n.data.readers.tables.from_tables joins tables of other rows by id" if tables else ""
        raise DataError(f"counts differ: {listed}", f"every array needs one entry per sample{joined}")
    return next(iter(lengths.values()))


def _targets(labels: Any) -> dict[str, Any]:
    """Label column -> a value per sample."""
    if labels is None:
        return {}
    if isinstance(labels, Mapping) or is_table(labels):
        return columns_of(labels)
    return {ONE_LABEL: column(labels)}


def _zeros(name: str, values: Any, ragged: Ragged, valid: Any) -> tuple[str, str]:
    """A note on zeros at the ends of sequences, and what they were taken for."""
    if valid is not None and np.ndim(values) == 3:
        role = role_of_zeros(np.asarray(values), _flags(valid, f"modality '{name}': validity"))
        return "", role
    words = describe_zeros(ragged, zero_ends(ragged))
    if not words:
        return "", ""
    vectors = int(ragged.lengths.max(initial=0)) == 1
    hint = "None or NaN" if vectors else "NaN, or validity flags"
    return f"{name}: {words} were kept; where nothing was measured, give {hint}", "" if vectors else MEASUREMENT


def _ragged(values: Any, name: str, count: int, present: Any, valid: Any, dim: int | None) -> tuple[Ragged, NonFinite]:
    what = f"modality '{name}'"
    flags = None if present is None else _flags(present, f"{what}: presence")
    if flags is not None and flags.shape != (count,):
        raise DataError(f"{what}: presence has shape {flags.shape} for {count} samples", "give one flag per sample")
    if values is None or isinstance(values, list | tuple):
        if valid is not None:
            raise UsageError(f"{what}: validity is for [N, T, d] arrays, not lists", "leave invalid frames NaN instead")
        return _from_list([None] * count if values is None else list(values), what, flags, dim)
    array = as_features(values, what)
    if array.ndim not in (2, 3):
        raise DataError(
            f"{what} has shape {array.shape}", "give [samples, features], [samples, frames, features] or a list"
        )
    if dim is not None and array.shape[-1] != dim:
        raise DataError(f"{what} has {array.shape[-1]} features, expected {dim}", "give the features it was made with")
    cube = array[:, None, :] if array.ndim == 2 else array
    frames = cube.shape[:2]
    known = np.ones(frames, bool) if valid is None else _flags(valid, f"{what}: validity")
    if known.shape not in (frames, cube.shape, array.shape):
        raise DataError(
            f"{what}: validity has shape {known.shape}, frames are {frames}", "give one per frame, or one per number"
        )
    claimed = known if known.shape == frames else known.reshape(cube.shape).any(axis=2)
    if flags is not None:
        claimed = claimed & flags[:, None]
    counted = count_nonfinite(np.ascontiguousarray(cube).reshape(-1, cube.shape[2]), claimed.reshape(-1))
    return Ragged.from_padded(array, present=flags, valid=known), counted


def _flags(values: Any, what: str) -> Array:
    """Booleans, or numbers that are all 0 or 1.

    Raises:
        DataError: anything else: as truth, the text ``False``, NaN and -1 would all be True.
    """
    array = np.asarray(values)
    if array.dtype.kind == "O" and all(isinstance(v, bool | int | float | np.number | np.bool_) for v in array.flat):
        array = np.array(array.tolist(), np.float64)
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "iuf":
        wrong: Any = next((v for v in array.flat if not isinstance(v, bool | np.bool_)), array.dtype)
    elif np.isin(array, (0, 1)).all():
        return array.astype(np.bool_)
    else:
        wrong = array[~np.isin(array, (0, 1))][0]
    raise DataError(f"{what} holds {str(wrong)!r}", "give true and false, or 1 and 0")


def _from_list(entries: list[Any], what: str, flags: Array | None, dim: int | None) -> tuple[Ragged, NonFinite]:
    arrays: list[Array | None] = []
    counted = NonFinite()
    for i, entry in enumerate(entries):
        if entry is None or (flags is not None and not flags[i]):
            arrays.append(None)
            continue
        array = as_features(entry, f"{what}, sample {i}")
        if array.ndim in (1, 2) and not array.shape[-1]:  # an extractor that found nothing
            arrays.append(None)
            continue
        frames = as_frames(array, f"{what}, sample {i}")
        counted += count_nonfinite(frames)
        arrays.append(frames)
    if dim is None and all(a is None for a in arrays):
        raise DataError(f"{what} is in no sample", "leave it out, or give its feature size in dims")
    sizes = {a.shape[1]: i for i, a in reversed(list(enumerate(arrays))) if a is not None}  # the first of each size
    try:
        return Ragged.from_arrays(arrays, dim=dim), counted
    except DataError as error:
        first = ", ".join(f"{d} in sample {i}" for d, i in sorted(sizes.items())) if len(sizes) > 1 else ""
        raise DataError(f"{what}: {error.message}{first and f' ({first})'}", error.hint) from error


def _columns(
    named: Mapping[str, Any], kinds: Mapping[str, str], classes: Mapping[str, Sequence[str]], unknown: Sequence[Any]
) -> dict[str, LabelColumn]:
    for key in (*kinds, *classes):
        if key not in named:
            raise UsageError(f"there is no label column '{key}'", did_you_mean(key, named))
    return {k: label_column(v, k, kind=kinds.get(k), classes=classes.get(k), unknown=unknown) for k, v in named.items()}


def split_codes(splits: Any, count: int) -> Array:
    """``[N]`` uint8 codes from words or codes.

    Raises:
        DataError: a word or code that is no split, or a wrong count.
    """
    if splits is None:
        return np.full(count, UNASSIGNED, np.uint8)
    array = np.asarray(splits)
    if array.shape != (count,):
        raise DataError(f"'split' has shape {array.shape} for {count} samples", "give one split per sample")
    if array.dtype.kind == "O":  # columns of tables; None and NaN belong to no split
        known = np.array([v is not None and v == v for v in array.tolist()], bool)
        if any(isinstance(v, str) for v in array[known]):
            array = np.array([str(v) if k else "" for v, k in zip(array, known)], dtype=np.str_)
        else:
            array = np.array([v if k else UNASSIGNED for v, k in zip(array.tolist(), known)])
    if array.dtype.kind in "US":
        words = [str(w).strip().lower() for w in array.astype(np.str_)]
        strange = next((w for w in words if w not in SPLIT_WORDS), None)
        if strange is not None:
            raise DataError(f"'split' holds '{strange}', which is no split", did_you_mean(strange, SPLITS))
        return np.array([SPLIT_WORDS[w] for w in words], np.uint8)
    allowed = [*range(len(SPLITS)), UNASSIGNED]
    if array.dtype.kind not in "iuf" or not np.isin(array, allowed).all():
        wrong = array[~np.isin(array, allowed)][0] if array.dtype.kind in "iuf" else array.dtype
        raise DataError(f"'split' holds {wrong}, which is no split", "0 train, 1 valid, 2 test, 255 unassigned")
    return array.astype(np.uint8)
