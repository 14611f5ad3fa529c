"""One modality as a folder with a file per clip: ``audio/clip1.mat``, ``vision/clip1.csv``, ``text/clip1.npy``.

- ``.mat``: COVAREP (``covarep``);
- ``.csv``, ``.tsv``, ``.txt``: OpenFace, py-feat, FACET, openSMILE, or ``start_s, end_s`` and numbers (``faces``);
- ``.npz``: ``features [T, d]`` and ``intervals [T, 2]`` in seconds;
- ``.npy``: ``[T, d]``, or ``[d]`` for a vector, without times;
- in a folder of words: see ``word_files``.

An empty array, such as ``np.array([])``, is what an extractor writes that found nothing: the clip has no such file.

A ``.txt`` may also be a transcript or a letter: it is read where it looks like a table and the clip has no other file.
A file that bears the clip's id holds the clip, and its time begins with the clip.  A file that bears the name of the
clip's recording holds the recording, and the clip is cut from it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from md2n.brief import first_few
from md2n.data.readers.covarep import read_covarep
from md2n.data.readers.faces import read_face_table
from md2n.data.readers.npy import load_npy, load_npz
from md2n.data.readers.segments import Segment
from md2n.data.readers.text_table import TXT, is_table
from md2n.data.readers.tracks import ClipFrames, Track, overlaps, shift, track_of
from md2n.data.readers.word_files import SUFFIXES, read_word_file
from md2n.data.samples import Array, as_features, as_frames, as_numbers
from md2n.errors import DataError
from md2n.reading import named


@named()
def read_array(path: Path) -> ClipFrames:
    """An ``.npy``: frames without times.

    Raises:
        DataError: damaged, no numbers, or of another shape.
    """
    return ClipFrames(track_of(_framed(load_npy(path), f"'{path}'"), None), (), ".npy")


@named()
def read_archive(path: Path) -> ClipFrames:
    """An ``.npz`` with ``features`` and, if their times are known, ``intervals``.

    Raises:
        DataError: damaged, without ``features``, or intervals that do not fit.
    """
    arrays = load_npz(path, ("features", "intervals"))
    if "features" not in arrays:
        raise DataError(
            f"'{path}' has no 'features', only: {', '.join(load_npz(path)) or 'nothing'}",
            "np.savez(path, features=[frames, columns], intervals=[frames, 2] in seconds)",
        )
    features = _framed(arrays["features"], f"'{path}', 'features'")
    if "intervals" not in arrays:
        return ClipFrames(track_of(features, None), (), ".npz")
    intervals = as_numbers(arrays["intervals"], f"'{path}', 'intervals'").astype(np.float64)
    if not len(features) and not intervals.size:
        intervals = intervals.reshape(0, 2)
    if intervals.shape != (len(features), 2):
        raise DataError(
            f"'{path}': features {features.shape} and intervals {intervals.shape} do not agree",
            "intervals are [frames, 2] in seconds, one for each frame",
        )
    if not (np.isfinite(intervals).all() and (intervals[:, 1] >= intervals[:, 0]).all()):
        raise DataError(
            f"'{path}' has an interval that is not finite or ends before it starts", "start and end in seconds"
        )
    return ClipFrames(track_of(features, intervals), (), ".npz")


READ: dict[str, Callable[[Path], ClipFrames]] = {
    ".npy": read_array,
    ".npz": read_archive,
    ".mat": read_covarep,
    ".csv": read_face_table,
    ".tsv": read_face_table,
    TXT: read_face_table,
}


def list_files(folder: Path, words: bool = False) -> tuple[dict[str, Path], list[str]]:
    """Clip or recording -> its file in a folder of a modality, and the names of the files that are not read.

    Args:
        folder: it.
        words: True for a folder of words in time.

    Raises:
        DataError: two files of one clip.
    """
    read = SUFFIXES if words else tuple(READ)
    there = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    able = [p for p in there if p.suffix.lower() in read and p.is_file()]
    files: dict[str, Path] = {}
    for file in sorted(able, key=lambda p: p.suffix.lower() == TXT):
        if file.suffix.lower() == TXT and (file.stem in files or not is_table(file)):
            continue
        other = files.setdefault(file.stem, file)
        if other is not file:
            raise DataError(f"'{folder}' has two files of '{file.stem}': {other.name}, {file.name}", "keep one")
    used = set(files.values())
    return dict(sorted(files.items())), [p.name for p in there if p not in used]


def _framed(values: Array, what: str) -> Array:
    features = as_features(values, what)
    if not features.size and features.ndim < 2:  # nothing was measured: no frame, not one of no number
        return features.reshape(0, 0)
    return as_frames(features, what)


def _has_no_columns(track: Track) -> bool:
    return track.features.ndim == 2 and not track.features.shape[1]


class FolderPieces:
    """The pieces of a folder with a file per clip or per recording.

    Args:
        folder: it.
        words: True for a folder of words in time, which is no modality.
        tier: of words, where their files have several; see ``word_files``.

    Raises:
        DataError: two files of one clip.
    """

    def __init__(self, folder: Path, *, words: bool = False, tier: str = "") -> None:
        self.folder = folder
        self.files, self._strange = list_files(folder, words)
        self.names = list(self.files)
        self._words, self._tier = words, tier
        self._first: tuple[Path, ClipFrames] | None = None
        self._last: tuple[str, ClipFrames] | None = None
        self._layouts: Counter[str] = Counter()
        self._several = 0
        self._beyond: list[str] = []
        self._note_counts: Counter[str] = Counter()

    def of(self, segment: Segment) -> Track | None:
        """Frames of a clip.

        Raises:
            DataError: its file cannot be read, or has other columns than the others, or has no times where the clip
                must be cut from it.
        """
        if segment.id != segment.recording and segment.id in self.files:
            own = self._frames(segment.id).track
            if _has_no_columns(own):
                return None
            return shift(own, segment.start) if np.isfinite(segment.start) else own
        if segment.recording not in self.files:
            return None
        whole = self._frames(segment.recording).track
        if _has_no_columns(whole):
            return None
        if np.isinf(segment.start) and np.isinf(segment.end):
            return whole
        if not whole.timed:
            raise DataError(
                f"'{self.files[segment.recording]}' has no times, so '{segment.id}' cannot be cut from it",
                f"give a file '{segment.id}{self.files[segment.recording].suffix}' of this clip alone, or an .npz with "
                "features and intervals",
            )
        piece = whole.select(overlaps(whole.intervals, segment.start, segment.end))
        if not len(piece.features):
            self._beyond.append(segment.id)
        return piece

    def _frames(self, stem: str) -> ClipFrames:
        if self._last is not None and self._last[0] == stem:  # clips of one recording stand together
            return self._last[1]
        path = self.files[stem]
        read = read_word_file(path, self._tier) if self._words else READ[path.suffix.lower()](path)
        if len(read.track.features):
            self._agree(path, read)
        self._layouts[read.layout] += 1
        self._several += read.several
        self._note_counts.update(read.notes)
        self._last = stem, read
        return read

    def _agree(self, path: Path, read: ClipFrames) -> None:
        """One modality is the same columns throughout."""
        if _has_no_columns(read.track):
            return
        if self._first is None:
            self._first = path, replace(read, track=read.track.select(np.arange(1)))
            return
        other, first = self._first
        count, expected = read.track.features.shape[1:], first.track.features.shape[1:]
        here, there = set(read.names) - set(first.names), set(first.names) - set(read.names)
        named = bool(read.names and first.names)
        if count != expected:
            why = f" ({_difference(here, there)})" if named else ""
            raise DataError(
                f"'{path}' has {count[0]} feature columns, '{other}' has {expected[0]}{why}",
                "one modality has one set of columns: make the files again with one program and one set of options, or "
                "put them into two sub-folders",
            )
        if named and read.names != first.names:
            difference = _difference(here, there) if here or there else "the same in another order"
            raise DataError(
                f"'{path}' has other columns than '{other}': {difference}",
                "make the files again with one program and one set of options, or put them into two sub-folders",
            )

    def layouts(self) -> dict[str, int]:
        return dict(self._layouts)

    def notes(self, name: str, known: Collection[str]) -> Iterator[str]:
        first = self._first[1] if self._first else None
        strangers = sorted(set(self.files) - set(known))
        if first is not None and first.left_out:
            others = f"others were left out ({first_few(first.left_out)})"
            yield f"{name}: {len(first.names)} columns were read from {first.layout}; {others}"
        if strangers:
            yield f"{name}: {len(strangers)} files of no clip in the table were left out ({first_few(strangers)})"
        if self._strange:
            yield f"{name}: {len(self._strange)} files of other kinds were left out ({first_few(self._strange)})"
        if self._several:
            yield f"{name}: {self._several} files show several faces, of which the one seen most was kept"
        if self._beyond:
            clips = first_few(self._beyond)
            yield f"{name}: {len(self._beyond)} clips have no frame between start_s and end_s ({clips})"
        yield from (f"{name}: {note} ({count} files)" for note, count in self._note_counts.items())


def _difference(here: set[str], there: set[str]) -> str:
    parts = [f"only here: {first_few(sorted(here))}"] if here else []
    return "; ".join([*parts, *([f"only there: {first_few(sorted(there))}"] if there else [])])
