"""Phase distortion of the harmonics: its mean (HMPDM) and its deviation (HMPDD).

With phi_k the phase of harmonic k, the phase distortion

    PD_k = phi_k - phi_{k-1} - phi_1          (PD_1 = 0)

does not change when the sound is delayed.  Over a few instants its mean direction shows the pulse's shape, and its
deviation ``sqrt(-2 log R)``, R the length of the mean of ``exp(i PD)``, how noisy the voice is.

G. Degottex and D. Erro, "A uniform phase representation for the harmonic model in speech synthesis applications",
EURASIP Journal on Audio, Speech, and Music Processing 2014:38.
"""

import numpy as np
from jaxtyping import Complex, Float

from md2n.extraction.audio.envelope import mel_cepstrum
from md2n.extraction.audio.frames import RATE_HZ

NEIGHBOURS = 4
"""Instants on either side in a mean, 90 ms in all: about nine periods of a low voice; a choice."""
LOWEST_HZ = 20.0
"""Where the log-frequency axis of HMPDM starts; a choice, columns under F0 are exactly 0."""
LEAST_DEVIATION = 1e-3
"""Floor before the logarithm: the first harmonic never deviates; a choice."""
BINS = 512


def phase_distortion(harmonics: Complex[np.ndarray, "instant harmonic"]) -> Complex[np.ndarray, "instant harmonic"]:
    """``exp(i PD_k)`` for k = 1 .., of unit length."""
    unit = np.exp(1j * np.angle(harmonics))
    before = np.concatenate([np.ones_like(unit[:, :1]), unit[:, :-1]], axis=1)
    out: np.ndarray = unit * np.conj(before) * np.conj(unit[:, :1])
    out[:, 0] = 1.0
    return out


def running_mean(distortion: Complex[np.ndarray, "instant harmonic"]) -> Complex[np.ndarray, "instant harmonic"]:
    """The mean of ``exp(i PD)`` over each instant and its neighbours either side (fewer at the ends)."""
    width = 2 * NEIGHBOURS + 1
    total = np.cumsum(np.pad(distortion, ((NEIGHBOURS + 1, NEIGHBOURS), (0, 0))), axis=0)
    held = np.cumsum(np.pad(np.ones(len(distortion)), (NEIGHBOURS + 1, NEIGHBOURS)))
    return np.asarray((total[width:] - total[:-width]) / (held[width:] - held[:-width])[:, None])


def mean_columns(
    mean: Complex[np.ndarray, "instant harmonic"], f0_hz: Float[np.ndarray, " instant"], count: int
) -> Complex[np.ndarray, "instant column"]:
    """The mean of ``exp(i PD)`` at frequencies evenly spaced in log from 20 Hz to 8 kHz; HMPDM is its angle.

    Directions are mixed between harmonics as complex numbers, so that nothing jumps where an angle wraps.
    """
    hertz = np.geomspace(LOWEST_HZ, RATE_HZ / 2, count)
    return _between_harmonics(mean, hertz / f0_hz[:, None], f0_hz)


def deviation_columns(
    mean: Complex[np.ndarray, "instant harmonic"], f0_hz: Float[np.ndarray, " instant"], count: int
) -> Float[np.ndarray, "instant column"]:
    """HMPDD: the mel cepstrum of the log deviation."""
    length = np.clip(np.abs(mean), 1e-9, 1.0)
    log_deviation = np.log(np.maximum(np.sqrt(-2 * np.log(length)), LEAST_DEVIATION))
    hertz = np.linspace(0, RATE_HZ / 2, BINS + 1)
    curve = _between_harmonics(log_deviation, hertz / f0_hz[:, None], f0_hz)
    return mel_cepstrum(np.asarray(curve, dtype=np.float64), count)


def _between_harmonics(
    values: Complex[np.ndarray, "instant harmonic"] | Float[np.ndarray, "instant harmonic"],
    place: Float[np.ndarray, "instant point"],
    f0_hz: Float[np.ndarray, " instant"],
) -> Complex[np.ndarray, "instant point"] | Float[np.ndarray, "instant point"]:
    """Values at harmonics read at multiples ``place`` of F0, linearly; the first and last harmonic are held."""
    last = np.clip(np.floor(RATE_HZ / 2 / f0_hz), 1, values.shape[1])[:, None]
    index = np.clip(place, 1, last) - 1
    low = np.clip(index.astype(np.int64), 0, np.maximum(last.astype(np.int64) - 2, 0))
    part = index - low
    high = np.minimum(low + 1, values.shape[1] - 1)
    out: np.ndarray = (
        np.take_along_axis(values, low, axis=1) * (1 - part) + np.take_along_axis(values, high, axis=1) * part
    )
    return out
