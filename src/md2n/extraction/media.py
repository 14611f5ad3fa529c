"""Pictures and sound of a media file, with their times, through PyAV (FFmpeg inside; the extra ``video``).

Time 0 is where the file begins: a sound that begins later than its picture is silent until then, so that frames of both
can be laid side by side.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from md2n.brief import brief
from md2n.errors import DataError, UsageError, install_hint
from md2n.extraction.base import ModalityAbsentError
from md2n.extraction.whole import check_whole
from md2n.reading import exists, reading, regular

RATE_HZ = 16_000
UNREADABLE = "cannot be read as a video or sound file"
SHORT_S, SHORT_PART = 0.5, 0.1
"""A stream that ends earlier than it says, by more than both of these, was cut off."""


@dataclass(frozen=True)
class Sound:
    """Samples in time.

    Args:
        signal: mono, full scale 1.
        rate_hz: samples per second.
    """

    signal: Float[np.ndarray, " sample"]
    rate_hz: int

    __repr__ = brief

    @property
    def duration_s(self) -> float:
        """Seconds from the file's beginning to the last sample."""
        return len(self.signal) / self.rate_hz


@dataclass(frozen=True)
class Picture:
    """One picture of a video.

    Args:
        time_s: when it is shown, from the file's beginning.
        rgb: 8 bits a channel.
    """

    time_s: float
    rgb: UInt8[np.ndarray, "height width 3"]

    __repr__ = brief


def sound(path: Path, rate_hz: int = RATE_HZ) -> Sound:
    """The sound of a file: channels averaged, resampled.

    Args:
        path: of a video or sound file of any sample rate and format.
        rate_hz: of the result.

    Raises:
        ModalityAbsentError: the file has no sound.
        DataError: it is not there, is no media file, or ends before it should.
        UsageError: PyAV is not installed.
    """
    pieces: list[Any] = []
    with _opened(path) as file:
        if not file.streams.audio:
            raise ModalityAbsentError(f"{path.name} has no audio track", "the clip is kept without sound")
        stream = file.streams.audio[0]
        begun, rate, at = _begin_s(file), int(stream.rate), 0
        for frame in file.decode(stream):
            samples = _floats(frame.to_ndarray(), frame.format.is_planar, len(frame.layout.channels))
            gap = 0 if frame.time is None else round((frame.time - begun) * rate) - at
            if gap > frame.samples:  # the track begins late, or has a hole; rounding of times is no hole
                pieces.append(np.zeros(gap, np.float32))
                at += gap
            pieces.append(samples)
            at += len(samples)
        _check_whole(path, stream, at / rate)
    if not at:
        raise ModalityAbsentError(f"the audio track of {path.name} is empty", "the clip is kept without sound")
    return Sound(_resampled(np.concatenate(pieces), rate, rate_hz), rate_hz)


def pictures(path: Path) -> Iterator[Picture]:
    """The pictures of a video in order of time, one at a time in memory, each at its own time.

    Raises:
        ModalityAbsentError: the file has no picture.
        DataError: it is not there, is no media file, or ends before it should.
        UsageError: PyAV is not installed.
    """
    with _opened(path) as file:
        tracks = [s for s in file.streams.video if not s.disposition & s.disposition.attached_pic]
        if not tracks:
            raise ModalityAbsentError(f"{path.name} has no video track", "the clip is kept without pictures")
        stream = tracks[0]
        stream.codec_context.thread_count = 1  # work is shared between processes, a clip each
        begun, period = _begin_s(file), float(1 / stream.average_rate) if stream.average_rate else 0.0
        at, count, aspect = 0.0, 0, float(stream.sample_aspect_ratio or 1)
        for frame in file.decode(stream):
            at = at + period if frame.time is None else frame.time - begun
            count += 1
            yield Picture(at, _upright(frame, aspect))
        if not count:
            raise ModalityAbsentError(f"the video track of {path.name} is empty", "the clip is kept without pictures")
        _check_whole(path, stream, at + period)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import av
    except ImportError as error:
        raise UsageError("PyAV, which reads media files, is not installed", install_hint("video")) from error
    av.logging.set_level(None)  # FFmpeg prints on its own what is raised here
    if not exists(path):
        raise DataError(f"there is no file {path}", "check the path")
    with reading(path, hint="check the path"):
        regular(path)
    if not path.stat().st_size:
        raise DataError(f"{path} is empty", "copy or record it again")
    with reading(path, hint="check that it plays", state=UNREADABLE):
        check_whole(path)
        with av.open(str(path)) as file:
            yield file


def _upright(frame: Any, aspect: float) -> Any:
    """``[height, width, 3]`` as it is meant to be seen: pixels square, turned as the camera was held."""
    width = max(1, round(frame.width * aspect))
    rgb = frame.to_ndarray(format="rgb24", width=width, height=frame.height)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb


def _begin_s(file: Any) -> float:
    return float(file.start_time or 0) / 1e6


def _check_whole(path: Path, stream: Any, reached_s: float) -> None:
    nominal_s = float(stream.duration * stream.time_base) if stream.duration else _tagged_s(stream)
    if nominal_s - reached_s > max(SHORT_S, SHORT_PART * nominal_s):
        raise DataError(
            f"{path} ends after {reached_s:.1f} of {nominal_s:.1f} seconds", "it was cut off: copy it again"
        )


def _tagged_s(stream: Any) -> float:
    """Matroska's way to say how long a track is: 00:00:03.960000000; 0 where it does not say."""
    try:
        hours, minutes, seconds = stream.metadata.get("DURATION", "").split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        return 0.0


def _floats(samples: Any, planar: bool, channels: int) -> Any:
    """``[sample]`` single precision, full scale 1, from what FFmpeg decoded."""
    each = samples if planar else samples.reshape(-1, channels).T
    if each.dtype == np.uint8:
        each = (each.astype(np.float32) - 128) / 128
    elif each.dtype.kind == "i":
        each = each.astype(np.float32) / float(2 ** (8 * each.dtype.itemsize - 1))
    return each.astype(np.float32).mean(axis=0)


def _resampled(signal: Any, rate: int, wanted: int) -> Any:
    if rate == wanted:
        return signal
    from scipy.signal import resample_poly

    common = gcd(rate, wanted)
    return resample_poly(signal, wanted // common, rate // common).astype(np.float32)
