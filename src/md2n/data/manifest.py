"""The manifest of a store: what it says, and the samples it describes.

manifest.json            format, modalities, labels, groups, notes, source, size and digests of every file and of it
ids.json                 [N] sample ids
split.npy                [N] uint8
label.<i>.npy            [N] float32, float64 or int64, in the manifest's order
group.<i>.json           [N] members
<modality>.values.npy    [frames, d]
<modality>.offsets.npy   [N + 1]
<modality>.valid.npy     [frames]
<modality>.cells.npy     [frames, d] bool; where single numbers of valid frames are unknown
<modality>.intervals.npy [frames, 2] seconds; where frames have places in time
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from md2n.data.gather import release
from md2n.data.integrity import AGAIN
from md2n.data.readers.budget import texts
from md2n.data.readers.files import require_file
from md2n.data.readers.npy import load_npy
from md2n.data.samples import Array, LabelColumn, Ragged, Samples
from md2n.durable import target
from md2n.errors import DataError
from md2n.modality import Modality, Task
from md2n.reading import named, read_json, reading

FORMAT = "md2n-store"
VERSIONS = (1, 2)  # a store with unknown cells is of the second, which an older md2n refuses to read as zeros
MANIFEST = "manifest.json"
LARGEST_BYTES = 1 << 32  # of a list of ids
BLOCK = 2**24  # bytes read at a time


def hidden(path: Path, suffix: str) -> Path:
    """Beside a store, or beside what a link to it leads to, where no folder of the user's own is in the way."""
    whole = target(path)
    return whole.with_name(f".{whole.name}{suffix}")


def intervals_file(modality: str) -> str:
    """Where a store keeps start and end of a modality's frames."""
    return f"{modality}.intervals.npy"


def cells_file(modality: str) -> str:
    """Where a store keeps which numbers of a modality are known."""
    return f"{modality}.cells.npy"


def former_place(path: Path) -> Path:
    """Where a store is while another takes its place."""
    return hidden(path, ".old")


def current_place(path: Path) -> Path:
    """Where the store of this path is: there, or aside if its replacement was killed between two renamings."""
    return former_place(path) if not path.exists() and (former_place(path) / MANIFEST).is_file() else path


def is_store(path: Path) -> bool:
    """True where a folder has a manifest of ours."""
    try:
        return bool(read_json(current_place(path) / MANIFEST).get("format") == FORMAT)
    except (OSError, ValueError, AttributeError):
        return False


def read_manifest(path: Path, any_version: bool = False) -> dict[str, Any]:
    """The manifest of a store.

    Args:
        path: of the store.
        any_version: also that of a store which another md2n wrote.

    Raises:
        DataError: no store there, another format version, or a damaged manifest.
    """
    if not is_store(path):
        if (path / MANIFEST).is_file():
            raise DataError(f"'{path / MANIFEST}' is not the manifest of a store, or is damaged", AGAIN)
        raise DataError(
            f"'{path}' is not a store",
            "`md2n data import SRC --out STORE` makes one; `md2n data list` names ready sets",
        )
    manifest: dict[str, Any] = read_json(current_place(path) / MANIFEST)
    if manifest.get("version") not in VERSIONS and not any_version:
        raise DataError(
            f"'{path}' is a store of version {manifest.get('version')}, this md2n reads version "
            f"{' and '.join(map(str, VERSIONS))}",
            "import the data again with this md2n",
        )
    return manifest


