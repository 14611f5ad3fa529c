"""Made heads: landmarks that are mirrored left to right, and turns of them."""

import numpy as np

from md2n.extraction.vision.columns import COLUMNS, FOREHEAD, INNER_LIPS, NOSE_BASE, SIDES

MIDLINE = (0, 13, 14, 17, 18, 152, 199, 200, *FOREHEAD, *NOSE_BASE)


def mirrored() -> dict[int, int]:
    """Landmark -> the one across the midline, of all that the columns use."""
    count = len(INNER_LIPS)  # a contour around from the right corner: the left one is half-way
    across = {INNER_LIPS[i]: INNER_LIPS[(count // 2 - i) % count] for i in range(count)}
    across |= {i: i for i in MIDLINE}
    pairs = [*SIDES, (37, 267), (84, 314), (48, 278), (64, 294)]
    named = {c.name: c for c in COLUMNS}
    for name in named:
        if name.endswith("_right"):
            right, left = named[name], named[name.removesuffix("right") + "left"]
            pairs += [p for p in zip(right.of + right.from_, left.of + left.from_, strict=True) if p[0] != p[1]]
    return across | dict(pairs) | {b: a for a, b in pairs}


def made_head(rng: np.random.Generator, distance: float = 60.0) -> np.ndarray:
    """``[468, 3]`` pixels: a mirrored head that looks at the camera, its eyes ``distance`` apart."""
    points = rng.normal((0, 0.5, 0), 0.3, (468, 3))
    points[33], points[133] = (-0.7, 0, 0), (-0.3, 0, 0)
    points[10], points[151], points[2] = (0, -1.0, -0.3), (0, -0.6, -0.3), (0, 0.8, -0.3)
    for right, _ in SIDES[2:]:
        points[right] = (-1.0, rng.uniform(-0.9, 0.3), rng.uniform(0, 0.9))
    for a, b in mirrored().items():
        if a == b:
            points[a, 0] = 0
        elif points[a, 0] < 0 or points[b, 0] >= 0:
            points[a, 0] = -abs(points[a, 0])
            points[b] = points[a] * (-1, 1, 1)
    return points * distance + (320, 240, 0)


def turned(points: np.ndarray, pitch: float = 0, yaw: float = 0, roll: float = 0) -> np.ndarray:
    """The head rolled to its left shoulder, its chin raised, then turned to its left; degrees, about a fixed point."""
    p, y, r = np.radians([pitch, yaw, roll])
    rolls = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    raises = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    turns = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    centre = np.array([300.0, 250.0, 30.0])
    return (points - centre) @ (turns @ raises @ rolls).T + centre
