"""md2n's own store: a folder of memory-mapped arrays and a manifest with their checksums.  No pickles.

A store is written beside its place and renamed, so a reader sees an old one or a new one, whole.  ``manifest`` says
what is in it, ``writer`` writes it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from md2n.data.integrity import AGAIN, OPENING, Comparison, compare, seal_matches
from md2n.data.manifest import MANIFEST, assemble, current_place, digest, intervals_file, is_store, read_manifest
from md2n.data.samples import Array, Samples
from md2n.data.writer import StoreWriter, check_place
from md2n.errors import DataError
from md2n.reading import named, reading

__all__ = [
    "MANIFEST",
    "StoreWriter",
    "check_place",
    "checksum",
    "compare_store",
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
        DataError: the path holds something that is no store.
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

    Files are compared with the manifest's digests: all of them in a store of 64 MiB or less, else 64 MiB of them,
    other blocks each time; ``compare_store`` compares more.

    Raises:
        DataError: no store there, another format version, or a file that is missing, truncated, of another shape or
            of other content.
    """
    folder = Path(path)
    manifest, place = read_manifest(folder), current_place(folder)
    files = _files(folder, manifest)
    samples = assemble(place, manifest)
    stray = _stray(place, samples.names, files)
    if stray:
        raise DataError(
            f"'{folder / stray}' is no file of this store: its manifest does not list it", "move it elsewhere"
        )
    if not seal_matches(manifest):
        raise DataError(f"'{folder / MANIFEST}' is not what was written: its checksum differs", AGAIN)
    _refuse_changed(folder, compare(place, files, OPENING))
    return samples


def compare_store(path: Path | str, most: int | None = None) -> Comparison:
    """Compares the files of a store with the manifest's digests.

    Args:
        path: of the store.
        most: bytes to compare where there are more, other blocks each time; everything if not given.

    Returns:
        How much was compared.

    Raises:
        DataError: no store there, or a file that is missing, truncated or of other content; it is named.
    """
    folder = Path(path)
    files = _files(folder, read_manifest(folder))
    comparison = compare(current_place(folder), files, most)
    _refuse_changed(folder, comparison)
    return comparison


@named(hint=AGAIN)
def open_intervals(path: Path | str) -> dict[str, Array]:
    """Start and end of frames in seconds, modality -> ``[frames, 2]`` in the order of its values, memory-mapped.

    Modalities whose frames have no place in time are not in it; NaN where a single frame has none.

    Raises:
        DataError: as for ``open_store``.
    """
    samples, place = open_store(path), current_place(Path(path))
    intervals: dict[str, Array] = {}
    for k, ragged in samples.modalities.items():
        file = place / intervals_file(k)
        if file.is_file():
            with reading(file, hint=AGAIN):
                intervals[k] = np.load(file, mmap_mode="r", allow_pickle=False)
            if intervals[k].shape != (len(ragged.values), 2):
                raise DataError(f"'{file}' has shape {intervals[k].shape} for {len(ragged.values)} frames", AGAIN)
    return intervals


@named(hint=AGAIN)
def verify_store(path: Path | str) -> list[str]:
    """Names of files whose content no longer matches the manifest (empty: all is well).

    Raises:
        DataError: no store there, another format version, or a file that is missing or truncated.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    changed = compare(current_place(folder), _files(folder, manifest)).changed
    return [*changed, *([] if seal_matches(manifest) else [MANIFEST])]


def checksum(data: Samples | Path | str) -> str:
    """Sixteen hexadecimal digits that name the data: over ids, split, labels and features.

    The same for samples in memory and for the path of their store, whose manifest has them already.

    Raises:
        DataError: a path without a store.
    """
    return digest(data) if isinstance(data, Samples) else str(read_manifest(Path(data)).get("checksum", ""))


def _files(folder: Path, manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every file of a store and what the manifest says of it; each is there, and of that size."""
    files = manifest.get("files")
    facts = ("bytes", "sha256")
    if not isinstance(files, dict) or not all(
        isinstance(f, dict) and all(k in f for k in facts) for f in files.values()
    ):
        raise DataError(f"'{folder / MANIFEST}' does not say what its files hold", AGAIN)
    for name, entry in files.items():
        size, file = entry["bytes"], current_place(folder) / name
        held = file.stat().st_size if file.is_file() else -1
        if held != size:
            state = "is missing" if held < 0 else f"holds {held} of {size} bytes"
            raise DataError(f"'{folder / name}' {state}", AGAIN)
    return files


def _stray(place: Path, modalities: tuple[str, ...], files: dict[str, dict[str, Any]]) -> str:
    """The name of an array that would be taken for a modality's although the manifest does not vouch for it."""
    ours = tuple(f"{k}." for k in modalities)
    others = (p.name for p in sorted(place.iterdir()) if p.suffix == ".npy" and p.name.startswith(ours))
    return next((name for name in others if name not in files), "")


def _refuse_changed(folder: Path, comparison: Comparison) -> None:
    if comparison.changed:
        named = ", ".join(f"'{folder / name}'" for name in comparison.changed)
        verb = "is" if len(comparison.changed) == 1 else "are"
        raise DataError(f"{named} {verb} not what was written: the checksum differs", AGAIN)
