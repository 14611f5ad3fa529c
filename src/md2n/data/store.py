"""md2n's own store: a folder of memory-mapped arrays and a manifest with their checksums.  No pickles.

    manifest.json            format, modalities, labels, groups, notes, source, sha256 of every file
    ids.json                 [N] sample ids
    split.npy                [N] uint8
    label.<column>.npy       [N] float32 or int64
    group.<column>.json      [N] members
    <modality>.values.npy    [frames, d]
    <modality>.offsets.npy   [N + 1]
    <modality>.valid.npy     [frames]

A store is written beside its place and renamed, so a reader sees an old one or a new one, whole.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from md2n.data.samples import Array, LabelColumn, Ragged, Samples
from md2n.durable import BESIDE, encode_json, flush_directory, refused
from md2n.errors import DataError
from md2n.modality import Task

FORMAT = "md2n-store"
VERSION = 1
MANIFEST = "manifest.json"
BLOCK = 2**24  # bytes hashed at a time


def write_store(path: Path | str, samples: Samples) -> Path:
    """Writes the samples as a store; an older store in its place is replaced once the new one is whole.

    Raises:
        DataError: something that is no store stands there.
        StorageError: it cannot be written; nothing half written stays.
    """
    folder = Path(path)
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]) and not is_store(folder):
        raise DataError(f"'{folder}' exists and is not a store", "choose another --out, or move it away")
    beside = folder.with_name(folder.name + BESIDE)
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        _fill(beside, samples)
        flush_directory(beside)
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
        flush_directory(folder.parent)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise refused(folder, error) from error
    return folder


def is_store(path: Path) -> bool:
    """True where a folder has a manifest of ours."""
    try:
        return bool(json.loads((path / MANIFEST).read_text()).get("format") == FORMAT)
    except (OSError, ValueError, AttributeError):
        return False


def open_store(path: Path | str) -> Samples:
    """The samples of a store, features memory-mapped.

    Raises:
        DataError: no store there, another format version, or a file that is missing, truncated or of another shape.
    """
    folder = Path(path)
    if not is_store(folder):
        raise DataError(
            f"'{folder}' is not a store",
            "`md2n data import SRC --out STORE` makes one; `md2n data list` names ready sets",
        )
    manifest = json.loads((folder / MANIFEST).read_text())
    if manifest["version"] != VERSION:
        raise DataError(
            f"'{folder}' is a store of version {manifest['version']}, this md2n reads version {VERSION}",
            "import the data again with this md2n",
        )
    files: dict[str, dict[str, Any]] = manifest["files"]
    for name, told in files.items():
        found = (folder / name).stat().st_size if (folder / name).is_file() else -1
        if found != told["bytes"]:
            state = "is missing" if found < 0 else f"holds {found} of {told['bytes']} bytes"
            raise DataError(f"'{folder / name}' {state}", "the store is damaged; import or copy it again")

    def array(name: str, mapped: bool = False) -> Array:
        loaded: Array = np.load(folder / name, mmap_mode="r" if mapped else None, allow_pickle=False)
        return loaded

    def words(name: str) -> Array:
        return np.asarray(json.loads((folder / name).read_text()), dtype=np.str_)

    modalities = {
        k: Ragged(array(f"{k}.values.npy", True), array(f"{k}.offsets.npy"), array(f"{k}.valid.npy"))
        for k in manifest["modalities"]
    }
    labels = {
        c["name"]: LabelColumn(array(f"label.{i}.npy"), _task(c["task"])) for i, c in enumerate(manifest["labels"])
    }
    groups = {name: words(f"group.{i}.json") for i, name in enumerate(manifest["groups"])}
    return Samples(
        name=manifest["name"],
        modalities=modalities,
        labels=labels,
        split=array("split.npy"),
        ids=words("ids.json"),
        groups=groups,
        default_label=manifest["default_label"],
        normalise_by=manifest["normalise_by"],
        notes=tuple(manifest["notes"]),
        source=manifest["source"],
    )


def verify_store(path: Path | str) -> list[str]:
    """Names of files whose content no longer matches the manifest (empty: all is well)."""
    folder = Path(path)
    open_store(folder)
    files = json.loads((folder / MANIFEST).read_text())["files"]
    return [name for name, told in files.items() if _sha256(folder / name) != told["sha256"]]


def checksum(samples: Samples) -> str:
    """Sixteen hexadecimal digits over ids, split, labels and features: the same in memory and in a store."""
    digest = hashlib.sha256()

    def add(name: str, array: Array) -> None:
        digest.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
        flat = array.reshape(-1)
        step = max(1, BLOCK // max(1, array.itemsize))
        for start in range(0, len(flat), step):
            digest.update(np.ascontiguousarray(flat[start : start + step]).tobytes())

    digest.update(json.dumps([str(i) for i in samples.ids]).encode())
    add("split", samples.split)
    for name, column in samples.labels.items():
        add(f"label {name}", np.asarray(column.values))
    for name, ragged in samples.modalities.items():
        add(f"{name} values", ragged.values)
        add(f"{name} offsets", ragged.offsets)
        add(f"{name} valid", ragged.valid)
    return digest.hexdigest()[:16]


def _fill(folder: Path, samples: Samples) -> None:
    """Every file of a store into an empty folder, the manifest last."""

    def save(name: str, array: Array) -> None:
        target = (
            np.lib.format.open_memmap(folder / name, mode="w+", dtype=array.dtype, shape=array.shape)
            if (array.size and array.nbytes > BLOCK)
            else None
        )
        if target is None:
            np.save(folder / name, np.asarray(array), allow_pickle=False)
            return
        # In blocks, so that a memory-mapped source never comes into memory as a whole.
        rows = max(1, BLOCK // max(1, array.nbytes // len(array)))
        for start in range(0, len(array), rows):
            target[start : start + rows] = array[start : start + rows]
        target.flush()

    for name, ragged in samples.modalities.items():
        save(f"{name}.values.npy", ragged.values)
        save(f"{name}.offsets.npy", ragged.offsets)
        save(f"{name}.valid.npy", ragged.valid)
    for i, column in enumerate(samples.labels.values()):
        save(f"label.{i}.npy", np.asarray(column.values))
    save("split.npy", samples.split)
    _save_words(folder / "ids.json", samples.ids)
    for i, members in enumerate(samples.groups.values()):
        _save_words(folder / f"group.{i}.json", members)
    files = {p.name: {"bytes": p.stat().st_size, "sha256": _sha256(p)} for p in sorted(folder.iterdir())}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "name": samples.name,
        "samples": len(samples),
        "checksum": checksum(samples),
        "modalities": {k: {"dim": r.dim, "dtype": r.values.dtype.str} for k, r in samples.modalities.items()},
        "labels": [{"name": k, "task": _task_table(c.task)} for k, c in samples.labels.items()],
        "groups": list(samples.groups),
        "default_label": samples.default_label,
        "normalise_by": samples.normalise_by,
        "notes": list(samples.notes),
        "source": dict(samples.source),
        "files": files,
    }
    (folder / MANIFEST).write_bytes(encode_json(manifest))


def _save_words(path: Path, words: Array) -> None:
    path.write_text(json.dumps([str(w) for w in words], ensure_ascii=False))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _task_table(task: Task) -> dict[str, Any]:
    # JSON has no infinity: an undeclared end of the range is left out.
    return {
        "kind": task.kind,
        "label": task.label,
        "classes": list(task.classes),
        "sentiment": task.sentiment,
        **({"low": task.low} if math.isfinite(task.low) else {}),
        **({"high": task.high} if math.isfinite(task.high) else {}),
    }


def _task(table: Mapping[str, Any]) -> Task:
    return Task(**{**table, "classes": tuple(table["classes"])})
