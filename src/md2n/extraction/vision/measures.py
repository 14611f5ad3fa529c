"""From landmarks to the columns of ``geoAU@1``: the head's axes, then what the table of ``columns`` says.

The axes of a head, as seen in the picture's (x right, y down, z away):

    b = nose base - forehead                                                          downwards
    a = sum of (left - right) over pairs that do not move, made orthogonal to b       to the person's left
    c = a x b                                                                         backwards

each of length one.  The midline comes first: with the pairs first, a turned head would seem to push its jaw aside.

A place p becomes ``(a, b, c) . (p - o) / d``, with ``o`` midway between the eyes and ``d`` their distance.  The
landmarks' depth is the model's estimate from one picture: turned back by it, measures of a face that looks 30 degrees
aside are near those of the same face from the front, not equal to them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from md2n.brief import brief
from md2n.extraction.vision.columns import COLUMNS, FOREHEAD, LEFT_EYE, NOSE_BASE, RIGHT_EYE, SIDES, Along, Column


@dataclass(frozen=True, eq=False)
class Heads:
    """Landmarks in the head's own axes.

    Args:
        points: to the person's left, downwards, backwards; from midway between the eyes, in eye distances.
        axes: the three axes as columns, in the picture's.
        eye_distance: in pixels.
    """

    points: Float[np.ndarray, "frame point 3"]
    axes: Float[np.ndarray, "frame 3 3"]
    eye_distance: Float[np.ndarray, " frame"]

    __repr__ = brief


def heads(landmarks: Float[np.ndarray, "frame point 3"]) -> Heads:
    """Landmarks of a picture in the head's own axes.

    Args:
        landmarks: x right, y down, z away, all on one scale.
    """
    at = landmarks.astype(np.float64)
    right, left = at[:, RIGHT_EYE].mean(axis=1), at[:, LEFT_EYE].mean(axis=1)
    distance = np.linalg.norm(left - right, axis=1)
    pairs = np.array(SIDES)
    b = _unit(at[:, NOSE_BASE].mean(axis=1) - at[:, FOREHEAD].mean(axis=1))
    a = (at[:, pairs[:, 1]] - at[:, pairs[:, 0]]).sum(axis=1)
    a = _unit(a - (a * b).sum(axis=1, keepdims=True) * b)
    axes = np.stack([a, b, np.cross(a, b)], axis=2)
    points = (at - ((right + left) / 2)[:, None]) @ axes / distance[:, None, None]
    return Heads(points, axes, distance)


def measures(landmarks: Float[np.ndarray, "frame point 3"]) -> Float[np.ndarray, "frame 35"]:
    """The columns of ``geoAU@1``.

    Args:
        landmarks: 468 of each face: x right, y down, z away, all on one scale.
    """
    faces = heads(landmarks)
    return np.stack([_column(faces, column) for column in COLUMNS], axis=1)


def pose(axes: Float[np.ndarray, "frame 3 3"]) -> Float[np.ndarray, "frame 3"]:
    """Pitch (chin up), yaw (to the person's left) and roll (to the person's left shoulder) in degrees.

    Zero is a face towards the camera whose forehead is as far away as the base of its nose: heads that are held
    straight differ by a few degrees of pitch.  The head rolls, then pitches, then turns.
    """
    pitch = np.arcsin(np.clip(axes[:, 1, 2], -1, 1))
    yaw = np.arctan2(-axes[:, 0, 2], axes[:, 2, 2])
    roll = np.arctan2(axes[:, 1, 0], axes[:, 1, 1])
    return np.asarray(np.degrees(np.stack([pitch, yaw, roll], axis=1)))


_AXIS = {
    Along.LEFT: (1, 0, 0),
    Along.RIGHT: (-1, 0, 0),
    Along.DOWN: (0, 1, 0),
    Along.UP: (0, -1, 0),
    Along.FORWARD: (0, 0, -1),
}
_ANGLE = {Along.PITCH: 0, Along.YAW: 1, Along.ROLL: 2}


def _column(faces: Heads, column: Column) -> Float[np.ndarray, " frame"]:
    if column.along in _ANGLE:
        return np.asarray(pose(faces.axes)[:, _ANGLE[column.along]])
    if column.along is Along.AREA:
        return _area(faces.points[:, column.of, :2])
    apart = faces.points[:, column.of].mean(axis=1) - faces.points[:, column.from_].mean(axis=1)
    if column.along is Along.DISTANCE:
        return np.asarray(np.linalg.norm(apart, axis=1))
    return np.asarray(apart @ np.array(_AXIS[column.along], dtype=np.float64))


def _area(contour: Float[np.ndarray, "frame point 2"]) -> Float[np.ndarray, " frame"]:
    """Inside a contour that is gone around clockwise as one looks at it; a contour that is turned over counts less."""
    x, y = contour[..., 0], contour[..., 1]
    return np.asarray(0.5 * (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1))


def _unit(v: Float[np.ndarray, "frame 3"]) -> Float[np.ndarray, "frame 3"]:
    return np.asarray(v / np.linalg.norm(v, axis=1, keepdims=True))
