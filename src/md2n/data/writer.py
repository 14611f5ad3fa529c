"""Writing a store sample by sample or chunk by chunk, in little memory.

It is written beside its place and renamed when it is whole and on the disk, so a reader sees either an older store or
the new one.  A process that is killed while writing leaves the older store and a hidden folder, which the next writing
removes.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.brief import first_few
from md2n.data.integrity import SEAL, facts_of, seal
from md2n.data.manifest import (
    FORMAT,
    MANIFEST,
    VERSIONS,
    assemble,
    cells_file,
    current_place,
    digest,
    former_place,
    hidden,
    intervals_file,
    is_store,
    read_manifest,
    table_of,
)
from md2n.data.npy_writer import BLOCK, NpyWriter
from md2n.data.readers.labels import as_number, is_missing
from md2n.data.samples import SPLITS, UNASSIGNED, Array, LabelColumn, Ragged, Samples, offsets_of
from md2n.data.target import real_values
from md2n.durable import BESIDE, encode_json, flush_directory, refused, target
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.modality import Modality, Task


class StoreWriter:
    """A store that is being written.  It is a context: at its end the store is in its place, after an error nothing is.

    >>> with StoreWriter(path, name="mine", dims={"text": 768, "audio": 74},
    ...                  labels={"score": Task("regression", "score")}) as writer:       # doctest: +SKIP
    ...     writer.append("clip-1", {"text": text, "audio": None}, {"score": 0.5}, split="train")

    Args:
        path: of the store; an older store there is replaced at the end.
        name: of the data set.
        dims: modality -> feature size, in order.
        labels: label column -> what it means.
        groups: names of the group columns.
        dtype: ``float16`` or ``float32`` for all modalities, or modality -> which.
        default_label: the label column used when none is asked for.
        normalise_by: the group column whose members are normalised apart, or "".
        notes: facts a user must know.
        source: where it came from; what JSON can say.
        intervals: modalities whose frames have places in time, which are kept beside them (``store.open_intervals``).

    Raises:
        DataError: the path holds something that is no store, or more than a store; a name that cannot name a modality;
            a ``source`` that JSON cannot say.
        StorageError: it cannot be written; what was there before is untouched.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        name: str,
        dims: Mapping[str, int],
        labels: Mapping[str, Task] | None = None,
        groups: Sequence[str] = (),
        dtype: str | Mapping[str, npt.DTypeLike] = "float32",
        default_label: str = "",
        normalise_by: str = "",
        notes: Sequence[str] = (),
        source: Mapping[str, Any] | None = None,
        intervals: Sequence[str] = (),
    ) -> None:
        self.path, self.name = Path(path), name
        self._dims = {k: Modality(k, int(d)).dim for k, d in dims.items()}
        self._tasks, self._groups = dict(labels or {}), tuple(groups)
        self._dtypes = {k: np.dtype(dtype if isinstance(dtype, str) else dtype[k]) for k in dims}
        self._metadata = {
            "default_label": default_label,
            "normalise_by": normalise_by,
            "notes": list(notes),
            "source": dict(source or {}),
        }
        try:
            encode_json(self._metadata)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"the source of '{name}' cannot be written as JSON: {error}", "give text, numbers and lists"
            ) from error
        for k in intervals:
            if k not in dims:
                raise UsageError(f"'{name}' has no modality '{k}' to keep intervals of", did_you_mean(k, dims))
        self._timed = tuple(intervals)
        self._beside = hidden(self.path, BESIDE)
        self._files: dict[str, NpyWriter] = {}
        self._lengths: dict[str, list[Array]] = {k: [] for k in dims}
        self._columns: dict[str, list[Array]] = {k: [] for k in ("split", "ids", *self._keys())}

    def __enter__(self) -> "StoreWriter":
        with self._refusals():
            check_place(self.path)
            shutil.rmtree(self._beside, ignore_errors=True)
            self._beside.mkdir(parents=True)
            for k, dim in self._dims.items():
                self._open(f"{k}.values.npy", self._dtypes[k], dim)
                self._open(f"{k}.valid.npy", np.bool_)
            for k in self._timed:
                self._open(intervals_file(k), np.float32, 2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._clear()
            return
        with self._refusals():
            self._finish()
            self._place()

    def append(
        self,
        sample: str,
        features: Mapping[str, Array | None],
        labels: Mapping[str, float | str | None] | None = None,
        *,
        split: str = "",
        groups: Mapping[str, str] | None = None,
        intervals: Mapping[str, Array] | None = None,
    ) -> None:
        """Adds one sample.

        Args:
            sample: its id.
            features: modality -> ``[T, d]`` or ``[d]``; absent where ``None`` or not given.  Frames with a NaN or an
                infinity become invalid.
            labels: label column -> value, class name or code 0, 1, ...; unknown where ``None``, NaN, empty, or not
                given.
            split: ``train``, ``valid``, ``test`` or "".
            groups: group column -> member; all of them.
            intervals: modality -> ``[T, 2]`` start and end of its frames in seconds; unknown where not given.

        Raises:
            UsageError: an unknown modality, label column, group column or split.
            DataError: another feature size, another number of intervals than of frames, or a class that is none.
        """
        labels, groups = labels or {}, groups or {}
        for entries, known, what in ((features, self._dims, "modality"), (labels, self._tasks, "label column")):
            for key in entries:
                if key not in known:
                    raise UsageError(f"'{self.name}' has no {what} '{key}'", did_you_mean(key, known))
        if split and split not in SPLITS:
            raise UsageError(f"no split is called '{split}'", did_you_mean(split, SPLITS))
        if set(groups) != set(self._groups):
            raise UsageError(
                f"sample '{sample}' has the groups {sorted(groups)}, '{self.name}' has {sorted(self._groups)}",
                "give every sample a member in every group column",
            )
        try:
            modalities = {k: Ragged.from_arrays([features.get(k)], dim=d) for k, d in self._dims.items()}
        except DataError as error:
            raise DataError(f"sample '{sample}': {error.message}", error.hint) from error
        code = SPLITS.index(split) if split else UNASSIGNED
        self.extend(
            Samples(
                name=self.name,
                modalities=modalities,
                labels={k: LabelColumn(_value(labels.get(k), t, k, sample), t) for k, t in self._tasks.items()},
                split=np.asarray([code], np.uint8),
                ids=np.asarray([sample], np.str_),
                groups={k: np.asarray([groups[k]], np.str_) for k in self._groups},
            ),
            intervals,
        )

    def extend(self, chunk: Samples, intervals: Mapping[str, Array] | None = None) -> None:
        """Adds many samples, with the modalities, label columns and groups of the store.

        Args:
            chunk: the samples.
            intervals: modality -> ``[frames, 2]`` start and end of every frame in seconds; unknown where not given.

        Raises:
            DataError: others than those, other feature sizes, values too large for the store's number format, or
                another number of intervals than of frames.
            UsageError: intervals of a modality whose intervals the store does not keep.
        """
        timed = self._timed_frames(chunk, intervals or {})
        layout = {k: r.dim for k, r in chunk.modalities.items()}, set(chunk.labels), set(chunk.groups)
        tasks = {k: c.task for k, c in chunk.labels.items()}
        if layout != (self._dims, set(self._tasks), set(self._groups)):
            raise DataError(
                f"a chunk of '{chunk.name}' has the modalities {layout[0]}, labels {sorted(layout[1])} and groups "
                f"{sorted(layout[2])}, the store '{self.name}' {self._dims}, {sorted(self._tasks)} and "
                f"{sorted(self._groups)}",
                "every chunk needs those of the store",
            )
        if tasks != self._tasks:
            other = next(k for k in tasks if tasks[k] != self._tasks[k])
            raise DataError(f"a chunk of '{chunk.name}' has {tasks[other]}", f"the store has {self._tasks[other]}")
        with self._refusals():
            for k, ragged in chunk.modalities.items():
                self._append_cells(k, ragged)
                self._append_values(k, ragged.values)
                self._files[f"{k}.valid.npy"].append(ragged.valid)
                self._lengths[k].append(ragged.lengths)
            for k, times in timed.items():
                self._files[intervals_file(k)].append(times)
        self._columns["split"].append(chunk.split)
        self._columns["ids"].append(chunk.ids)
        for k, column in chunk.labels.items():
            self._columns[f"label {k}"].append(np.asarray(column.values))
        for k, members in chunk.groups.items():
            self._columns[f"group {k}"].append(members)

    def _timed_frames(self, chunk: Samples, intervals: Mapping[str, Array]) -> dict[str, Array]:
        for k in intervals:
            if k not in self._timed:
                raise UsageError(f"'{self.name}' keeps no intervals of '{k}'", did_you_mean(k, self._timed))
        times = {}
        for k in self._timed:
            frames = len(chunk.modalities[k].values)
            times[k] = np.asarray(intervals.get(k, np.full((frames, 2), np.nan)), np.float32)
            if times[k].shape != (frames, 2):
                raise DataError(
                    f"'{k}' of '{chunk.name}' has {frames} frames and intervals {times[k].shape}",
                    "give [frames, 2]: start and end of each in seconds",
                )
        return times

    def _append_cells(self, name: str, ragged: Ragged) -> None:
        """Flags of cells, from the first frame on as soon as one of them is False."""
        file = self._files.get(cells_file(name))
        if file is None and ragged.cells is None:
            return
        if file is None:
            file = self._open(cells_file(name), np.bool_, ragged.dim)
            earlier = self._files[f"{name}.values.npy"].length
            file.append(np.broadcast_to(np.True_, (earlier, ragged.dim)))
        file.append(np.broadcast_to(np.True_, ragged.values.shape) if ragged.cells is None else ragged.cells)

    def _append_values(self, name: str, values: Array) -> None:
        file = self._files[f"{name}.values.npy"]
        if np.can_cast(values.dtype, file.dtype, "safe"):
            file.append(values)
            return
        rows = max(1, BLOCK // max(1, 8 * values.shape[1]))
        for start in range(0, len(values), rows):
            with np.errstate(over="ignore"):
                block = np.asarray(values[start : start + rows]).astype(file.dtype)
            if not np.isfinite(block).all():
                raise DataError(
                    f"modality '{name}' holds values too large for {file.dtype}", "write the store as float32"
                )
            file.append(block)

    def _open(self, name: str, dtype: npt.DTypeLike, *tail: int) -> NpyWriter:
        self._files[name] = NpyWriter(self._beside / name, dtype, *tail)
        return self._files[name]

    def _keys(self) -> list[str]:
        return [*(f"label {k}" for k in self._tasks), *(f"group {k}" for k in self._groups)]

    def _column(self, key: str, empty: npt.DTypeLike) -> Array:
        parts = self._columns[key]
        return np.concatenate(parts) if parts else np.zeros(0, empty)

    def _finish(self) -> None:
        """Every file, the manifest last."""
        cells = any(cells_file(k) in self._files for k in self._dims)
        for file in self._files.values():
            file.close()
        for k in self._dims:
            lengths = np.concatenate(self._lengths[k]) if self._lengths[k] else np.zeros(0, np.int64)
            self._save(f"{k}.offsets.npy", offsets_of(lengths))
        for i, (k, task) in enumerate(self._tasks.items()):
            kind = np.int64 if task.kind == "classification" else np.float32
            values = self._column(f"label {k}", kind)
            # Whether float32 holds them is seen of all of them together.
            self._save(f"label.{i}.npy", values if task.kind == "classification" else real_values(values))
        self._save("split.npy", self._column("split", np.uint8))
        self._write("ids.json", _words(self._column("ids", np.str_)))
        for i, k in enumerate(self._groups):
            self._write(f"group.{i}.json", _words(self._column(f"group {k}", np.str_)))
        files = {p.name: facts_of(p) for p in sorted(self._beside.iterdir())}
        manifest = {
            "format": FORMAT,
            "version": VERSIONS[cells],
            "name": self.name,
            "modalities": {k: {"dim": d, "dtype": self._dtypes[k].str} for k, d in self._dims.items()},
            "labels": [{"name": k, "task": table_of(t)} for k, t in self._tasks.items()],
            "groups": list(self._groups),
            **self._metadata,
        }
        samples = assemble(self._beside, manifest)
        manifest |= {"samples": len(samples), "checksum": digest(samples), "files": files}
        self._write(MANIFEST, encode_json(manifest | {SEAL: seal(manifest)}))
        flush_directory(self._beside)

    def _save(self, name: str, array: Array) -> None:
        file = self._open(name, array.dtype, *array.shape[1:])
        file.append(array)
        file.close()

    def _write(self, name: str, content: bytes) -> None:
        with (self._beside / name).open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())

    def _place(self) -> None:
        place, older = target(self.path), former_place(self.path)  # a link stays, and leads to the new store
        if place.exists():
            shutil.rmtree(older, ignore_errors=True)
            place.rename(older)
        try:
            self._beside.rename(place)
        except OSError:
            if current_place(place) == older:
                older.rename(place)
            raise
        flush_directory(self._beside.parent)
        shutil.rmtree(older, ignore_errors=True)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._clear()
            raise refused(self.path, error) from error
        except BaseException:
            self._clear()
            raise

    def _clear(self) -> None:
        for file in self._files.values():
            file.abandon()
        shutil.rmtree(self._beside, ignore_errors=True)


def check_place(path: Path) -> None:
    """Refuses a place where a store cannot be put: before the work, not after it.

    Raises:
        DataError: the path holds something that is no store, or more than a store.
    """
    if not path.exists():
        return
    if not is_store(path):
        if not path.is_dir() or any(path.iterdir()):
            raise DataError(f"'{path}' exists and is not a store", "choose another --out, or move it away")
        return
    known = {MANIFEST, *read_manifest(path, any_version=True).get("files", {})}
    others = sorted(p.name for p in path.iterdir() if p.name not in known)
    if others:
        raise DataError(
            f"'{path}' holds more than a store: {first_few(others, 5)}",
            "choose another --out, or move these files away: a store is replaced as a whole",
        )


def _words(words: Array) -> bytes:
    return json.dumps([str(w) for w in words]).encode()


def _value(value: float | str | None, task: Task, column: str, sample: str) -> Array:
    """``[1]`` a label as the store keeps it."""
    if is_missing(value) and value not in task.classes:
        return np.asarray([-1], np.int64) if task.classes else np.asarray([np.nan], np.float32)
    if task.kind == "regression":
        number = as_number(value)
        if number is None:
            raise DataError(f"sample '{sample}': label '{column}' is {value!r}", "give a number, or None")
        return np.asarray([number], np.float64)
    code = task.classes.index(value) if value in task.classes else value
    if not isinstance(code, int | np.integer) or not 0 <= code < len(task.classes):
        hint = did_you_mean(str(value), task.classes)
        raise DataError(f"sample '{sample}': '{value}' is no class of '{column}'", f"{hint}; None where it is unknown")
    return np.asarray([code], np.int64)
