"""Instants of glottal closure (SEDREAMS), and the polarity of the recording.

A voice is smoothed by a window of 1.75 mean periods: the *mean-based signal* rises and falls once a period, and each
closure lies at a nearly constant place between a minimum and the maximum that follows.  The largest peak of the
linear-prediction residual near that place is the closure.

T. Drugman, M. Thomas, J. Gudnason, P. Naylor and T. Dutoit, "Detection of glottal closure instants from speech
signals: a quantitative review", IEEE TASLP 20 (2012).
T. Drugman, "Residual excitation skewness for automatic speech polarity detection", IEEE Signal Processing Letters 20
(2013).
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.signal import butter, ellip, ellipord, oaconvolve, sosfiltfilt

from md2n.extraction.audio.frames import HOP, RATE_HZ
from md2n.extraction.audio.linear_prediction import residual
from md2n.extraction.audio.pitch import Pitch

ORDER = RATE_HZ // 1000 + 2
SMOOTHING_PERIODS = 1.75
"""Length of the Blackman window of the mean-based signal (Drugman et al. 2012: 1.75 works for all their speakers)."""
REACH = 0.35
"""Half the search interval, as part of the way from minimum to maximum (Drugman et al. 2012)."""
STRONG = 0.4
"""Residual samples above this part of the largest show where closures lie; a choice, 0.3 to 0.5 change little."""
ROUGH_HZ = 480.0
"""High-pass before the model of the rough glottal source (Drugman 2013)."""


def skewness(x: Float[np.ndarray, " sample"]) -> float:
    """Third standardised moment; 0 for a constant."""
    centred = x - x.mean()
    scale = float(np.mean(centred**2))
    return float(np.mean(centred**3)) / scale**1.5 if scale > 0 else 0.0


def polarity(x: Float[np.ndarray, " sample"], error: Float[np.ndarray, " sample"]) -> int:
    """+1 where closures are positive peaks of the residual, -1 where the recording is upside down.

    The residual and a rough glottal source are skewed in opposite directions, and both turn over with the polarity.

    Args:
        x: the sound at 16 kHz.
        error: its residual of order 18.
    """
    high = sosfiltfilt(butter(4, ROUGH_HZ, "high", fs=RATE_HZ, output="sos"), x, padlen=min(len(x) - 1, RATE_HZ // 50))
    return -1 if skewness(error) < skewness(residual(x, ORDER, model=high)) else 1


def mean_based(x: Float[np.ndarray, " sample"], mean_f0_hz: float) -> Float[np.ndarray, " sample"]:
    """The sound smoothed over 1.75 mean periods, without what lies below 50 Hz (30 Hz is down by 60 dB)."""
    half = round(SMOOTHING_PERIODS * RATE_HZ / mean_f0_hz / 2)
    window = np.blackman(2 * half + 1)
    smooth = oaconvolve(np.pad(x, half), window / window.sum(), "valid")
    order, edge = ellipord(50, 30, 3, 60, fs=RATE_HZ)
    drift = ellip(order, 3, 60, edge, "high", fs=RATE_HZ, output="sos")
    return np.asarray(sosfiltfilt(drift, smooth, padlen=min(len(x) - 1, 1000)))


def sedreams(
    x: Float[np.ndarray, " sample"], error: Float[np.ndarray, " sample"], mean_f0_hz: float
) -> Int[np.ndarray, " closure"]:
    """Samples of the closures, one for each cycle of the mean-based signal, voiced or not.

    Args:
        x: the sound at 16 kHz, right way up.
        error: its residual of order 18.
        mean_f0_hz: of the speaker.
    """
    smooth = mean_based(x, mean_f0_hz)
    rising = np.diff(smooth) > 0
    turns = np.flatnonzero(rising[1:] != rising[:-1]) + 1
    minima = turns[rising[turns]] if len(turns) else turns
    maxima = turns[~rising[turns]] if len(turns) else turns
    if len(minima) and len(maxima) and maxima[0] < minima[0]:
        maxima = maxima[1:]
    minima = minima[: len(maxima)]
    if not len(minima) or not error.max(initial=0.0) > 0:
        return np.zeros(0, dtype=np.int64)
    strong = np.flatnonzero(error > STRONG * error.max())
    cycle = np.searchsorted(minima, strong, side="right") - 1
    strong, cycle = strong[cycle >= 0], cycle[cycle >= 0]
    span = maxima - minima
    place = float(np.median((strong - minima[cycle]) / span[cycle])) if len(strong) else 0.0
    first = np.clip(minima + np.rint((place - REACH) * span).astype(np.int64), 0, len(x) - 1)
    last = np.clip(minima + np.rint((place + REACH) * span).astype(np.int64), 0, len(x) - 1)
    peaks = [a + int(error[a : b + 1].argmax()) for a, b in zip(first.tolist(), last.tolist()) if b > a]
    return np.unique(np.asarray(peaks, dtype=np.int64))


def voiced_closures(closures: Int[np.ndarray, " closure"], pitch: Pitch) -> Int[np.ndarray, " voiced"]:
    """The closures nearest to (or half-way from) a voiced instant."""
    place = closures / HOP
    voiced = np.interp(place, np.arange(len(pitch.voiced)), pitch.voiced.astype(np.float64), left=0, right=0)
    return closures[voiced >= 0.5]
