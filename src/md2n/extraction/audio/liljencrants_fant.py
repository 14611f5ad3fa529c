"""The LF model of the glottal flow derivative, of one shape parameter Rd, in periods.

    e(t) = E_0 exp(a t) sin(w t)                                             0 <= t <= t_e
    e(t) = -(E_e / (eps t_a)) (exp(-eps (t - t_e)) - exp(-eps (1 - t_e)))    t_e <  t <= 1

with E_e = 1, t_p = pi / w the flow's maximum, continuity at t_e, and no flow left at the end of the period.  Rd rises
from tense (0.3) to breathy (2.7).

G. Fant, J. Liljencrants and Q. Lin, "A four-parameter model of glottal flow", STL-QPSR 4 (1985).
G. Fant, "The LF-model revisited. Transformations and frequency domain analysis", STL-QPSR 2-3 (1995) (Rd).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Complex, Float


@dataclass(frozen=True)
class Pulse:
    """One shape: times in periods, rates per period, for a derivative that reaches -1 at ``closure``."""

    closure: float
    return_time: float
    frequency: float
    growth: float
    decay: float
    height: float

    def derivative(self, time: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Flow derivative at times in [0, 1) periods."""
        opening = self.height * np.exp(self.growth * time) * np.sin(self.frequency * time)
        late = np.maximum(time - self.closure, 0.0)
        end = np.exp(-self.decay * (1 - self.closure))
        closing = -(np.exp(-self.decay * late) - end) / (self.decay * self.return_time)
        return np.where(time <= self.closure, opening, closing)

    def spectrum(self, harmonic: Float[np.ndarray, " harmonic"]) -> Complex[np.ndarray, " harmonic"]:
        """Fourier transform of one pulse at (not necessarily whole) multiples of F0."""
        s = 2j * np.pi * harmonic
        pole = self.growth - s
        w, te = self.frequency, self.closure
        opening = np.exp(pole * te) * (pole * np.sin(w * te) - w * np.cos(w * te)) + w
        opening *= self.height / (pole**2 + w**2)
        rest = 1 - te
        end = np.exp(-self.decay * rest)
        falling = (1 - np.exp(-(self.decay + s) * rest)) / (self.decay + s)
        still = np.where(s == 0, rest, (1 - np.exp(-s * rest)) / np.where(s == 0, 1, s))
        closing = -np.exp(-s * te) * (falling - end * still) / (self.decay * self.return_time)
        return np.asarray(opening + closing)


@lru_cache(maxsize=512)
def pulse(rd: float) -> Pulse:
    """The LF pulse of shape Rd (0.3 to 2.7), by Fant's regressions for R_a, R_k and R_g."""
    from scipy.optimize import brentq

    ra = (-1.0 + 4.8 * rd) / 100
    rk = (22.4 + 11.8 * rd) / 100
    rg = rk * (0.5 + 1.2 * rk) / (4 * (0.11 * rd - ra * (0.5 + 1.2 * rk)))
    w = 2 * np.pi * rg
    te = (1 + rk) / (2 * rg)
    rest = 1 - te
    decay = brentq(lambda e: e * ra - 1 + np.exp(-e * rest), 1e-3, 10 / ra)
    end = np.exp(-decay * rest)
    closing = -((1 - end) / decay - rest * end) / (decay * ra)

    def leftover(growth: float) -> float:
        height = -1 / (np.exp(growth * te) * np.sin(w * te))
        area = np.exp(growth * te) * (growth * np.sin(w * te) - w * np.cos(w * te)) + w
        return float(height * area / (growth**2 + w**2) + closing)

    growth = brentq(leftover, -50, 100)
    return Pulse(te, ra, w, growth, decay, -1 / (np.exp(growth * te) * np.sin(w * te)))
