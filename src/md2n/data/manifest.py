"""What makes a folder a store: its manifest, what stands in it, and the samples it describes.

manifest.json            format, modalities, labels, groups, notes, source, bytes and sha256 of every file
ids.json                 [N] sample ids
split.npy                [N] uint8
label.<i>.npy            [N] float32 or int64, in the manifest's order
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
import os
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from md2n.data.gather import release
from md2n.data.samples import Array, LabelColumn, Ragged, Samples
from md2n.errors import DataError
from md2n.modality import Modality, Task

FORMAT = "md2n-store"
VERSIONS = (1, 2)  # a store with unknown cells is of the second, which an older md2n refuses to read as zeros
MANIFEST = "manifest.json"
BLOCK = 2**24  # bytes read at a time
AGAIN = "the store is damaged; import or copy it again"


def hidden(path: Path, suffix: str) -> Path:
    """Beside a store, where no folder of the user's own is in the way."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would leave for where a link leads
    return whole.with_name(f".{whole.name}{suffix}")


def intervals_file(modality: str) -> str:
    """Where a store keeps start and end of a modality's frames."""
    return f"{modality}.intervals.npy"


def cells_file(modality: str) -> str:
    """Where a store keeps which numbers of a modality are known."""
    return f"{modality}.cells.npy"


def aside(path: Path) -> Path:
    """Where a store stands while another takes its place."""
    return hidden(path, ".old")


def standing(path: Path) -> Path:
    """Where the store of this path stands: there, or aside, if its replacement was killed between two renamings."""
    return aside(path) if not path.exists() and (aside(path) / MANIFEST).is_file() else path


def is_store(path: Path) -> bool:
    """True where a folder has a manifest of ours."""
    try:
        return bool(json.loads((standing(path) / MANIFEST).read_bytes()).get("format") == FORMAT)
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
    manifest: dict[str, Any] = json.loads((standing(path) / MANIFEST).read_bytes())
    if manifest.get("version") not in VERSIONS and not any_version:
        raise DataError(
            f"'{path}' is a store of version {manifest.get('version')}, this md2n reads version "
            f"{' and '.join(map(str, VERSIONS))}",
            "import the data again with this md2n",
        )
    return manifest


def assemble(folder: Path, manifest: Mapping[str, Any]) -> Samples:
    """The samples in a folder, features memory-mapped; what the manifest says of sizes is checked.

    Raises:
        DataError: files and manifest do not fit together.
    """

    def array(name: str, mapped: bool = False) -> Array:
        loaded: Array = np.load(folder / name, mmap_mode="r" if mapped else None, allow_pickle=False)
        return loaded

    def words(name: str) -> Array:
        return np.asarray(json.loads((folder / name).read_bytes()), dtype=np.str_)

    try:
        modalities = {}
        for k, told in manifest["modalities"].items():
            Modality(k, told["dim"])  # refuses what is no name, a path for one
            values = array(f"{k}.values.npy", mapped=True)
            if values.ndim != 2 or (values.shape[1], values.dtype.str) != (told["dim"], told["dtype"]):
                raise DataError(f"'{k}' holds {values.dtype} {values.shape}, its manifest says {told}", AGAIN)
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
    except (KeyError, TypeError, ValueError, OSError, EOFError, SyntaxError, TokenError) as error:
        # The last three are what NumPy lets through of an array's damaged head.
        told = f"the manifest lacks {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"'{folder}' cannot be read: {told}", AGAIN) from error


def digest(samples: Samples) -> str:
    """Sixteen hexadecimal digits over ids, split, labels and features: the same in memory and in a store."""
    found = hashlib.sha256()

    def add(name: str, array: Array) -> None:
        found.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
        rows = max(1, BLOCK // max(1, array.nbytes // max(1, len(array))))
        for start in range(0, len(array), rows):
            found.update(np.ascontiguousarray(array[start : start + rows]).data)
            release(array)

    found.update(json.dumps([str(i) for i in samples.ids]).encode())
    add("split", samples.split)
    for name, column in samples.labels.items():
        add(f"label {name}", np.asarray(column.values))
    for name, ragged in samples.modalities.items():
        add(f"{name} values", ragged.values)
        add(f"{name} offsets", ragged.offsets)
        add(f"{name} valid", ragged.valid)
        if ragged.cells is not None:
            found.update(f"{name} cells:{ragged.cells.shape}".encode())
            rows = max(1, BLOCK // ragged.dim)
            for start in range(0, len(ragged.cells), rows):
                # What stands at invalid frames says nothing, and need not be the same in memory and in a store.
                found.update(ragged.known(slice(start, start + rows)).tobytes())
                release(ragged.cells)
    return found.hexdigest()[:16]


def sha256_of(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
    return Task(**{**table, "classes": tuple(table["classes"])})
