"""The acoustic front ends as extractors: a clip's sound in, frames in time out."""

from importlib.metadata import PackageNotFoundError, version

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from md2n.errors import DataError, UsageError, install_hint
from md2n.extraction.audio.columns import NAMES
from md2n.extraction.audio.frames import HOP, RATE_HZ
from md2n.extraction.audio.front_end import NAME, covarep_like
from md2n.extraction.base import Clip, ModalityAbsentError, Track
from md2n.extraction.media import sound

EGEMAPS_COLUMNS = (
    *("loudness", "alphaRatio", "hammarbergIndex", "slope0-500", "slope500-1500", "spectralFlux"),
    *("mfcc1", "mfcc2", "mfcc3", "mfcc4"),
    *("F0semitoneFrom27.5Hz", "jitterLocal", "shimmerLocaldB", "HNRdBACF", "logRelF0-H1-H2", "logRelF0-H1-A3"),
    *("F1frequency", "F1bandwidth", "F1amplitudeLogRelF0"),
    *("F2frequency", "F2bandwidth", "F2amplitudeLogRelF0"),
    *("F3frequency", "F3bandwidth", "F3amplitudeLogRelF0"),
)
SHORT = RATE_HZ // 50
"""Samples of the 20 ms that a frame of eGeMAPS covers; frames stand every ``HOP``."""
PIECE, CONTEXT = 6000, 100
"""Frames that are measured at once, and those on either side that pitch tracking may look at: a minute, a second."""


class CovarepLike:
    """``covarep-like@1``: 74 columns every 10 ms."""

    modality = "audio"
    name = NAME
    columns = NAMES
    fingerprint = NAME

    def prepare(self) -> None:
        """Nothing to load."""

    def extract(self, clip: Clip) -> Track:
        """Frames of the clip's sound; a frame without sound around it is invalid.

        Raises:
            ModalityAbsentError: the clip has no sound, or is digital silence throughout.
            DataError: its file cannot be read, or its sound ends before a first frame.
        """
        features = covarep_like(_heard(clip), RATE_HZ)
        half = HOP / RATE_HZ / 2
        return _track(clip, features.values, features.valid, features.times_s, half)


class EGeMAPS:
    """``egemaps@1``: the 25 low-level descriptors of eGeMAPS v02 every 10 ms, by the package afx-audio (MIT).

    What is not defined in a frame (pitch, jitter, formants ... of an unvoiced one) is 0, as openSMILE writes it.

    F. Eyben et al., "The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for voice research and affective
    computing", IEEE Transactions on Affective Computing 7 (2016).
    """

    modality = "audio"
    name = "egemaps@1"
    columns = EGEMAPS_COLUMNS

    def __init__(self) -> None:
        try:  # another version may give other numbers
            self.fingerprint = f"{self.name} afx-audio {version('afx-audio')}"
        except PackageNotFoundError:  # `prepare` will say so
            self.fingerprint = self.name

    def prepare(self) -> None:
        """Imports the package.

        Raises:
            UsageError: it is not installed.
        """
        _descriptors(np.zeros(SHORT, np.float32))

    def extract(self, clip: Clip) -> Track:
        """Frames of the clip's sound; a frame of digital silence is invalid.

        Raises:
            ModalityAbsentError: the clip has no sound, or is digital silence throughout.
            DataError: its file cannot be read, or its sound is shorter than a frame.
            UsageError: the package is not installed.
        """
        signal = _heard(clip)
        if len(signal) < SHORT:
            raise DataError(f"the sound of clip '{clip.id}' ends before its first frame", "20 ms are the least")
        count = 1 + (len(signal) - SHORT) // HOP
        values = np.empty((count, len(EGEMAPS_COLUMNS)), np.float32)
        for start in range(0, count, PIECE):
            stop, first = min(start + PIECE, count), max(0, start - CONTEXT)
            rows = _descriptors(signal[first * HOP : (stop + CONTEXT - 1) * HOP + SHORT])
            values[start:stop] = rows[start - first : stop - first]
        loud = np.concatenate([[0], np.cumsum(signal != 0)])
        begin = HOP * np.arange(count)
        valid = loud[begin + SHORT] > loud[begin]
        values[~valid] = 0
        return _track(clip, values, valid, (begin + SHORT / 2) / RATE_HZ, HOP / RATE_HZ / 2)


def _heard(clip: Clip) -> Float[np.ndarray, " sample"]:
    if clip.media is None:
        raise ModalityAbsentError(f"clip '{clip.id}' has no sound or video file", "it is kept without sound")
    return sound(clip.media, RATE_HZ).signal


def _track(
    clip: Clip,
    values: Float[np.ndarray, "frame column"],
    valid: npt.NDArray[np.bool_],
    centres_s: npt.NDArray[np.float64],
    half_s: float,
) -> Track:
    if not valid.any():
        raise ModalityAbsentError(f"clip '{clip.id}' is silent throughout", "it is kept without sound")
    return Track(values, valid, np.stack([centres_s - half_s, centres_s + half_s], axis=1))


def _descriptors(signal: Float[np.ndarray, " sample"]) -> Float[np.ndarray, "frame column"]:
    try:
        from afx_audio.extractors.egemaps import extract_egemaps_lld
    except ImportError as error:
        raise UsageError(
            "afx-audio, which measures egemaps, is not installed", f"{install_hint('audio')}; or --audio covarep-like"
        ) from error
    descriptors: np.ndarray = np.nan_to_num(
        extract_egemaps_lld(signal, RATE_HZ)["egemaps_lld"].T, posinf=0.0, neginf=0.0
    )
    return descriptors.astype(np.float32)
