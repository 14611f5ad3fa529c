"""HDF5 files, opened so that nothing of another file is read.

A data set can keep its bytes in any file of the user (external storage), be a view of other HDF5 files (virtual), be
reached through a link into another file, or need a filter that HDF5 loads as a program.  So every link and data set is
checked before it is read.  Allowed are contiguous, compact and chunked data sets of this very file, with the filters
gzip, shuffle, lzf and fletcher32, and as many bytes as the file may hold (``budget``).
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from md2n.data.readers.budget import Budget
from md2n.data.readers.files import require_file, what_is
from md2n.data.samples import Array
from md2n.errors import DataError, UnsafeFileError
from md2n.reading import reading

P = ParamSpec("P")
R = TypeVar("R")
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


def _guarded(method: Callable[P, R]) -> Callable[P, R]:
    """Whatever the file's content raises in a method of ``Hdf5`` becomes a ``DataError`` that names the file."""

    @functools.wraps(method)
    def guarded(*arguments: P.args, **options: P.kwargs) -> R:
        file: Any = arguments[0]
        with reading(file.path, hint=file._hint):
            return method(*arguments, **options)

    return guarded


class Hdf5:
    """An open file whose groups and data sets are looked at before they are read.

    Its methods raise ``DataError`` where the file is damaged, and ``UnsafeFileError`` where a data set or a link leads
    out of the file, or needs an unknown filter.

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

    @_guarded
    def names(self, group: Any) -> tuple[str, ...]:
        """What a group holds, in the file's order."""
        return tuple(group)

    @_guarded
    def group(self, parent: Any, name: str) -> Any:
        """The group of that name; None where there is none, or something else."""
        import h5py

        return node if isinstance(node := self._follow(parent, name, LINKS), h5py.Group) else None

    @_guarded
    def dataset(self, parent: Any, name: str) -> Any:
        """The data set of that name, checked; None where there is none, or something else."""
        return self._checked(self._follow(parent, name, LINKS))

    @_guarded
    def referenced(self, reference: Any) -> Any:
        """The data set to which an object reference leads, checked."""
        dataset = self._checked(self.root[reference])
        if dataset is None:
            raise DataError(f"'{self.path}' has a reference that leads to no data set", self._hint)
        return dataset

    @_guarded
    def read(self, dataset: Any) -> Array:
        """All of a data set that was checked; no more bytes than the file may hold."""
        name = str(dataset.name)
        if dataset.shape is None:
            raise DataError(f"'{self.path}': '{name}' holds nothing", self._hint)
        if name not in self._charged:
            self._budget.spend(dataset.shape, dataset.dtype.itemsize, name)
            self._charged.add(name)
        if dataset.dtype.kind == "O" and dataset.dtype.metadata and "vlen" in dataset.dtype.metadata:
            return self._texts(dataset, name)
        return np.asarray(dataset[()])

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

    def _checked(self, dataset: Any) -> Any:
        """The data set itself; None for anything else."""
        import h5py

        if not isinstance(dataset, h5py.Dataset):
            return None
        name, facts = str(dataset.name), dataset.id.get_create_plist()
        if facts.get_external_count():
            raise self._unsafe(f"'{name}' keeps its bytes in another file")
        if facts.get_layout() not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED):
            raise self._unsafe(f"'{name}' is a view of other data sets")
        for i in range(facts.get_nfilters()):
            if (number := facts.get_filter(i)[0]) not in FILTERS:
                known = ", ".join(FILTERS.values())
                raise self._unsafe(f"'{name}' needs the filter {number}, which is none of {known}")
        return dataset

    def _unsafe(self, what: str) -> UnsafeFileError:
        return UnsafeFileError(f"'{self.path}': {what}; it was not read", HINT)
