"""One clip for people to look at: a picture with the landmarks, the sound, its pitch, its words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.errors import DataError
from md2n.extraction.audio.frames import HOP
from md2n.extraction.audio.pitch import srh_pitch
from md2n.extraction.base import Clip, Track, Word
from md2n.extraction.cache import WORDS, Piece
from md2n.extraction.media import RATE_HZ, Picture, Sound, pictures, sound

SHOWN_S = 20.0
"""Of a longer clip the beginning is shown: more cannot be judged on one page."""
Landmarker = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.floating] | None]
"""From a picture ``[height, width, 3]`` to the points ``[point, 2]`` of its face in pixels, or None."""


@dataclass(frozen=True, eq=False)
class Look:
    """What there is to see of a clip.

    Args:
        clip: its id.
        picture: one of the video; None where there is none.
        landmarks: ``[point, 2]`` x and y in it, in pixels; None where no face was found.
        heard: its sound, the first ``SHOWN_S`` of it; None where there is none.
        pitch: times in seconds, and hertz, NaN where unvoiced; None as ``heard``.
        words: in time.
        tracks: modality -> frames as they were measured, or the reason why there are none.
    """

    clip: str
    picture: Picture | None
    landmarks: npt.NDArray[np.floating] | None
    heard: Sound | None
    pitch: tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]] | None
    words: tuple[Word, ...]
    tracks: Mapping[str, Track | str]

    __repr__ = brief


def look(clip: Clip, pieces: Mapping[str, Piece], landmarker: Landmarker | None = None) -> Look:
    """What there is to see of a clip that was extracted.

    Args:
        clip: the clip.
        pieces: what its parts gave (``pipeline.measure_clip``).
        landmarker: finds the face's points in the picture shown.

    Raises:
        UsageError: PyAV is not installed.
    """
    tracks = {k: p.reason if p.track is None else p.track for k, p in pieces.items() if k != WORDS}
    heard = _heard(clip)
    picture = _picture(clip, tracks.get("vision"))
    landmarks = None if picture is None or landmarker is None else landmarker(picture.rgb)
    words = clip.words or (pieces[WORDS].words if WORDS in pieces else ())
    return Look(clip.id, picture, landmarks, heard, None if heard is None else _pitch(heard), words, tracks)


def _heard(clip: Clip) -> Sound | None:
    if clip.media is None:
        return None
    try:
        whole = sound(clip.media)
    except DataError:  # the tracks say why
        return None
    return Sound(whole.signal[: round(SHOWN_S * whole.rate_hz)], whole.rate_hz)


def _pitch(heard: Sound) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    pitch = srh_pitch(heard.signal.astype(np.float64), len(heard.signal) // HOP + 1)
    hertz = np.where(pitch.voiced & pitch.measured, pitch.f0_hz, np.nan)
    return np.arange(len(hertz)) * HOP / RATE_HZ, hertz


def _picture(clip: Clip, track: Track | str | None) -> Picture | None:
    """The picture nearest to the middle of the clip in which something was measured, else the first."""
    if clip.media is None:
        return None
    wanted = 0.0
    if isinstance(track, Track):
        middles = track.intervals_s[track.valid].mean(axis=1)
        wanted = float(middles[np.abs(middles - min(track.intervals_s.max(), SHOWN_S) / 2).argmin()])
    last = None
    try:
        for picture in pictures(clip.media):
            if last is not None and picture.time_s > wanted:
                return last
            last = picture
    except DataError:  # the tracks say why
        return last
    return last
