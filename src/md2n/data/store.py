"""md2n's own store: a folder of memory-mapped arrays and a manifest with their checksums.  No pickles.

A store is written beside its place and renamed, so a reader sees an old one or a new one, whole.  ``manifest`` says
what is in it, ``writer`` writes it.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from md2n.data.manifest import (
    AGAIN,
    MANIFEST,
    assemble,
    digest,
    intervals_file,
    is_store,
    read_manifest,
    sha256_of,
    standing,
)
from md2n.data.samples import Array, Samples
from md2n.data.writer import StoreWriter, check_place
from md2n.errors import DataError
from md2n.reading import named, reading

__all__ = [
    "MANIFEST",
    "StoreWriter",
    "check_place",
    "checksum",
    "is_store",
    "open_intervals",
    "open_store",
    "verify_store",
    "write_store",
]


def write_store(path: Path | str, samples: Samples, intervals: Mapping[str, Array] | None = None) -> Path:
    """Writes the samples as a store; an older store in its place is replaced once the new one is whole.

    Args:
        path: of the store.
        samples: may be those of the older store.
        intervals: modality -> ``[frames, 2]`` start and end of its frames in seconds, where they have places in time.

    Raises:
        DataError: something that is no store stands there.
        StorageError: it cannot be written; nothing half written stays.
    """
    with StoreWriter(
        path,
        name=samples.name,
        dims={k: r.dim for k, r in samples.modalities.items()},
        labels={k: c.task for k, c in samples.labels.items()},
        groups=tuple(samples.groups),
        dtype={k: r.values.dtype for k, r in samples.modalities.items()},
        default_label=samples.default_label,
        normalise_by=samples.normalise_by,
        notes=samples.notes,
        source=samples.source,
        intervals=tuple(intervals or ()),
    ) as writer:
        writer.extend(samples, intervals)
    return Path(path)


@named(hint=AGAIN)
def open_store(path: Path | str) -> Samples:
    """The samples of a store, features memory-mapped.

    Raises:
        DataError: no store there, another format version, or a file that is missing, truncated or of another shape.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    place = standing(folder)
    for name, size in _told(folder, manifest, "bytes").items():
        found = (place / name).stat().st_size if (place / name).is_file() else -1
        if found != size:
            state = "is missing" if found < 0 else f"holds {found} of {size} bytes"
            raise DataError(f"'{folder / name}' {state}", AGAIN)
    return assemble(place, manifest)


@named(hint=AGAIN)
def open_intervals(path: Path | str) -> dict[str, Array]:
    """Start and end of frames in seconds, modality -> ``[frames, 2]`` in the order of its values, memory-mapped.

    Modalities whose frames have no place in time are not in it; NaN where a single frame has none.

    Raises:
        DataError: as for ``open_store``.
    """
    samples, place = open_store(path), standing(Path(path))
    found: dict[str, Array] = {}
    for k, ragged in samples.modalities.items():
        file = place / intervals_file(k)
        if file.is_file():
            with reading(file, hint=AGAIN):
                found[k] = np.load(file, mmap_mode="r", allow_pickle=False)
            if found[k].shape != (len(ragged.values), 2):
                raise DataError(f"'{file}' has shape {found[k].shape} for {len(ragged.values)} frames", AGAIN)
    return found


@named(hint=AGAIN)
def verify_store(path: Path | str) -> list[str]:
    """Names of files whose content no longer matches the manifest (empty: all is well).

    Raises:
        DataError: as for ``open_store``.
    """
    folder = Path(path)
    open_store(folder)
    told = _told(folder, read_manifest(folder), "sha256")
    return [name for name, sha256 in told.items() if sha256_of(standing(folder) / name) != sha256]


def checksum(data: Samples | Path | str) -> str:
    """Sixteen hexadecimal digits that name the data: over ids, split, labels and features.

    The same for samples in memory and for the path of their store, whose manifest has them already.

    Raises:
        DataError: a path at which no store stands.
    """
    return digest(data) if isinstance(data, Samples) else str(read_manifest(Path(data)).get("checksum", ""))


def _told(folder: Path, manifest: dict[str, object], fact: str) -> dict[str, object]:
    """A fact of every file, as the manifest has it."""
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(f, dict) and fact in f for f in files.values()):
        raise DataError(f"'{folder / MANIFEST}' does not say what its files hold", AGAIN)
    return {str(name): told[fact] for name, told in files.items()}