@named(hint=AGAIN)
def assemble(folder: Path, manifest: Mapping[str, Any]) -> Samples:
    """The samples in a folder, features memory-mapped; what the manifest says of sizes is checked.

    Raises:
        DataError: files and manifest do not fit together.
    """

    def array(name: str, mapped: bool = False) -> Array:
        with reading(folder / name, hint=AGAIN):
            if not mapped:
                return load_npy(folder / name)
            loaded: Array = np.load(require_file(folder / name), mmap_mode="r", allow_pickle=False)
            return loaded

    def words(name: str) -> Array:
        with reading(folder / name, hint=AGAIN):
            return texts(read_json(folder / name, LARGEST_BYTES), folder / name)

    try:
        _check_kinds(manifest)
        modalities = {}
        for k, entry in manifest["modalities"].items():
            Modality(k, entry["dim"])  # refuses what is no name, a path for one
            values = array(f"{k}.values.npy", mapped=True)
            if values.ndim != 2 or (values.shape[1], values.dtype.str) != (entry["dim"], entry["dtype"]):
                raise DataError(f"'{k}' holds {values.dtype} {values.shape}, its manifest says {entry}", AGAIN)
            partly = (folder / cells_file(k)).is_file()
            cells = array(cells_file(k), mapped=True) if partly else None
            modalities[k] = Ragged(values, array(f"{k}.offsets.npy"), array(f"{k}.valid.npy"), cells)
        labels = {
            c["name"]: LabelColumn(array(f"label.{i}.npy"), task_of(c["task"]))
            for i, c in enumerate(manifest["labels"])
        }
        return Samples(
            name=manifest["name"],
            modalities=modalities,
            labels=labels,
            split=array("split.npy"),
            ids=words("ids.json"),
            groups={name: words(f"group.{i}.json") for i, name in enumerate(manifest["groups"])},
            default_label=manifest["default_label"],
            normalise_by=manifest["normalise_by"],
            notes=tuple(manifest["notes"]),
            source=manifest["source"],
        )
    except DataError as error:
        raise DataError(f"'{folder}': {error.message}", AGAIN) from error


# Kinds of what a manifest says, and of the entries of its lists.
_KINDS: dict[str, tuple[type, type | None]] = {
    "name": (str, None),
    "modalities": (dict, None),
    "labels": (list, dict),
    "groups": (list, str),
    "default_label": (str, None),
    "normalise_by": (str, None),
    "notes": (list, str),
    "source": (dict, None),
}


def _check_kinds(manifest: Mapping[str, Any]) -> None:
    for key, (kind, entries) in _KINDS.items():
        if key not in manifest:
            raise DataError(f"the manifest lacks '{key}'", AGAIN)
        held: Any = manifest[key]
        fits = isinstance(held, kind)
        if not fits or (entries is not None and not all(isinstance(e, entries) for e in held)):
            raise DataError(f"the manifest's '{key}' is no {kind.__name__}", AGAIN)


def digest(samples: Samples) -> str:
    """Sixteen hexadecimal digits over ids, split, labels and features: the same in memory and in a store."""
    hasher = hashlib.sha256()

    def add(name: str, array: Array) -> None:
        hasher.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
        rows = max(1, BLOCK // max(1, array.nbytes // max(1, len(array))))
        for start in range(0, len(array), rows):
            hasher.update(np.ascontiguousarray(array[start : start + rows]).data)
            release(array)

    hasher.update(json.dumps([str(i) for i in samples.ids]).encode())
    add("split", samples.split)
    for name, column in samples.labels.items():
        add(f"label {name}", np.asarray(column.values))
    for name, ragged in samples.modalities.items():
        add(f"{name} values", ragged.values)
        add(f"{name} offsets", ragged.offsets)
        add(f"{name} valid", ragged.valid)
        if ragged.cells is not None:
            hasher.update(f"{name} cells:{ragged.cells.shape}".encode())
            rows = max(1, BLOCK // ragged.dim)
            for start in range(0, len(ragged.cells), rows):
                # Invalid frames hold arbitrary numbers, which may differ between memory and a store.
                hasher.update(ragged.known(slice(start, start + rows)).tobytes())
                release(ragged.cells)
    return hasher.hexdigest()[:16]


def table_of(task: Task) -> dict[str, Any]:
    """A task for JSON, which has no infinity: an undeclared end of the range is left out."""
    return {
        "kind": task.kind,
        "label": task.label,
        "classes": list(task.classes),
        "sentiment": task.sentiment,
        **({"low": task.low} if math.isfinite(task.low) else {}),
        **({"high": task.high} if math.isfinite(task.high) else {}),
    }


def task_of(table: Mapping[str, Any]) -> Task:
    """The inverse of ``table_of``."""
    task = Task(**{**table, "classes": tuple(table["classes"])})
    numbers = isinstance(task.low, int | float) and isinstance(task.high, int | float)
    if not (numbers and isinstance(task.label, str) and all(isinstance(c, str) for c in task.classes)):
        raise DataError(f"the task of label '{task.label}' holds values of other kinds", AGAIN)
    return task
