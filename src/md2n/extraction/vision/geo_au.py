"""The visual front end ``geoAU@1`` as an extractor: a clip's pictures in, 35 measures of a face per picture out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Float32, UInt8

from md2n.extraction.base import Clip, ModalityAbsentError, Track
from md2n.extraction.media import pictures
from md2n.extraction.vision.columns import NAMES
from md2n.extraction.vision.measures import measures
from md2n.extraction.vision.models import MODELS
from md2n.extraction.vision.tracker import FaceFinder, Sighting, sightings

NAME = "geoAU@1"
BLOCK = 250
"""Faces that are measured at once: a few milliseconds for all of them, a few megabytes of landmarks."""
LAST_S = 0.04
"""How long the picture is shown that is the only one of its video."""


class GeoAU:
    """``geoAU@1``: 35 columns a picture.

    Args:
        folder: of your own that holds the models; ``model_folder()`` if not given.
    """

    modality = "vision"
    name = NAME
    columns = NAMES
    fingerprint = " ".join([NAME, *(m.sha256[:16] for m in MODELS)])

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._finder: FaceFinder | None = None

    def prepare(self) -> None:
        """Loads the models.

        Raises:
            UsageError: LiteRT or a model is not there.
            DataError: a file is not the model that was pinned.
        """
        self._finder = FaceFinder(self.folder)

    def extract(self, clip: Clip) -> Track:
        """Frames of the clip's pictures; one in which the face is not found is invalid.

        Raises:
            ModalityAbsentError: there are no pictures, or no face in any.
            DataError: the file cannot be read.
        """
        if clip.media is None:
            raise ModalityAbsentError(f"clip '{clip.id}' has no media file", "it is kept without pictures")
        times: list[float] = []
        faces: list[bool] = []
        searched: list[int] = []
        measured, block = [np.zeros((0, len(NAMES)))], list[Float32[np.ndarray, "468 3"]]()
        for sighting in self._sightings(clip.media):
            if times and sighting.time_s <= times[-1]:  # shown at the same time as the one before: never seen
                continue
            times.append(sighting.time_s)
            faces.append(sighting.face is not None)
            if sighting.face is not None:
                block.append(sighting.face.landmarks)
            if sighting.faces is not None:
                searched.append(sighting.faces)
            if len(block) == BLOCK:
                measured.append(measures(np.stack(block)))
                block.clear()
        measured += [measures(np.stack(block))] if block else []
        values, valid = _placed(np.concatenate(measured), np.array(faces))
        if not valid.any():
            raise ModalityAbsentError(
                f"no face is seen in the {len(times)} pictures of {clip.media.name}", "the clip is kept without a face"
            )
        return Track(values.astype(np.float32), valid, _intervals(times), _notes(valid, searched))

    def landmarks(self, rgb: UInt8[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "468 2"] | None:
        """The landmarks of the largest face of one picture, x and y in pixels; None where there is none."""
        face = self._loaded().largest(rgb)
        return None if face is None else face.landmarks[:, :2]

    def _loaded(self) -> FaceFinder:
        if self._finder is None:
            self.prepare()
        assert self._finder is not None
        return self._finder

    def _sightings(self, path: Path) -> Iterator[Sighting]:
        return sightings(pictures(path), self._loaded())


def _placed(
    measured: Float[np.ndarray, "face column"], faces: Bool[np.ndarray, " frame"]
) -> tuple[Float[np.ndarray, "frame column"], Bool[np.ndarray, " frame"]]:
    """Measures in the frames they belong to, zeros elsewhere; and which frames hold numbers throughout."""
    finite = np.isfinite(measured).all(axis=1)
    valid = faces.copy()
    valid[faces] = finite
    values = np.zeros((len(faces), measured.shape[1]))
    values[valid] = measured[finite]
    return values, valid


def _intervals(times: list[float]) -> npt.NDArray[np.float64]:
    """Each picture is shown until the next; the last as long as most are."""
    at = np.array(times, np.float64)
    shown = np.diff(at)
    return np.stack([at, np.append(at[1:], at[-1] + (np.median(shown) if len(shown) else LAST_S))], axis=1)


def _notes(valid: Bool[np.ndarray, " frame"], searched: list[int]) -> tuple[str, ...]:
    notes = []
    several = sum(n > 1 for n in searched)
    if several:
        notes.append(
            f"up to {max(searched)} faces (in {several} of {len(searched)} pictures that were searched); "
            "one is followed, the largest at first"
        )
    if not valid.all():
        notes.append(f"no face in {int((~valid).sum())} of {len(valid)} pictures")
    return tuple(notes)
