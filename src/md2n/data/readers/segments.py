"""Stretches of recordings become samples: frames are cut to them and, where asked for, averaged over steps.

By ``align``:

- ``none``: each modality keeps its own frames that overlap the segment (unaligned, ragged);
- ``labels``: each modality is one vector, the mean of its frames that overlap the segment;
- the name of a source (words, or a modality): that source's frames that overlap the segment are the steps, and every
  other modality gives, for each step, the mean of its frames that overlap both the step and the segment.  So a word
  across the border of two segments is a step of both, and brings to neither the sound of the other.

"Overlap" is ``csd.overlaps``; a mean counts every overlapping frame once.  A frame with a NaN or an infinity (COVAREP)
takes no part in a mean; a step without any frame is invalid.  Of a sequence of words, pauses (``pauses.is_pause``) are
left out.  A segment for which a modality has no frame is a natural gap.

Frames without times (an array alone) fit a step if there is one of them, which holds throughout, or one for each step.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from md2n.brief import first_few
from md2n.data.readers import csd
from md2n.data.readers.csd import video_of
from md2n.data.readers.nonfinite import NonFinite, count_nonfinite
from md2n.data.readers.pauses import is_pause
from md2n.data.readers.tracks import Intervals, Track, overlaps
from md2n.data.samples import Array
from md2n.errors import DataError, UsageError, did_you_mean

WORDS = "words"


@dataclass(frozen=True)
class Segment:
    """One stretch of a recording, which is one sample.

    Args:
        id: of the sample.
        recording: the name of the recording it is cut from.
        start: seconds; minus infinity where it begins with the recording.
        end: seconds; infinity where it ends with the recording.
    """

    id: str
    recording: str
    start: float
    end: float


@runtime_checkable
class Pieces(Protocol):
    """One source of timed frames, in whatever files."""

    @property
    def names(self) -> Sequence[str]:
        """Clips, recordings and pieces of recordings that the source holds, in order."""

    def of(self, segment: Segment) -> Track | None:
        """Frames of a segment, cut to it, in the recording's time; None where the source has no such recording."""

    def layouts(self) -> dict[str, int]:
        """Number of files read, by layout."""

    def notes(self, name: str, known: Collection[str]) -> Iterator[str]:
        """What was left out and chosen, in sentences; ``known`` are ids and recordings of all clips."""


class SequencePieces:
    """The pieces of an open ``.csd`` file: a segment is looked for by its own name, then by its recording's.

    A file that was aligned before holds pieces of recordings, ``video[0]``, ``video[1]``, numbered by what it was
    aligned to: labels, or words.  ``video[3]`` is the piece of the segment ``video[3]`` if the times of that
    recording's pieces say so; else the recording's frames are taken from all of its pieces, by their times.

    Args:
        sequence: open.
        segments: all that will be asked for, if numbers are to be held against times.
    """

    def __init__(self, sequence: csd.Sequence, segments: Iterable[Segment] = ()) -> None:
        self.dropped = 0
        """Frames without a usable interval, in the recordings asked for so far."""
        self.names = sequence.segments
        self._sequence = sequence
        self._known = frozenset(sequence.segments)
        self._last: tuple[str, Track] | None = None
        self._pieces: dict[str, list[str]] = {}
        for key in sequence.segments:
            if video_of(key) != key:
                self._pieces.setdefault(video_of(key), []).append(key)
        self._wanted = {s.id: s for s in segments}
        self._numbered: dict[str, bool] = {}
        self._read: tuple[str, dict[str, Track]] = "", {}

    def of(self, segment: Segment) -> Track | None:
        key = segment.recording
        whole = key in self._known or key in self._pieces
        if segment.id in self._known and (not whole or self._is_own(segment)):
            key = segment.id
        elif not whole:
            return None
        if self._last is None or self._last[0] != key:  # segments of one recording stand together: one track is kept
            track = self._track(key) if key in self._known else self._joined(key)
            self.dropped += track.dropped
            self._last = key, track
        track = self._last[1]
        return track.select(overlaps(track.intervals, segment.start, segment.end))

    def _is_own(self, segment: Segment) -> bool:
        """False where the times of the recording's pieces show that its number counts something else."""
        video = video_of(segment.id)
        if video == segment.id or not self._wanted or not np.isfinite([segment.start, segment.end]).any():
            return True
        if video not in self._numbered:
            self._numbered[video] = all(map(self._within, self._pieces[video]))
        return self._numbered[video]

    def _within(self, key: str) -> bool:
        """True where a piece has times of the segment of its name alone."""
        wanted = self._wanted.get(key)
        return wanted is not None and bool(overlaps(self._track(key).intervals, wanted.start, wanted.end).all())

    def _track(self, key: str) -> Track:
        """Of one segment; those of one recording are kept until another recording is asked for."""
        video = video_of(key)
        if self._read[0] != video:
            self._read = video, {}
        held = self._read[1]
        if key not in held:
            held[key] = self._sequence.track(key)
        return held[key]

    def _joined(self, video: str) -> Track:
        """The frames of a recording out of all its pieces; a frame in two of them counts once."""
        held = [self._track(key) for key in self._pieces[video]]
        tracks = [t for t in held if len(t.features)] or held[:1]
        features = np.concatenate([t.features for t in tracks])
        intervals = np.concatenate([t.intervals for t in tracks])
        frames = [(a, b, row.tobytes()) for (a, b), row in zip(intervals.tolist(), features)]
        first = {frame: i for i, frame in reversed(list(enumerate(frames)))}
        order = np.array(sorted(first.values(), key=lambda i: (*intervals[i], i)), np.int64)
        return Track(features[order], intervals[order], np.arange(len(order)), sum(t.dropped for t in held))

    def layouts(self) -> dict[str, int]:
        return {".csd": 1}

    def notes(self, name: str, known: Collection[str] | None = None) -> Iterator[str]:
        """See ``Pieces``; nothing is said of segments where ``known`` is not given."""
        if self.dropped:
            yield f"{name}: {self.dropped} frames without a usable interval were left out"
        strangers = [] if known is None else [k for k in self.names if k not in known and video_of(k) not in known]
        if strangers:
            yield (
                f"{name}: {len(strangers)} segments of no clip in the table were left out "
                f"({first_few(sorted(strangers), 1)})"
            )


