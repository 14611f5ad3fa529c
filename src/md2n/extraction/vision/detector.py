"""Faces in a picture: boxes and six points, by BlazeFace's short-range model.

The model looks at 128 x 128 pixels and gives, for each of 896 anchors, a score and where a face would be relative to
the anchor: a grid of 16 x 16 places with 2 anchors each, then one of 8 x 8 with 6, every anchor at the middle of its
place.  What several anchors see of one face is averaged by score (the paper's "blending") instead of the best kept.

V. Bazarevsky et al., "BlazeFace: sub-millisecond neural face detection on mobile GPUs", CVPR workshops 2019.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8

from md2n.brief import brief
from md2n.extraction.vision.region import Region, crop

Network = Callable[[Float32[np.ndarray, "128 128 3"]], Sequence[np.ndarray]]
"""From pixels, -1 to 1, to what ``decode`` takes: numbers of all anchors, then logits."""
SIDE = 128
GRIDS = ((16, 2), (8, 6))
"""Places along a side, anchors at each."""
LOWEST_SCORE = 0.5
"""The model's published threshold."""
SAME_FACE = 0.3
"""Boxes that share more than this part of what they cover together show one face: the published value."""
RIGHT_EYE, LEFT_EYE = 0, 1
"""The first of the six points; then nose tip, mouth, right and left ear.  Right is the person's own right."""


@dataclass(frozen=True, eq=False)
class Detection:
    """One face.

    Args:
        box: left, top, right, bottom in pixels of the picture.
        points: the six points, x and y in pixels.
        score: 0 to 1.
    """

    box: Float[np.ndarray, " 4"]
    points: Float[np.ndarray, "6 2"]
    score: float

    __repr__ = brief

    @property
    def weight(self) -> float:
        """Square pixels, less where the face is doubtful: of two of about one size the clearer is the larger."""
        return self.score * float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))


def anchors() -> Float[np.ndarray, "896 2"]:
    """Middles of the anchors' places, 0 to 1, in the order of the model's outputs."""
    places = []
    for count, each in GRIDS:
        middle = (np.arange(count) + 0.5) / count
        y, x = np.meshgrid(middle, middle, indexing="ij")
        places.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), each, axis=0))
    return np.concatenate(places)


def decode(
    offsets: Float[np.ndarray, "896 16"], logits: Float[np.ndarray, " 896"]
) -> tuple[Float[np.ndarray, "face 16"], Float[np.ndarray, " face"]]:
    """The faces that the model sees, where its score is high enough: 8 points (box corners first) 0 to 1, and scores.

    Args:
        offsets: of each anchor, in pixels relative to it: middle, width and height of the box; six points.
        logits: of the scores.
    """
    score = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
    confident = score >= LOWEST_SCORE
    near = offsets[confident].astype(np.float64).reshape(-1, 8, 2) / SIDE
    middle, half, places = near[:, 0], near[:, 1] / 2, anchors()[confident]
    corners = np.stack([middle - half, middle + half], axis=1)
    points = np.concatenate([corners, near[:, 2:]], axis=1) + places[:, None]
    return points.reshape(-1, 16), score[confident]


def blend(detections: list[Detection]) -> list[Detection]:
    """One detection for each face: those that overlap are averaged by score; the largest face first."""
    left = sorted(detections, key=lambda d: -d.score)
    faces = []
    while left:
        same = overlap(left[0].box, np.stack([d.box for d in left])) > SAME_FACE
        same[0] = True
        group = [d for d, s in zip(left, same) if s]
        weight = np.array([d.score for d in group])
        weight /= weight.sum()
        box = np.tensordot(weight, np.stack([d.box for d in group]), 1)
        points = np.tensordot(weight, np.stack([d.points for d in group]), 1)
        faces.append(Detection(box, points, left[0].score))
        left = [d for d, s in zip(left, same) if not s]
    return sorted(faces, key=lambda d: -d.weight)


def overlap(box: Float[np.ndarray, " 4"], others: Float[np.ndarray, "box 4"]) -> Float[np.ndarray, " box"]:
    """What two boxes share as part of what they cover together, 0 to 1."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    each = np.clip(others[:, 2:] - others[:, :2], 0, None).prod(axis=1)
    both = np.clip(box[2:] - box[:2], 0, None).prod() + each - shared
    return np.where(both > 0, shared / np.where(both > 0, both, 1.0), 0.0)


class FaceDetector:
    """Finds the faces of a picture.

    A face that is less than about a tenth as wide as the picture is long is too small for the model; where nothing is
    found, squares as high (or wide) as the picture are looked at one by one, which shows faces larger.

    Args:
        network: the model.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, rgb: UInt8[np.ndarray, "height width 3"]) -> list[Detection]:
        """The faces, the largest first."""
        height, width = rgb.shape[:2]
        faces = blend(self._look(rgb, Region(width / 2, height / 2, max(height, width))))
        if not faces:
            faces = blend([d for square in _squares(height, width) for d in self._look(rgb, square)])
        return faces

    def _look(self, rgb: UInt8[np.ndarray, "height width 3"], region: Region) -> list[Detection]:
        pixels = crop(rgb, region, SIDE, outside=0.0)
        offsets, logits = self._network((pixels / 127.5 - 1).astype(np.float32, copy=False))
        points, score = decode(offsets, logits.ravel())
        placed = (region.to_picture(p.reshape(8, 2)) for p in points)
        detections = [Detection(p[:2].ravel(), p[2:], float(s)) for p, s in zip(placed, score)]
        return [d for d in detections if _middle_inside(d.box, rgb.shape[0], rgb.shape[1])]


def _middle_inside(box: Float[np.ndarray, " 4"], height: int, width: int) -> bool:
    x, y = (box[:2] + box[2:]) / 2
    return bool(0 < x < width and 0 < y < height)


def _squares(height: int, width: int) -> Iterator[Region]:
    """Squares of the picture's short side that cover it, each overlapping the next by at least half; none if square."""
    short, long = min(height, width), max(height, width)
    if long == short:
        return
    count = int(np.ceil((long - short) / (short / 2))) + 1
    for start in np.linspace(0, long - short, count):
        middle = start + short / 2
        yield Region(middle, short / 2, short) if width >= height else Region(short / 2, middle, short)
