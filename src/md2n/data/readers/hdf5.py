"""HDF5 without its doors to other files: the only place that opens one.

A data set can keep its bytes in any file of the user (external storage), be a view of other HDF5 files (virtual), be
reached through a link into another file, or need a filter that HDF5 loads as a program.  Every link on the way and
every data set is looked at before it is read: only contiguous, compact and chunked data sets of this very file, with
the filters gzip, shuffle, lzf and fletcher32, and only as many bytes as the file may hold (``budget``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from md2n.data.readers.budget import Budget
from md2n.data.readers.files import require_file, what_is
from md2n.data.samples import Array
from md2n.errors import DataError, UnsafeFileError
from md2n.reading import reading

FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
LINKS = 16  # soft links that may lead to one another
ROWS = 64  # of texts without a fixed length, read at a time: many may name the same bytes
HINT = "save plain arrays into one file (h5py.Dataset without external storage, links or plug-ins)"


@contextmanager
def open_hdf5(path: Path, hint: str) -> Iterator["Hdf5"]:
    """Open an HDF5 file for reading.

    Args:
        path: of the file.
        hint: the next step where it is damaged.

    Raises:
        DataError: missing, empty, no HDF5 file, or truncated.
    """
    import h5py

    require_file(path)
    with reading(path, hint=hint):
        if not h5py.is_hdf5(path):
            kind = what_is(path)
            cut = kind in ("HDF5 file", "MATLAB file")
            raise DataError(f"'{path}' is {'truncated or damaged' if cut else f'not an HDF5 file but a {kind}'}", hint)
        handle = h5py.File(path, "r")
    with handle:
        yield Hdf5(path, handle, hint)


def is_hdf5(path: Path) -> bool:
    """True where a whole head of HDF5 is in the file, at its beginning or after a block of others' bytes."""
    import h5py

    return bool(h5py.is_hdf5(path))


def reference_dtype() -> Any:
    """The dtype of references to objects: how MATLAB writes cells."""
    import h5py

    return h5py.ref_dtype


class Hdf5:
    """An open file whose groups and data sets are looked at before they are read.

    Args:
        path: of the file.
        handle: ``h5py.File``.
        hint: the next step where it is damaged.
    """

    def __init__(self, path: Path, handle: Any, hint: str) -> None:
        self.path, self.root = path, handle
        self._hint = hint
        self._budget = Budget(path)
        self._charged: set[str] = set()

    def names(self, group: Any) -> tuple[str, ...]:
        """What a group holds, in the file's order.

        Raises:
            DataError: damaged.
        """
        with reading(self.path, hint=self._hint):
            return tuple(group)

    def group(self, parent: Any, name: str) -> Any:
        """The group of that name; None where there is none, or something else.

        Raises:
            UnsafeFileError: a link on the way leads out of the file.
            DataError: damaged.
        """
        import h5py

        with reading(self.path, hint=self._hint):
            return node if isinstance(node := self._follow(parent, name, LINKS), h5py.Group) else None

    def dataset(self, parent: Any, name: str) -> Any:
        """The data set of that name, checked; None where there is none, or something else.

        Raises:
            UnsafeFileError: it, or a link on the way, leads out of the file, or it needs an unknown filter.
            DataError: damaged.
        """
        import h5py

        with reading(self.path, hint=self._hint):
            node = self._follow(parent, name, LINKS)
            if not isinstance(node, h5py.Dataset):
                return None
            self._check(node)
            return node

    def referenced(self, reference: Any) -> Any:
        """The data set to which an object reference leads, checked.

        Raises:
            UnsafeFileError: as ``dataset``.
            DataError: damaged, or no data set.
        """
        import h5py

        with reading(self.path, hint=self._hint):
            node = self.root[reference]
            if not isinstance(node, h5py.Dataset):
                raise DataError(f"'{self.path}' has a reference that leads to no data set", self._hint)
            self._check(node)
            return node

    def read(self, dataset: Any) -> Array:
        """All of a data set that was checked.

        Raises:
            DataError: damaged, or larger than the file may hold.
        """
        with reading(self.path, hint=self._hint):
            name = str(dataset.name)
            if dataset.shape is None:
                raise DataError(f"'{self.path}': '{name}' holds nothing", self._hint)
            if name not in self._charged:
                self._budget.spend(dataset.shape, dataset.dtype.itemsize, name)
                self._charged.add(name)
            if dataset.dtype.kind == "O" and dataset.dtype.metadata and "vlen" in dataset.dtype.metadata:
                return self._texts(dataset, name)
            array: Array = np.asarray(dataset[()])
            return array

    def _texts(self, dataset: Any, name: str) -> Array:
        parts, longest = [], 1
        for start in range(0, len(dataset) if dataset.ndim else 1, ROWS):
            part = np.asarray(dataset[start : start + ROWS] if dataset.ndim else dataset[()], dtype=object)
            self._budget.spend((sum(len(one) for one in part.flat),), 1, name)
            longest = max([longest, *(len(one) for one in part.flat)])
            parts.append(part)
        self._budget.spend(dataset.shape, 4 * longest, name)  # an array of texts is as wide as its longest
        return np.concatenate(parts) if dataset.ndim and parts else np.asarray(parts[0] if parts else [], object)

    def _follow(self, parent: Any, name: str, links: int) -> Any:
        """The object that a path of names leads to, step by step, so that no link is followed unseen."""
        import h5py

        node = self.root if name.startswith("/") else parent
        for part in filter(None, name.split("/")):
            own = part.encode("utf-8", "surrogateescape")
            if not isinstance(node, h5py.Group) or not node.id.links.exists(own):
                return None
            kind = node.id.links.get_info(own).type
            if kind == h5py.h5l.TYPE_HARD:
                node = node[part]
            elif kind == h5py.h5l.TYPE_SOFT:
                if not links:
                    raise DataError(f"'{self.path}': the link '{part}' leads in a circle", self._hint)
                aim = node.id.links.get_val(own).decode("utf-8", "surrogateescape")
                node = self._follow(node, aim, links - 1)
            else:
                raise self._unsafe(f"'{part}' is a link into another file")
        return node

    def _check(self, dataset: Any) -> None:
        import h5py

        name, facts = str(dataset.name), dataset.id.get_create_plist()
        if facts.get_external_count():
            raise self._unsafe(f"'{name}' keeps its bytes in another file")
        if facts.get_layout() not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED):
            raise self._unsafe(f"'{name}' is a view of other data sets")
        for i in range(facts.get_nfilters()):
            if (number := facts.get_filter(i)[0]) not in FILTERS:
                raise self._unsafe(
                    f"'{name}' needs the filter {number}, which is none of {', '.join(FILTERS.values())}"
                )

    def _unsafe(self, what: str) -> UnsafeFileError:
        return UnsafeFileError(f"'{self.path}': {what}; it was not read", HINT)
