"""Frames in time: of a segment of a sequence, or of one file of one clip."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.data.samples import Array

Intervals = npt.NDArray[np.float64]
LONGEST_STEPS = 2.0
"""A frame lasts until the next one, at most this many usual steps: a face that was lost for a minute is not there."""


@dataclass(frozen=True)
class Track:
    """Timed frames of one segment of one sequence.

    Args:
        features: ``[T, D]`` numbers, or ``[T]`` text where the sequence holds words.
        intervals: ``[T, 2]`` start and end of each frame, seconds; end >= start.  A frame without a known time lies
            between minus infinity and infinity.
        rows: ``[T]`` place of each in the file.
        dropped: frames left out because their interval is not finite or ends before it starts.
    """

    features: Array
    intervals: Intervals
    rows: Array
    dropped: int = 0

    __repr__ = brief

    def select(self, chosen: Array) -> "Track":
        """The frames flagged in ``chosen`` ``[T]``."""
        return Track(self.features[chosen], self.intervals[chosen], self.rows[chosen])

    @property
    def timed(self) -> bool:
        """False where the time of a frame is not known."""
        return bool(np.isfinite(self.intervals).all())


@dataclass(frozen=True)
class ClipFrames:
    """One clip of one modality.

    Args:
        track: frames; a frame that its program marked as failed is NaN throughout.
        names: of the D columns, or empty where the file has none.
        layout: who writes such files: ``OpenFace CSV``.
        left_out: names of other columns in the file.
        several: True where it holds several faces, of which one was kept.
        notes: what else should be known.
    """

    track: Track
    names: tuple[str, ...]
    layout: str
    left_out: tuple[str, ...] = ()
    several: bool = False
    notes: tuple[str, ...] = ()

    __repr__ = brief


def track_of(features: Array, intervals: Intervals | None) -> Track:
    """Frames ``[T, D]`` with intervals ``[T, 2]`` in seconds, or None where no time is known."""
    known = np.tile([-np.inf, np.inf], (len(features), 1)) if intervals is None else _rounded(intervals)
    return Track(features, known, np.arange(len(features)))


def shift(track: Track, seconds: float) -> Track:
    """The same frames, later by so many seconds."""
    return Track(track.features, _rounded(track.intervals + seconds), track.rows, track.dropped)


def _rounded(intervals: Intervals) -> Intervals:
    """To a nanosecond: 5 * 0.01 + 0.01 is slightly more than 0.06, and would overlap with what begins there."""
    return np.round(intervals, 9)


def intervals_from(starts: npt.NDArray[np.float64]) -> Intervals:
    """Intervals ``[T, 2]`` of frames of which only the times ``[T]`` (rising) are known.

    A frame lasts until the next one, at most twice the median step; the last one lasts a median step.  A frame alone
    is a point.
    """
    steps = np.diff(starts)
    usual = float(np.median(steps)) if len(steps) else 0.0
    return np.stack([starts, starts + np.minimum(np.append(steps, usual), LONGEST_STEPS * usual)], axis=1)


def overlaps(frames: Intervals, start: float, end: float) -> npt.NDArray[np.bool_]:
    """``[T]``; True where a frame shares time with ``[start, end]``.

    Two stretches of time overlap if they share more than a point.  A stretch without length (some word timings have
    none) overlaps whatever holds it, its end excluded.  So frames that only touch do not overlap, and of two frames
    that follow each other a point belongs to the later one.
    """
    starts, ends = frames[:, 0], frames[:, 1]
    shared = np.minimum(ends, end) > np.maximum(starts, start)
    if end == start:
        return np.asarray(shared | ((starts <= start) & (start < ends)) | ((starts == start) & (ends == end)))
    return np.asarray(shared | ((starts == ends) & (starts >= start) & (starts < end)))
