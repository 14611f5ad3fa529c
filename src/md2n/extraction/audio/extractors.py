"""The acoustic front ends as extractors: a clip's sound in, frames in time out."""

import numpy as np

from md2n.extraction.audio.columns import NAMES
from md2n.extraction.audio.frames import HOP, RATE_HZ
from md2n.extraction.audio.front_end import NAME, covarep_like
from md2n.extraction.base import Clip, ModalityAbsentError, Track
from md2n.extraction.media import sound


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
        if clip.media is None:
            raise ModalityAbsentError(f"clip '{clip.id}' has no sound or video file", "it is kept without sound")
        heard = sound(clip.media, RATE_HZ)
        found = covarep_like(heard.signal, heard.rate_hz)
        if not found.valid.any():
            raise ModalityAbsentError(f"clip '{clip.id}' is silent throughout", "it is kept without sound")
        half = HOP / RATE_HZ / 2
        intervals = np.stack([found.times_s - half, found.times_s + half], axis=1)
        return Track(found.values, found.valid, intervals)
