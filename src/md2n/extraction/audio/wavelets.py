"""Measures of breathy and tense voice from one wavelet: peakSlope and the maxima dispersion quotient (MDQ).

The mother wavelet is a cosine of half the sampling rate under a Gaussian, and its copies at scales 2^i are octaves:

    g(t) = -cos(2 pi f_n t) exp(-t^2 / (2 tau^2)),   f_n = f_s / 2,   tau = 1 / (2 f_n),   y_i = x * g(t / 2^i).

J. Kane and C. Gobl, "Identifying regions of non-modal phonation using features of the wavelet transform", Interspeech
2011 (peakSlope).
J. Kane and C. Gobl, "Wavelet maxima dispersion for breathy to tense voice discrimination", IEEE TASLP 21 (2013) (MDQ).
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import oaconvolve

from md2n.extraction.audio.frames import HOP, RATE_HZ, blocks, windows_around

OCTAVES = 7
"""Scales 2^0 .. 2^6: centres 8 kHz down to 125 Hz."""
SLOPE_WINDOW = RATE_HZ * 40 // 1000
"""40 ms; COVAREP's length (the peaks of 30 to 50 ms differ by about 0.01 in slope)."""
DISPERSION_SCALES = (2, 3, 4, 5, 6)
"""Centres 2 kHz to 125 Hz; the two octaves above are noise in a residual.  A choice: it agrees best with COVAREP."""
DISPERSION_REACH = 0.2
"""Maxima are looked for within this part of a period around the closure.  A choice: it agrees best with COVAREP."""
BLOCK = 1000


def octave_band(x: Float[np.ndarray, " sample"], scale: int) -> Float[np.ndarray, " sample"]:
    """The sound through the wavelet at scale ``2^scale``; zero phase, no gain correction."""
    stretch = 2**scale
    half = 10 * stretch  # the Gaussian has fallen by exp(-50) there
    t = np.arange(-half, half + 1) / stretch
    wavelet = -np.cos(np.pi * t) * np.exp(-(t**2) / 2)
    return np.asarray(oaconvolve(np.pad(x, half), wavelet, "valid"))


def peak_slope(
    x: Float[np.ndarray, " sample"], instants: int
) -> tuple[Float[np.ndarray, " instant"], Bool[np.ndarray, " instant"]]:
    """The slope of log10(largest amplitude in 40 ms) per octave upwards, and where it was measured.

    -0.6 is near a pure tone's fall; breathy voice is steep, tense voice flat.  A window that reaches outside the sound
    or holds a silent octave is not measured.
    """
    start = np.arange(instants) * HOP - SLOPE_WINDOW // 2
    inside = (start >= 0) & (start + SLOPE_WINDOW <= len(x))
    peak = np.zeros((OCTAVES, instants))
    if inside.any():
        for scale in range(OCTAVES):
            size = np.abs(octave_band(x, scale))
            # Maxima over 5 ms first: the window is a whole number of them.
            step = HOP // 2
            short = np.pad(size, (0, -len(size) % step)).reshape(-1, step).max(axis=1)
            views = sliding_window_view(short, SLOPE_WINDOW // step)
            peak[scale, inside] = views[start[inside] // step].max(axis=1)
    measured = inside & (peak > 0).all(axis=0)
    height = np.log10(np.where(peak > 0, peak, 1.0))
    octave = -np.arange(OCTAVES, dtype=np.float64)
    octave -= octave.mean()
    slope = octave @ height / (octave @ octave)
    return np.where(measured, slope, 0.0), measured


def maxima_dispersion(
    error: Float[np.ndarray, " sample"], closures: Int[np.ndarray, " closure"], period: Int[np.ndarray, " closure"]
) -> Float[np.ndarray, " closure"]:
    """MDQ: the mean distance of the octaves' maxima from the closure, as part of the period.

    A sharp closure is an extremum at every scale at once; a soft one disperses the scales.  The wavelet is -1 at its
    centre, so beside a positive peak of the residual the maxima lie half a cycle off, or at the end of the search: with
    this sign, which COVAREP's output shows, tense voice gives about 0.05 and breathy voice 0.1 and more.

    Args:
        error: the linear-prediction residual of the sound, right way up.
        closures: in samples.
        period: in samples.
    """
    reach = np.rint(DISPERSION_REACH * period).astype(np.int64)
    half = int(reach.max())
    offset = np.arange(-half, half + 1)
    total = np.zeros(len(closures))
    for scale in DISPERSION_SCALES:
        band = octave_band(error, scale)
        for start, stop in blocks(len(closures), BLOCK):
            near = windows_around(band, closures[start:stop], half)
            near = np.where(np.abs(offset) <= reach[start:stop, None], near, -np.inf)
            total[start:stop] += np.abs(near.argmax(axis=1) - half)
    return np.asarray(total / len(DISPERSION_SCALES) / period)
