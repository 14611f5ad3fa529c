"""New data as people hand them over, made into samples of a model's schema; what does not fit is refused by name."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.data.normalise import Normaliser
from md2n.data.readers.dataframes import check_rows, plain, unknown_kind
from md2n.data.readers.labels import name_of
from md2n.data.readers.padding import treat_zeros_as_trained
from md2n.data.readers.wide import Columns
from md2n.data.samples import UNASSIGNED, Array, Ragged, Samples
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.modality import Modality, Schema
from md2n.serve.tables import require_columns, taken_apart
from md2n.shapes import Tensor

# Per sample an array, nested lists or None; a tensor or a table of pandas, polars or Arrow serves as an array.
Given = Array | Tensor | Sequence[Any] | Any | None
STRANGE = 0.2  # part of normalised values beyond the clipping limit from which the units cannot be the model's
LOOKED_AT = 256  # samples whose units are looked at
SHOWN = 5  # ids named in a message


def incoming(
    data: Mapping[str, Given] | Samples | Any,
    groups: Sequence[str] | None,
    schema: Schema,
    group: str,
    zeros: Mapping[str, str] | None = None,
    columns: Columns | None = None,
    together: Sequence[str] = (),
) -> tuple[Samples, tuple[str, ...]]:
    """The data with every modality of the schema, in its order, and notes on how they were taken.

    Absent modalities are empty.  Zeros at the ends of sequences are taken as they were in training.

    Args:
        data: modality name -> ``[N, d]`` or ``[N, T, d]`` array, a table, or one array or ``None`` per sample, or
            ``None``; or a data set; or one table of all modalities, or a list with an array of each.
        groups: the member of each sample, or ``None``.
        schema: of the model.
        group: the column that ``groups`` belongs to.
        zeros: modality -> ``padding`` or ``measurement``: what zeros at the ends of sequences were in training.
        columns: modality -> columns of the table of training, if that was one.
        together: group columns that are read as well, where a table has them.

    Raises:
        UsageError: groups of another number.
        DataError: an unknown modality, another feature size, frames where the model takes vectors, ``[T, d]`` arrays
            that may be one clip or many samples, differing numbers of samples, nothing at all, or data of another kind.
    """
    members: dict[str, Sequence[str]] = {}
    if isinstance(data, Samples):
        require_columns(data.source, columns or {})
    else:
        data, read_groups = taken_apart(data, schema, columns or {}, [g for g in (group, *together) if g])
        members |= read_groups
    if groups is not None:
        members[group or "group"] = [name_of(g) for g in groups]
    if not isinstance(data, Samples | Mapping):
        raise unknown_kind(data)
    features = dict(data.modalities) if isinstance(data, Samples) else dict(data)
    for name in features:
        if name not in schema.names:
            raise DataError(
                f"the model knows no modality '{name}'",
                f"rename it or leave it out; {did_you_mean(name, schema.names)}",
            )
    if not isinstance(data, Samples):
        check_rows({f"modality '{k}'": v for k, v in features.items()})
        features = {k: plain(v, f"modality '{k}'") for k, v in features.items()}
        _check_one_clip(features, schema)
    sizes = {m.name: m.dim for m in schema.modalities}
    there = {k: v for k, v in features.items() if v is not None and not _nothing(v)}
    read = {k: v if isinstance(v, Ragged) else _ragged(k, v, sizes[k]) for k, v in there.items()}
    count = _count({k: len(r) for k, r in read.items()}, schema)
    whole = {m.name: _fitting(m, read.get(m.name), count) for m in schema.modalities}
    if groups is not None and len(groups) != count:
        raise UsageError(f"{len(groups)} groups were given for {count} samples", "give the group of every sample")
    if isinstance(data, Samples):
        samples = replace(data, modalities=whole)
    else:
        samples = Samples(
            name="data",
            modalities=whole,
            labels={},
            split=np.full(count, UNASSIGNED, np.uint8),
            ids=np.asarray([str(i) for i in range(count)]),
        )
    notes: tuple[str, ...] = ()
    # Of arrays, whose zeros nobody has settled before, there is nothing to say where no frame is of zeros alone.
    if isinstance(data, Samples) or not all(bool(r.values.any(axis=1).all()) for r in whole.values()):
        samples, notes = treat_zeros_as_trained(samples, zeros or {})
    named = {name: np.asarray(each, np.str_) for name, each in members.items()}
    samples = replace(samples, groups={**samples.groups, **named})
    nothing = np.flatnonzero(~samples.present.any(axis=1))
    if len(nothing):
        shown = ", ".join(map(str, samples.ids[nothing[:SHOWN]]))
        raise DataError(
            f"{len(nothing)} of {count} samples hold no modality at all (first: {shown})",
            "leave them out; nothing can be said of them",
        )
    return samples, notes


def _nothing(features: Any) -> bool:
    """An empty array is as good as ``None``: nothing says how many features or samples it lacks."""
    return features is None or (isinstance(features, np.ndarray) and features.shape == (0,))


def _check_one_clip(features: Mapping[str, Any], schema: Schema) -> None:
    """Refuses ``[n, d]`` arrays for sequences where nothing tells one clip of n frames from n samples of one frame.

    Another modality does, if it is given sample by sample: as ``[N, T, d]``, as a list, or as the vector it is.
    """
    there = {m: features[m.name] for m in schema.modalities if not _nothing(features.get(m.name))}
    flat = {m.name: len(x) for m, x in there.items() if not m.is_vector and _is_flat(x)}
    clear = [len(x) for m, x in there.items() if m.name not in flat]
    name, frames = next(((k, n) for k, n in flat.items() if n > 1), ("", 0))
    if not name or frames in clear:
        return
    raise DataError(
        f"modality '{name}' has {frames} rows: that may be one clip of {frames} frames, or {frames} samples of one",
        f"for one clip give [{name}], a list of one array; for samples of one frame each an array {name}[:, None]",
    )


def _is_flat(features: Any) -> bool:
    """True for ``[n, d]``, as an array or as a list of rows of numbers."""
    if isinstance(features, np.ndarray):
        return features.ndim == 2 and features.dtype != object
    nested = (list, tuple, np.ndarray)
    return bool(len(features)) and all(
        isinstance(row, nested) and np.shape(row[:1]) == (1,) and not isinstance(row[0], nested) for row in features
    )


def _ragged(name: str, values: Array | Tensor | Sequence[Any], dim: int) -> Ragged:
    """One modality as people give it."""
    try:
        if isinstance(values, Tensor):
            values = values.detach().cpu().numpy()
        if isinstance(values, np.ndarray) and values.dtype != object:
            return Ragged.from_padded(values)
        rows = [None if x is None else np.asarray(x) for x in values]
        if all(x is None or x.size == 0 for x in rows):
            return _absent(dim, len(rows))
        return Ragged.from_arrays([None if x is None or x.size == 0 else x for x in rows])
    except DataError as error:
        raise DataError(f"modality '{name}': {error.message}", error.hint) from error
    except (TypeError, ValueError) as error:
        raise DataError(
            f"modality '{name}' cannot be read as numbers: {error}",
            "give one array per sample, None where it is missing",
        ) from error


def _count(counts: Mapping[str, int], schema: Schema) -> int:
    if len(set(counts.values())) > 1:
        sizes = ", ".join(f"{k}: {n}" for k, n in counts.items())
        raise DataError(f"the modalities hold different numbers of samples ({sizes})", "use None for a missing one")
    if not counts or not next(iter(counts.values())):
        what = "there are no samples" if counts else "no modality holds any data"
        raise DataError(what, f"give at least one of: {', '.join(schema.names)}")
    return next(iter(counts.values()))


def _fitting(modality: Modality, ragged: Ragged | None, count: int) -> Ragged:
    """A modality the model can read, or none of it."""
    if ragged is None or (ragged.dim != modality.dim and not len(ragged.values)):
        return _absent(modality.dim, count)
    if ragged.dim != modality.dim:
        raise DataError(
            f"modality '{modality.name}' has {ragged.dim} features, the model was trained on {modality.dim}",
            "extract the features the model was trained with, or train a model on these",
        )
    longest = int(ragged.lengths.max(initial=0))
    if modality.is_vector and longest > 1:
        raise DataError(
            f"modality '{modality.name}' has up to {longest} frames per sample, the model was trained on vectors",
            "give [samples, features]: pool the frames as it was done for training",
        )
    return ragged


def _absent(dim: int, count: int) -> Ragged:
    return Ragged(np.zeros((0, dim), np.float32), np.zeros(count + 1, np.int64), np.zeros(0, np.bool_))


def content_keys(samples: Samples) -> npt.NDArray[np.int64]:
    """``[N]`` 63-bit numbers that say who a sample is by what it holds: arrays bring no ids, and any order."""
    keys = np.empty(len(samples), np.int64)
    for i in range(len(samples)):
        content = hashlib.blake2b(digest_size=8)
        for name, ragged in samples.modalities.items():
            valid = ragged.valid[ragged.offsets[i] : ragged.offsets[i + 1]]
            frames = np.asarray(ragged.sample(i), np.float32)[valid]
            content.update(f"{name} {len(frames)} ".encode() + valid.tobytes() + frames.tobytes())
        keys[i] = int.from_bytes(content.digest(), "big") >> 1
    return keys


def check_units(samples: Samples, normaliser: Normaliser) -> None:
    """Refuses data that cannot be in the units the model was trained on.

    Everyone is measured as the average member of a group: a member's own statistics would take any unit.

    Raises:
        DataError: naming the modality.
    """
    if normaliser.kind == "none":
        return
    if len(samples) > LOOKED_AT:
        samples = samples.select(np.unique(np.linspace(0, len(samples) - 1, LOOKED_AT).astype(np.int64)))
    for name, ragged in samples.modalities.items():
        if not ragged.valid.any():
            continue
        far = np.abs(normaliser.apply(name, ragged.values)) >= normaliser.limit
        beyond = float(np.mean(far if is_whole(ragged) else far[ragged.known()]))
        if beyond > STRANGE:
            raise DataError(
                f"{beyond:.0%} of the values of modality '{name}' lie far outside what the model was trained on",
                "check the units and the extractor; check_units=False (--any-units) predicts all the same",
            )


def is_whole(ragged: Ragged) -> bool:
    """Whether every number of every frame is known; for one sample this is much faster than looking at each number."""
    return ragged.cells is None and bool(ragged.valid.all())


def group_notes(samples: Samples, normaliser: Normaliser, has_groups: bool) -> tuple[str, ...]:
    """What a person should know of how groups were, or were not, taken into account.

    Args:
        samples: the new data.
        normaliser: adapted to them.
        has_groups: whether groups were handed over with the data.
    """
    column = normaliser.group
    if not column:
        return ("the model does not normalise by groups; those given are not used",) if has_groups else ()
    members = samples.groups.get(column)
    if members is None:
        return (
            f"the model normalises each {column} apart, but the data do not say which {column} a sample is from: "
            f"everyone is taken for the average {column}; give groups=[...], or a group column '{column}'",
        )
    alone = [
        str(member) or "unknown"
        for member in np.unique(members)
        if not any((name, str(member)) in normaliser.members for name in samples.names)
    ]
    if not alone:
        return ()
    shown = ", ".join(alone[:SHOWN])
    return (f"{column} {shown} has too few frames to be normalised apart and is taken for the average {column}",)
