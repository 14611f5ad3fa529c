"""The face of a video: found once, followed from picture to picture, found again where it is lost.

The landmark model (468 points of the face's surface, and how sure it is that there is a face) looks at a square around
the face, turned so that the eyes are level.  That square comes from the detector at first, and from the landmarks of
the picture before thereafter.  The largest face is followed; lost from view for a short time, it alone is waited for.

Y. Kartynnik et al., "Real-time facial surface geometry from monocular video on mobile GPUs", CVPR workshops 2019.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, UInt8

from md2n.brief import brief
from md2n.extraction.media import Picture
from md2n.extraction.vision.detector import LEFT_EYE, RIGHT_EYE, Detection, FaceDetector, overlap
from md2n.extraction.vision.models import DETECTOR, LANDMARKS, Network, check_models
from md2n.extraction.vision.region import Region, crop

POINTS = 468
EYES_AT = (33, 263)
"""Outer corners of the right and the left eye: they say how the head is tilted."""
MARGIN = 1.5
"""The square's side over that of the face's box: the models' published value."""
LOWEST_PRESENCE = 0.5
"""The landmark model's published threshold."""
WAIT_S = 0.5
"""A face out of view for longer is forgotten, and the largest taken.  A choice: a blink of the camera, not a cut."""
FAR_LARGER = 2.0
"""A face of this many times the area takes over from the one that is followed.  A choice."""
LOOK_S = 1.0
"""The whole picture is searched this often, for other faces.  A choice.  A track that has drifted off needs no search:
beside a face the presence falls from 1 to 0 within less than half the face's width."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face in one picture.

    Args:
        landmarks: x and y in pixels of the picture, y downwards; z on the same scale, smaller is nearer.
        presence: how sure the model is that it is a face, 0 to 1.
    """

    landmarks: Float32[np.ndarray, "468 3"]
    presence: float

    __repr__ = brief

    @property
    def box(self) -> Float[np.ndarray, " 4"]:
        """Left, top, right, bottom in pixels."""
        flat = self.landmarks[:, :2]
        return np.concatenate([flat.min(axis=0), flat.max(axis=0)])


@dataclass(frozen=True, eq=False)
class Sighting:
    """What was seen in one picture.

    Args:
        time_s: of the picture.
        face: the one that is followed; None where it is not in view.
        faces: how many there are; None where the picture was not searched for them.
    """

    time_s: float
    face: Face | None
    faces: int | None


@runtime_checkable
class Finder(Protocol):
    """What following a face needs."""

    def detect(self, rgb: UInt8[np.ndarray, "height width 3"]) -> list[Detection]:
        """The faces of a picture, the largest first."""
        ...

    def detected(self, rgb: UInt8[np.ndarray, "height width 3"], detection: Detection) -> Face | None:
        """The face that was detected; None where there is none after all."""
        ...

    def landmarks(self, rgb: UInt8[np.ndarray, "height width 3"], region: Region) -> Face | None:
        """The face that fills the region; None where there is none."""
        ...


class FaceFinder:
    """The two models, loaded.

    Args:
        folder: that holds them; ``model_folder()`` if not given.

    Raises:
        UsageError: they are not there, or LiteRT is not installed.
        DataError: they are other models.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = check_models(folder)
        self._detect = FaceDetector(Network(folder / DETECTOR.file))
        self._landmarks = Network(folder / LANDMARKS.file)

    def detect(self, rgb: UInt8[np.ndarray, "height width 3"]) -> list[Detection]:
        """The faces of a picture, the largest first."""
        return self._detect(rgb)

    def landmarks(self, rgb: UInt8[np.ndarray, "height width 3"], region: Region) -> Face | None:
        """The face that fills the region; None where there is none."""
        pixels = crop(rgb, region, self._landmarks.side)
        points, logit = self._landmarks((pixels / 255).astype(np.float32, copy=False))
        presence = float(1 / (1 + np.exp(-np.clip(np.float64(logit.item()), -100, 100))))
        if presence < LOWEST_PRESENCE:
            return None
        near = points.reshape(POINTS, 3).astype(np.float64) / self._landmarks.side
        placed = np.concatenate([region.to_picture(near[:, :2]), near[:, 2:] * region.size], axis=1)
        return Face(placed.astype(np.float32), presence)

    def detected(self, rgb: UInt8[np.ndarray, "height width 3"], detection: Detection) -> Face | None:
        """The face that was detected, seen twice: the second time from where the first look has put it."""
        face = self.landmarks(rgb, _around_detection(detection))
        return None if face is None else self.landmarks(rgb, around(face))

    def largest(self, rgb: UInt8[np.ndarray, "height width 3"]) -> Face | None:
        """The largest face of one picture; None where there is none."""
        return next((f for d in self.detect(rgb) if (f := self.detected(rgb, d)) is not None), None)


def around(face: Face) -> Region:
    """The square around a face, level with its eyes."""
    flat = face.landmarks[:, :2].astype(np.float64)
    right, left = flat[EYES_AT[0]], flat[EYES_AT[1]]
    angle = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    level = flat @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    low, high = level.min(axis=0), level.max(axis=0)
    middle = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ ((low + high) / 2)
    return Region(float(middle[0]), float(middle[1]), float(MARGIN * (high - low).max()), angle)


def _around_detection(detection: Detection) -> Region:
    box, points = detection.box, detection.points
    eyes = points[LEFT_EYE] - points[RIGHT_EYE]
    size = MARGIN * float((box[2:] - box[:2]).max())
    x, y = (box[:2] + box[2:]) / 2
    return Region(float(x), float(y), size, float(np.arctan2(eyes[1], eyes[0])))


def sightings(shown: Iterable[Picture], finder: Finder) -> Iterator[Sighting]:
    """The face of every picture, in order; one picture in memory."""
    face: Face | None = None
    last: Face | None = None  # as ``face``, kept while it is out of view
    last_s = looked_s = -np.inf
    for picture in shown:
        current, faces = None, None
        if face is not None:
            current = finder.landmarks(picture.rgb, around(face))
        if current is None or picture.time_s - looked_s >= LOOK_S:
            detections = finder.detect(picture.rgb)
            looked_s, faces = picture.time_s, len(detections)
            if current is not None and _outgrown(current, detections):
                current, last = None, None
            if current is None:
                waited = last if picture.time_s - last_s <= WAIT_S else None
                wanted = [d for d in detections if waited is None or _same(waited, d)]
                current = next((f for d in wanted if (f := finder.detected(picture.rgb, d)) is not None), None)
            faces = max(faces, int(current is not None))
        face = current
        if current is not None:
            last, last_s = current, picture.time_s
        yield Sighting(picture.time_s, current, faces)


def _outgrown(face: Face, detections: list[Detection]) -> bool:
    """Whether there is a face that is far larger than the one that is followed."""
    own = max((d.weight for d in detections if _same(face, d)), default=float((face.box[2:] - face.box[:2]).prod()))
    return bool(detections) and detections[0].weight > FAR_LARGER * own


def _same(face: Face, detection: Detection) -> bool:
    """Whether the detection may be this face: their boxes touch."""
    return float(overlap(face.box, detection.box[None])[0]) > 0
