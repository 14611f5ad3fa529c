"""Centre and scale of every feature; with ``robust`` a few extreme values do not decide them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.data.samples import Array

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
TAILS = (1.0, 99.0)  # percentiles to which values are clipped before mean and deviation are taken
FAR = 20.0  # an end at which values stick is left out where it is this many ranges of the others away
OTHERS = 5  # values between the ends that are needed to decide this
COLUMNS = 64  # features measured at a time, to bound memory
FLAT = 1e-6  # a deviation below this part of the centre is rounding
TINY = 1e-30  # the least deviation float32 arithmetic can divide by with room to spare


@dataclass(frozen=True)
class Affine:
    """``(x - centre) / scale`` per feature, both ``[d]`` float32."""

    centre: Floats
    scale: Floats

    __repr__ = brief

    @staticmethod
    def fit(frames: Array, kind: str, tails: tuple[float, float] = TAILS, least_scale: float = TINY) -> "Affine":
        """From valid frames ``[n, d]``; identity for ``none`` or without frames.

        Args:
            frames: numbers; NaN at unknown cells, which are left out.
            kind: ``robust`` clips each feature first; ``none`` gives the identity; anything else is plain.
            tails: percentiles that ``robust`` clips to.
            least_scale: a smaller deviation counts as none, and so does one of the size of rounding.
        """
        dim = frames.shape[1]
        centre, scale = np.zeros(dim, np.float32), np.ones(dim, np.float32)
        if kind == "none" or not len(frames):
            return Affine(centre, scale)
        for start in range(0, dim, COLUMNS):
            part = slice(start, min(start + COLUMNS, dim))
            x = np.ascontiguousarray(frames[:, part].T, np.float64)
            if np.isnan(x).any():
                each = [Affine.fit(row[np.isfinite(row)][:, None], kind, tails, least_scale) for row in x]
                centre[part], scale[part] = [a.centre[0] for a in each], [a.scale[0] for a in each]
                continue
            if kind == "robust":
                x = _clipped(x, tails)
            mean, deviation = x.mean(axis=1), x.std(axis=1)
            flat = deviation <= np.maximum(least_scale, FLAT * np.abs(mean))
            centre[part], scale[part] = mean, np.where(flat, 1.0, deviation)
        return Affine(centre, scale)

    @property
    def is_usable(self) -> bool:
        """True where every centre is a number and every scale a positive one, of as many features."""
        numbers = bool(np.isfinite(self.centre).all() and np.isfinite(self.scale).all() and (self.scale > 0).all())
        return numbers and self.centre.ndim == 1 and self.centre.shape == self.scale.shape

    def apply(self, x: Floats) -> Floats:
        """Towards the network."""
        return (x - self.centre) / self.scale

    def invert(self, x: Floats) -> Floats:
        """Towards the data."""
        return x * self.scale + self.centre


def _clipped(x: Doubles, tails: tuple[float, float]) -> Doubles:
    """Each feature (row of ``[d, n]``) clipped to its percentiles ``tails``, and away from an end where it sticks."""
    low, high = np.percentile(x, tails, axis=1)
    least, most = x.min(axis=1), x.max(axis=1)
    # Where at least 98 of 100 values are equal the tails are all there is: keep them.
    alike = high <= low
    low, high = np.where(alike, least, low), np.where(alike, most, high)
    for j in np.flatnonzero((low == least) | (high == most)):
        others = x[j][(x[j] > least[j]) & (x[j] < most[j])]
        if len(others) < OTHERS:
            continue
        bottom, top = np.percentile(others, TAILS)
        reach = FAR * (top - bottom)
        if reach > 0 and bottom - least[j] > reach:
            low[j] = max(low[j], bottom)
        if reach > 0 and most[j] - top > reach:
            high[j] = min(high[j], top)
    return np.clip(x, low[:, None], high[:, None])