def require_features(modality: str, sequence: csd.Sequence) -> None:
    """Refuses a sequence of words as a modality.

    Raises:
        DataError: it holds words.
    """
    if sequence.words:
        raise DataError(
            f"'{sequence.path}' holds words, not features: '{modality}' cannot be a modality",
            "give it as words, and an embedding (GloVe, BERT) as the modality",
        )


def require_reference(align: str, sources: Iterable[str]) -> None:
    """Refuses an ``align`` that names no source.

    Raises:
        UsageError: with the nearest name.
    """
    known = {"none", "labels", *sources}
    if align not in known:
        raise UsageError(f"nothing to align to is called '{align}'", did_you_mean(align, known))


def cut(
    sources: Mapping[str, Pieces], segments: Iterable[Segment], align: str
) -> dict[str, tuple[list[Array | None], NonFinite]]:
    """An array per segment and source, None where it is absent, and the numbers that are none among its frames.

    The source called ``words`` gives steps, never features.

    Raises:
        DataError: frames without times where times are needed; and whatever a source raises.
    """
    cuts: dict[str, tuple[list[Array | None], NonFinite]] = {k: ([], NonFinite()) for k in sources}
    for segment in segments:
        pieces = {name: piece for name, source in sources.items() if (piece := source.of(segment)) is not None}
        steps = _steps(pieces, align, segment)
        for name, (frames, counted) in cuts.items():
            piece = pieces.get(name)
            if piece is None or name == WORDS or not len(piece.features):
                frames.append(None)
                continue
            cuts[name] = frames, counted + count_nonfinite(piece.features)
            frames.append(piece.features if align == "none" else _onto(steps, piece, name, align, segment))
    return cuts


def _steps(pieces: Mapping[str, Track], align: str, segment: Segment) -> Intervals:
    if align in ("none", "labels"):
        return np.array([[segment.start, segment.end]])
    if align not in pieces:
        return np.zeros((0, 2))
    reference = pieces[align]
    if not reference.timed:
        raise DataError(
            f"'{align}' of '{segment.id}' has no times, so nothing can be aligned to it",
            "give its frames intervals (an .npz with features and intervals), or the times of its words and align to "
            "words",
        )
    if align == WORDS:
        return np.asarray(reference.intervals[[not is_pause(str(word)) for word in reference.features]])
    return reference.intervals


def _onto(steps: Intervals, piece: Track, name: str, align: str, segment: Segment) -> Array | None:
    if not len(steps):
        return None
    count = len(piece.features)
    if piece.timed or align == "labels" or count == 1:
        return mean_over(piece, steps)
    if count != len(steps):
        raise DataError(
            f"'{name}' of '{segment.id}' has {count} frames without times, '{align}' has {len(steps)} steps",
            f"give one frame per step of '{align}'{' (pauses are no steps)' if align == WORDS else ''}, or frames with "
            "times (an .npz with features and intervals)",
        )
    return piece.features


def mean_over(track: Track, steps: Intervals) -> Array | None:
    """``[S, D]``: for each step and feature the mean of the finite numbers that overlap it, NaN where there is none.

    None where no step has any.
    """
    features = track.features.astype(np.float64)
    means = np.full((len(steps), features.shape[1]), np.nan)
    for i, (start, end) in enumerate(steps):
        part = features[overlaps(track.intervals, start, end)]
        known = np.isfinite(part)
        counts = known.sum(axis=0)
        np.divide(part.sum(axis=0, where=known), counts, out=means[i], where=counts > 0)
    return means.astype(np.float32) if np.isfinite(means).any() else None
