"""The spectral envelope: true envelope, its mel cepstrum (MCEP) and its minimum phase.

The *true envelope* is the smoothest curve (cepstrum of order P) that lies on the peaks of the log spectrum: smooth,
raise the spectrum to the smoothed curve wherever it is below, smooth again, until nothing sticks out by 2 dB.  P is
half the sampling rate over F0: the finest detail that harmonics F0 apart can show.

A. Roebel and X. Rodet, "Efficient spectral envelope estimation and its application to pitch shifting and envelope
preservation", DAFx 2005.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Complex, Float
from scipy.fft import irfft, rfft

from md2n.extraction.audio.frames import RATE_HZ

TOLERANCE_NEPER = 2.0 * np.log(10) / 20
"""2 dB (Roebel & Rodet 2005)."""
ITERATIONS = 60
FLOOR_NEPER = 100 * np.log(10) / 20
"""Spectra are cut 100 dB under their maximum, about the range of 16-bit sound; a choice, it keeps logarithms finite."""


def log_amplitude(spectra: Complex[np.ndarray, "instant bin"]) -> Float[np.ndarray, "instant bin"]:
    """Natural log of the amplitude, at least 100 dB under the maximum; a spectrum of zeros gives zeros."""
    size = np.abs(spectra)
    top = size.max(axis=1, keepdims=True)
    size = np.where(top > 0, size, 1.0)
    return np.asarray(np.log(np.maximum(size, np.where(top > 0, top, 1.0) * np.exp(-FLOOR_NEPER))))


def true_envelope(
    log_spectra: Float[np.ndarray, "instant bin"], f0_hz: Float[np.ndarray, " instant"]
) -> Float[np.ndarray, "instant quefrency"]:
    """The real cepstrum ``c_0 .. c_bins`` of the true envelope (zero beyond P); the curve is its ``rfft``.

    Args:
        log_spectra: natural log amplitudes from 0 Hz to half the sampling rate.
        f0_hz: pitch, which sets the order P.
    """
    bins = log_spectra.shape[1] - 1
    order = np.minimum(np.rint(0.5 * RATE_HZ / f0_hz), bins - 1)
    keep = np.arange(bins + 1) <= order[:, None]
    cepstra = np.zeros_like(log_spectra)
    target, open_rows = log_spectra, np.arange(len(log_spectra))
    for _ in range(ITERATIONS):
        c = np.where(keep[open_rows], irfft(target, axis=1)[:, : bins + 1], 0.0)
        curve = from_cepstrum(c)
        cepstra[open_rows] = c
        above = log_spectra[open_rows] - curve
        unfinished = above.max(axis=1) > TOLERANCE_NEPER
        open_rows = open_rows[unfinished]
        if not len(open_rows):
            break
        target = np.maximum(log_spectra[open_rows], curve[unfinished])
    return cepstra


def from_cepstrum(cepstra: Float[np.ndarray, "instant quefrency"]) -> Float[np.ndarray, "instant bin"]:
    """The log amplitude whose real cepstrum is given (an even sequence, of which one half is held)."""
    return np.asarray(rfft(np.concatenate([cepstra, cepstra[:, -2:0:-1]], axis=1), axis=1).real)


def minimum_phase(cepstra: Float[np.ndarray, "instant quefrency"]) -> Float[np.ndarray, "instant bin"]:
    """Phase in radians of the minimum-phase filter whose log amplitude has this real cepstrum."""
    folded = np.zeros((len(cepstra), 2 * (cepstra.shape[1] - 1)))
    folded[:, 1 : cepstra.shape[1] - 1] = 2 * cepstra[:, 1:-1]
    return np.asarray(rfft(folded, axis=1).imag)


def mel_cepstrum(log_spectra: Float[np.ndarray, "instant bin"], count: int) -> Float[np.ndarray, "instant coefficient"]:
    """Cosine coefficients of a log spectrum over the mel axis, in nepers.

        L(m) = c_0 + sum_n c_n cos(pi n m / m_max),   m = 1127 ln(1 + f / 700 Hz),

    c_0 the mean over the axis.  Gain changes c_0 alone.
    """
    return np.asarray(log_spectra @ _mel_cosines(log_spectra.shape[1], count))


@lru_cache(maxsize=8)
def _mel_cosines(bins: int, count: int) -> Float[np.ndarray, "bin coefficient"]:
    """Reading the spectrum on the mel axis and the cosine transform of it, as one matrix."""
    top = 1127.0 * np.log1p(RATE_HZ / 2 / 700)
    hertz = 700 * np.expm1(np.linspace(0, top, bins) / 1127.0)
    place = np.clip(hertz / (RATE_HZ / 2) * (bins - 1), 0, bins - 1)
    low = np.minimum(place.astype(np.int64), bins - 2)
    warp = np.zeros((bins, bins))
    warp[np.arange(bins), low] = 1 - (place - low)
    warp[np.arange(bins), low + 1] += place - low
    weight = np.ones(bins)
    weight[[0, -1]] = 0.5
    cosine = np.cos(np.pi * np.outer(np.arange(bins), np.arange(count)) / (bins - 1)) * weight[:, None] / (bins - 1)
    cosine[:, 1:] *= 2
    return warp.T @ cosine
