"""The CMU Multimodal SDK's computational sequences, one ``.csd`` file each (HDF5).

``<root>/data/<segment>/features [T, D]`` and ``<root>/data/<segment>/intervals [T, 2]`` (seconds), with facts in
``<root>/metadata/*``.  The root's name differs from file to file: it is the first key.  A segment is a video
(``03bSnISJMiM``) or, in files that were aligned to labels before, a piece of one (``03bSnISJMiM[3]``).
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from md2n.brief import first_few
from md2n.data.readers.hdf5 import Hdf5, open_hdf5
from md2n.data.readers.tracks import Track
from md2n.data.samples import Array, as_features
from md2n.errors import DataError
from md2n.reading import reading

AGAIN = "download the .csd file again"
_PIECE = re.compile(r"^(?P<video>.+)\[(?P<number>\d+)\]$")


@dataclass(frozen=True)
class Sequence:
    """One open computational sequence; segments are read when asked for.

    Args:
        path: the file.
        root: its first key.
        dim: feature size D.
        words: True where features are text.
        segments: segment names in the file's order.
    """

    path: Path
    root: str
    dim: int
    words: bool
    segments: tuple[str, ...]
    _file: Hdf5
    _data: Any

    def track(self, segment: str) -> Track:
        """Frames of one segment.

        Raises:
            DataError: features or intervals are missing, damaged, or of shapes that do not agree.
        """
        with reading(self.path, hint=AGAIN):
            return self._track(segment, f"'{self.path}', segment '{segment}'")

    def _track(self, segment: str, where: str) -> Track:
        group = self._file.group(self._data, segment)
        features, times = (self._part(group, name, where) for name in ("features", "intervals"))
        intervals = np.asarray(times, np.float64)
        if not _count(features) and not _count(intervals):
            # An extractor that saw nothing writes (0, d), (0,) or no shape at all: the video is there, without a frame.
            nothing = np.zeros(0, np.str_) if self.words else np.zeros((0, self.dim), np.float32)
            return Track(nothing, np.zeros((0, 2)), np.zeros(0, np.int64))
        if not features.ndim or intervals.ndim != 2 or intervals.shape[1] != 2 or len(intervals) != len(features):
            raise DataError(
                f"{where}: features {features.shape} and intervals {intervals.shape} do not agree",
                "intervals are [frames, 2] in seconds, one for each frame",
            )
        features = _as_text(features) if self.words else as_features(features, where).reshape(len(features), -1)
        if not self.words and features.shape[1] != self.dim:
            raise DataError(f"{where} has {features.shape[1]} features, others have {self.dim}", AGAIN)
        sound = np.isfinite(intervals).all(axis=1) & (intervals[:, 1] >= intervals[:, 0])
        return Track(features[sound], intervals[sound], np.flatnonzero(sound), int((~sound).sum()))

    def _part(self, group: Any, name: str, where: str) -> Array:
        """An array of a segment; a null data set, which has no shape, holds nothing."""
        held = None if group is None else self._file.dataset(group, name)
        if held is None:
            raise DataError(f"{where} has no readable {name}", AGAIN)
        return np.zeros(0) if held.shape is None else self._file.read(held)

    def dimension_names(self) -> tuple[str, ...]:
        """Names of the D features, where the metadata hold them; else empty."""
        metadata = self._file.group(self._file.root, f"{self.root}/metadata")
        held = None if metadata is None else self._file.dataset(metadata, "dimension names")
        if held is None:
            return ()
        raw = self._file.read(held).reshape(-1)
        words = [w.decode("utf-8", "replace") if isinstance(w, bytes) else str(w) for w in raw]
        if len(words) == 1 and words[0].startswith("["):
            try:
                words = [str(w) for w in json.loads(words[0])]
            except (ValueError, RecursionError):  # names are a convenience: without them columns are numbered
                return ()
        return tuple(words) if len(words) == self.dim else ()


@contextmanager
def open_sequence(path: str | Path) -> Iterator[Sequence]:
    """Open one ``.csd`` file for reading.

    Raises:
        UnsafeFileError: it leads to other files; nothing of them was read.
        DataError: missing, empty, no HDF5 file, truncated, or of another layout.
    """
    with open_hdf5(Path(path), AGAIN) as file:
        yield _sequence(file)


def _sequence(file: Hdf5) -> Sequence:
    keys = file.names(file.root)
    root = file.group(file.root, keys[0]) if keys else None
    data = None if root is None else file.group(root, "data")
    segments = () if data is None else file.names(data)
    if not segments:
        raise DataError(
            f"'{file.path}' holds no computational sequence: its keys are {first_few(keys, 8) or 'none'}",
            "the layout is <root>/data/<segment>/features and intervals",
        )
    first = _features(file, data, segments[0])
    if first is None:
        raise DataError(f"'{file.path}', segment '{segments[0]}' has no features", AGAIN)
    # Features without a frame need not have their size.
    others = (_features(file, data, segment) for segment in segments)
    first = next((one for one in others if one is not None and one.shape and one.shape[0]), first)
    words = first.dtype.kind in "SUO"
    dim = 1 if len(first.shape or ()) < 2 else int(np.prod(first.shape[1:]))
    return Sequence(file.path, keys[0], dim, words, segments, file, data)


def _features(file: Hdf5, data: Any, segment: str) -> Any:
    group = file.group(data, segment)
    return None if group is None else file.dataset(group, "features")


def _count(array: Array) -> int:
    return len(array) if array.ndim else 1


def _as_text(features: Array) -> Array:
    flat = features.reshape(len(features), -1)[:, 0]
    return np.array([w.decode("utf-8", "replace") if isinstance(w, bytes) else str(w) for w in flat], dtype=np.str_)


def video_of(segment: str) -> str:
    """``03bSnISJMiM`` of ``03bSnISJMiM[3]``; a name without brackets is a video already."""
    match = _PIECE.match(segment)
    return match["video"] if match else segment
