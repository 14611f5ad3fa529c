"""A square cut out of a picture, turned and scaled: what the face models look at.

A point of the crop (0 to 1 from its upper left corner) and one of the picture (pixels) belong together by

    x = centre + size R(angle) (u - 1/2).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8


@dataclass(frozen=True)
class Region:
    """A square in a picture.

    Args:
        x, y: its centre in pixels.
        size: length of its side in pixels.
        angle: from the picture's horizontal to its own, in radians, clockwise as one looks at it.
    """

    x: float
    y: float
    size: float
    angle: float = 0.0

    def to_picture(self, points: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, "point 2"]:
        """From the crop, 0 to 1, to the picture, in pixels."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        u, v = (points[:, 0] - 0.5) * self.size, (points[:, 1] - 0.5) * self.size
        return np.stack([self.x + c * u - s * v, self.y + s * u + c * v], axis=1)


def crop(
    rgb: UInt8[np.ndarray, "height width 3"], region: Region, side: int, outside: float | None = None
) -> Float32[np.ndarray, "side side 3"]:
    """What the region shows, ``side`` pixels wide, values 0 to 255.

    Where it is much larger than that, blocks of pixels are averaged first, so that no detail turns into noise.

    Args:
        rgb: the picture.
        region: may reach beyond its edges.
        side: of the result.
        outside: value of what lies beyond the edges; that of the nearest pixel if not given.
    """
    height, width = rgb.shape[:2]
    grid = (np.arange(side) + 0.5) / side
    v, u = np.meshgrid(grid, grid, indexing="ij")
    at = region.to_picture(np.stack([u.ravel(), v.ravel()], axis=1))
    inside = ((at > 0) & (at < (width, height))).all(axis=1) if outside is not None else None
    small, at = _reduced(rgb, at, max(1, int(region.size / side)))
    out = _bilinear(small, at)
    if inside is not None:
        out[~inside] = outside
    return out.reshape(side, side, 3)


def _reduced(
    rgb: UInt8[np.ndarray, "height width 3"], at: Float[np.ndarray, "point 2"], block: int
) -> tuple[np.ndarray, Float[np.ndarray, "point 2"]]:
    """The part of the picture around these places with blocks averaged, and the places in it."""
    height, width = rgb.shape[:2]
    block = min(block, height, width)
    if block == 1:
        return rgb, at
    (left, top), (right, bottom) = at.min(axis=0) // block - 1, at.max(axis=0) // block + 2
    left, right = int(np.clip(left, 0, width // block - 1)), int(np.clip(right, 1, width // block))
    top, bottom = int(np.clip(top, 0, height // block - 1)), int(np.clip(bottom, 1, height // block))
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    part = rgb[top * block : bottom * block, left * block : right * block]
    total = np.zeros((bottom - top, right - left, 3), np.uint32)
    for row in range(block):  # adding whole pictures is several times as fast as a mean over small axes
        for column in range(block):
            total += part[row::block, column::block]
    return (total / np.float32(block**2)).astype(np.float32), at / block - (left, top)


def _bilinear(rgb: np.ndarray, at: Float[np.ndarray, "point 2"]) -> Float32[np.ndarray, "point 3"]:
    """Values between pixels, whose centres are at halves."""
    height, width = rgb.shape[:2]
    place = np.clip(at - 0.5, 0, (width - 1, height - 1))
    low = np.minimum(place.astype(np.int32), (max(width - 2, 0), max(height - 2, 0)))
    part = (place - low).astype(np.float32)
    flat = rgb.reshape(-1, 3)
    corner = low[:, 1] * width + low[:, 0]
    right, down = (1 if width > 1 else 0), (width if height > 1 else 0)
    px, py = part[:, :1], part[:, 1:]
    upper = flat[corner] * (1 - px) + flat[corner + right] * px
    lower = flat[corner + down] * (1 - px) + flat[corner + down + right] * px
    out: np.ndarray = upper * (1 - py) + lower * py
    return out.astype(np.float32, copy=False)
