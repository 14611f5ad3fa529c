"""The interface of an extractor: from a clip to the frames in time of one modality.

A clip without a modality (no sound, no face, no transcript) is not an error: the extractor raises
``ModalityAbsentError`` with the reason, and the clip is used with that modality missing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from md2n.brief import brief
from md2n.errors import DataError


class ModalityAbsentError(DataError):
    """One clip lacks one modality; the reason says why."""


@dataclass(frozen=True)
class Word:
    """One word where it is spoken.

    Args:
        text: as the transcript has it.
        start_s: seconds from the clip's start.
        end_s: after ``start_s``.
        guessed: True where its pronunciation was not in the dictionary and was made up.
    """

    text: str
    start_s: float
    end_s: float
    guessed: bool = False


@dataclass(frozen=True)
class Clip:
    """One recording and what is known of it.

    Args:
        id: names it in the store.
        media: video or sound file; None where there is a transcript alone.
        transcript: what is said; None where it is not known.
        words: the transcript's words in time, once they were aligned or read; None before, or where that failed.
    """

    id: str
    media: Path | None
    transcript: str | None = None
    words: tuple[Word, ...] | None = None


@dataclass(frozen=True)
class Track:
    """One modality of one clip.

    Args:
        values: features; zeros where ``valid`` is false.
        valid: frames that were measured; what could not be (no face in view) is invalid, never a silent zero.
        intervals_s: start and end of every frame in seconds from the clip's start; NaN where a frame has no place in
            time (words that were not aligned).
        notes: what a person should know of this clip (several faces, a guessed pronunciation).
    """

    values: Float[np.ndarray, "frame column"]
    valid: Bool[np.ndarray, " frame"]
    intervals_s: Float[np.ndarray, "frame 2"]
    notes: tuple[str, ...] = ()

    __repr__ = brief


@runtime_checkable
class Extractor(Protocol):
    """Measures one modality.

    Attributes:
        modality: its name in the store: ``text``, ``audio``, ``vision``.
        name: front end and version, e.g. ``covarep-like@1``; a new version where the same clip gives other numbers.
        columns: names of the features, in order.
        fingerprint: everything its numbers depend on besides the clip (name, settings, checksum of its model): a clip
            extracted under another fingerprint is extracted again.
    """

    modality: str
    name: str
    columns: tuple[str, ...]
    fingerprint: str

    def prepare(self) -> None:
        """Load models; called once in every process before the first clip.

        Raises:
            UsageError: a package or a model is not there; the hint is the command that gets it.
        """
        ...

    def extract(self, clip: Clip) -> Track:
        """Frames of one clip.

        Raises:
            ModalityAbsentError: the clip has none of this modality.
            DataError: what is there cannot be read.
        """
        ...
