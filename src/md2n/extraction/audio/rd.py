"""The shape of the glottal pulse, Rd, from the phases of the harmonics.

If speech is a pulse of shape Rd through a minimum-phase vocal tract, then the phase that is left at harmonic k,

    theta_k(Rd) = arg S_k - arg G_k(Rd) - arg C-(|S| / |G(Rd)|)_k,

with S the speech, G the LF pulse and C- the minimum phase of an amplitude, is linear in k: a pure delay.  The mean
square of the phase, at the best delay tau, is least at the true Rd:

    MSP(Rd) = min_tau mean_k wrap( theta_k(Rd) - k tau )^2.

G. Degottex, A. Roebel and X. Rodet, "Phase minimization for glottal model estimation", IEEE TASLP 19 (2011).
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Complex, Float

from md2n.extraction.audio.envelope import minimum_phase
from md2n.extraction.audio.frames import RATE_HZ
from md2n.extraction.audio.liljencrants_fant import pulse
from md2n.extraction.audio.spectra import at_frequencies

GRID = np.round(np.arange(0.3, 2.501, 0.1), 2)
"""Fant's range below 2.5, where the criterion is still pointed (Degottex et al. 2011)."""
HARMONICS = 8
"""Harmonics used; a choice: about 1 kHz of a low voice, above which breath hides the pulse's phase."""
DELAYS = 32
"""Steps of the search for the delay over one period; the eighth harmonic turns by a quarter between two."""
BINS = 512


def rd_shape(
    harmonics: Complex[np.ndarray, "instant harmonic"], f0_hz: Float[np.ndarray, " instant"]
) -> tuple[Float[np.ndarray, " instant"], Float[np.ndarray, " instant"]]:
    """Rd (0.3 to 2.5, refined between the steps of the grid) and its confidence (0 to 1).

    The confidence is one minus the root of the criterion over pi: about 0.42 for phases at random, 1 for a perfect
    pulse.

    Args:
        harmonics: at ``k F0``, k = 1 .. , at least as many as lie below 8 kHz.
        f0_hz: pitch.
    """
    reach = np.clip(np.floor(RATE_HZ / 2 / f0_hz).astype(np.int64), 3, harmonics.shape[1])
    level = np.log(np.maximum(np.abs(harmonics), 1e-9))
    cost = np.empty((len(harmonics), len(GRID)))
    for n in np.unique(reach):
        rows = np.flatnonzero(reach == n)
        used = min(HARMONICS, int(n))
        theta = np.angle(harmonics[rows, :used]) - level[rows, :n] @ _least_phase(int(n), used)
        cost[rows] = mean_square_phase(theta[:, None, :] - _model_phase(int(n), used))
    return _refined(cost)


def mean_square_phase(theta: Float[np.ndarray, "instant shape harmonic"]) -> Float[np.ndarray, "instant shape"]:
    """MSP: the mean square of phases, wrapped, at the delay that makes it least.

    The delay is searched on a grid; then, with the turns of each harmonic fixed, it is a line through the origin.
    """
    k = np.arange(1, theta.shape[2] + 1)
    turns = theta / (2 * np.pi)
    best = np.full(theta.shape[:2], np.inf)
    start = np.zeros(theta.shape[:2])
    for delay in np.arange(DELAYS) / DELAYS:
        error = turns - k * delay
        error -= np.rint(error)
        cost = np.einsum("isk,isk->is", error, error)
        start = np.where(cost < best, delay, start)
        best = np.minimum(cost, best)
    error = turns - k * start[..., None]
    error -= np.rint(error)
    error -= k * ((error @ k) / (k @ k))[..., None]
    error -= np.rint(error)
    return np.asarray((2 * np.pi) ** 2 / len(k) * np.minimum(np.einsum("isk,isk->is", error, error), best))


@lru_cache(maxsize=512)
def _model_phase(reach: int, used: int) -> Float[np.ndarray, "shape harmonic"]:
    """``arg G_k - arg C-(|G|)_k`` for every Rd of the grid, for a voice with ``reach`` harmonics below 8 kHz."""
    k = np.arange(1, reach + 1, dtype=np.float64)
    spectra = np.stack([pulse(float(rd)).spectrum(k) for rd in GRID])
    return np.asarray(np.angle(spectra[:, :used]) - np.log(np.abs(spectra)) @ _least_phase(reach, used))


@lru_cache(maxsize=512)
def _least_phase(reach: int, used: int) -> Float[np.ndarray, "all_harmonics harmonic"]:
    """The matrix from log amplitudes at all harmonics to minimum phases at the first few.

    The amplitude is linear in dB between harmonics and flat below the first and above the last.
    """
    place = np.linspace(0, reach, BINS + 1)
    between = np.stack([np.interp(place, np.arange(1, reach + 1), row) for row in np.eye(reach)])
    phase = minimum_phase(np.fft.irfft(between, axis=1)[:, : BINS + 1])
    at = np.broadcast_to(np.arange(1, used + 1) * (RATE_HZ / 2 / reach), (reach, used))
    return np.asarray(at_frequencies(phase, at))


def _refined(
    cost: Float[np.ndarray, "instant shape"],
) -> tuple[Float[np.ndarray, " instant"], Float[np.ndarray, " instant"]]:
    """The minimum over the grid, moved to that of the parabola through its neighbours."""
    rows = np.arange(len(cost))
    best = cost.argmin(axis=1)
    inner = np.clip(best, 1, len(GRID) - 2)
    left, middle, right = (cost[rows, inner + d] for d in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(bend > 0, 0.5 * (left - right) / np.where(bend > 0, bend, 1.0), 0.0)
    rd = GRID[inner] + np.clip(shift, -0.5, 0.5) * (GRID[1] - GRID[0])
    rd = np.where(inner == best, rd, GRID[best])
    return rd, 1 - np.sqrt(cost[rows, best]) / np.pi
