"""Pitch-adaptive spectra: three periods of the sound around an instant, and the harmonics in them.

A Blackman window of three periods just separates the harmonics of a voice of that pitch, whatever the pitch is.  Its
weights sum to one, so a spectrum holds the half amplitudes of sinusoids, and phases are those at the instant.
"""

import numpy as np
from jaxtyping import Complex, Float, Int

from md2n.extraction.audio.frames import RATE_HZ, windows_around
from md2n.extraction.audio.pitch import LOWEST_HZ

PERIODS = 3.0
"""Length of the window (Degottex & Erro 2014)."""
BINS = 2048
HALF = round(PERIODS / 2 * RATE_HZ / LOWEST_HZ)


def centred_spectra(
    x: Float[np.ndarray, " sample"], centres: Int[np.ndarray, " instant"], f0_hz: Float[np.ndarray, " instant"]
) -> Complex[np.ndarray, "instant bin"]:
    """Spectra (1,025 bins to 8 kHz) with the time origin at the centre of each window."""
    from scipy.fft import rfft

    offset = np.arange(-HALF, HALF + 1)
    phase = offset * (f0_hz[:, None] / (PERIODS * RATE_HZ))
    taper = 0.42 + 0.5 * np.cos(2 * np.pi * phase) + 0.08 * np.cos(4 * np.pi * phase)
    taper = np.where(np.abs(phase) < 0.5, taper, 0.0)
    taper /= taper.sum(axis=1, keepdims=True)
    windows = windows_around(x, centres, HALF) * taper
    rolled = np.zeros((len(windows), BINS))
    rolled[:, : HALF + 1] = windows[:, HALF:]
    rolled[:, BINS - HALF :] = windows[:, :HALF]
    return np.asarray(rfft(rolled, axis=1))


def at_frequencies(
    spectra: Float[np.ndarray, "instant bin"] | Complex[np.ndarray, "instant bin"],
    hertz: Float[np.ndarray, "instant frequency"],
) -> Float[np.ndarray, "instant frequency"] | Complex[np.ndarray, "instant frequency"]:
    """Spectra from 0 to 8 kHz read between their bins, linearly; the last bin beyond."""
    bins = spectra.shape[1] - 1
    place = np.clip(hertz * (bins / (RATE_HZ / 2)), 0, bins)
    low = np.minimum(place.astype(np.int64), bins - 1)
    part = place - low
    left, right = np.take_along_axis(spectra, low, axis=1), np.take_along_axis(spectra, low + 1, axis=1)
    return np.asarray(left * (1 - part) + right * part)
