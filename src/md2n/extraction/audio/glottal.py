"""Measures of one glottal pulse, taken at every closure: NAQ, QOQ, H1-H2 and PSP.

The pulse of a closure is the flow from one period before it to the closure itself.  All four are free of the gain of
the recording; none has a unit but H1-H2 (dB).
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.fft import rfft

from md2n.extraction.audio.frames import RATE_HZ, windows_around

LONGEST = RATE_HZ // 20
SHORTEST = RATE_HZ // 500
"""Periods from 20 to 500 Hz are measured; a longer gap is a pause between two stretches of voice."""
PULSE_BINS = 2048
SPECTRUM_BINS = 8192
FIT_ERROR = 0.01
"""Largest relative error of the parabola (Alku, Strik & Vilkman 1997)."""


def periods(closures: Int[np.ndarray, " closure"]) -> tuple[Int[np.ndarray, " closure"], Bool[np.ndarray, " closure"]]:
    """The period in samples at each closure, and whether it is one.

    It is the distance to the closure before; for the first of a stretch of voice, to the closure after.
    """
    if len(closures) < 2:
        return np.zeros(len(closures), dtype=np.int64), np.zeros(len(closures), dtype=np.bool_)
    distance = np.diff(closures)
    before, after = np.concatenate([[LONGEST * 2], distance]), np.concatenate([distance, [LONGEST * 2]])
    period = np.where(before <= LONGEST, before, after)
    return period, (period >= SHORTEST) & (period <= LONGEST)


def pulses(
    flow: Float[np.ndarray, " sample"], closures: Int[np.ndarray, " closure"], period: Int[np.ndarray, " closure"]
) -> tuple[Float[np.ndarray, "closure time"], Bool[np.ndarray, "closure time"]]:
    """Each pulse from its left end on, and which samples are the pulse's own (``period + 1`` of them)."""
    width = int(period.max()) + 1
    pulse = windows_around(flow, closures - period + width, width)[:, :width]
    own = np.arange(width) <= period[:, None]
    return np.where(own, pulse, 0.0), own


def naq_and_qoq(
    flow: Float[np.ndarray, " sample"],
    derivative: Float[np.ndarray, " sample"],
    closures: Int[np.ndarray, " closure"],
    period: Int[np.ndarray, " closure"],
) -> tuple[Float[np.ndarray, " closure"], Float[np.ndarray, " closure"]]:
    """Normalised amplitude quotient and quasi-open quotient.

        NAQ = f_ac / (d_peak T0),    QOQ = (t_2 - t_1) / T0,

    f_ac the height of the pulse over the line through its ends, d_peak the largest size of the flow's derivative from
    the pulse's start to a quarter period past the closure, t_1 and t_2 where the pulse leaves and falls below half its
    height around its maximum.

    Alku, Backstrom and Vilkman 2002 (NAQ); Hacki 1989 (QOQ).
    """
    pulse, own = pulses(flow, closures, period)
    time = np.arange(pulse.shape[1])
    first, last = pulse[:, :1], np.take_along_axis(pulse, period[:, None], axis=1)
    raised = np.where(own, pulse - (first + (last - first) * time / period[:, None]), -np.inf)
    top = raised.argmax(axis=1)
    height = raised[np.arange(len(raised)), top]
    reach = int(period.max()) + int(period.max()) // 4 + 1
    slope = np.abs(windows_around(derivative, closures - period + reach, reach)[:, :reach])
    slope[np.arange(reach) > (period + np.rint(period / 4))[:, None]] = 0.0
    steepest = slope.max(axis=1)
    below = raised < height[:, None] / 2
    before = np.where(below & (time < top[:, None]), time, 0).max(axis=1)
    after = np.where(below & own & (time > top[:, None]), time, period[:, None]).min(axis=1)
    safe = np.where((height > 0) & (steepest > 0), steepest, np.nan)
    return height / (safe * period), np.where(np.isnan(safe), np.nan, (after - before) / period)


def harmonic_difference(
    derivative: Float[np.ndarray, " sample"], closures: Int[np.ndarray, " closure"], period: Int[np.ndarray, " closure"]
) -> Float[np.ndarray, " closure"]:
    """H1-H2 in dB: the first harmonic of the flow's derivative less the second.

    Three periods around the closure (Hamming); a harmonic is the largest amplitude within a quarter of F0 around it.

    Hanson 1997.
    """
    half = round(1.5 * int(period.max()))
    reach = np.rint(1.5 * period)[:, None]
    offset = np.arange(-half, half + 1)
    taper = np.where(np.abs(offset) <= reach, 0.54 + 0.46 * np.cos(np.pi * offset / reach), 0.0)
    # 1,250 Hz hold the second harmonic of the highest voice (500 Hz) and a quarter of it more.
    hertz = np.arange(SPECTRUM_BINS * 1250 // RATE_HZ) * RATE_HZ / SPECTRUM_BINS
    spectrum = np.abs(rfft(windows_around(derivative, closures, half) * taper, SPECTRUM_BINS, axis=1)[:, : len(hertz)])
    f0 = RATE_HZ / period[:, None]
    first, second = (np.where(np.abs(hertz / f0 - k) <= 0.25, spectrum, 0.0).max(axis=1) for k in (1, 2))
    ok = (first > 0) & (second > 0)
    return np.where(ok, 20 * np.log10(np.where(ok, first, 1.0) / np.where(ok, second, 1.0)), np.nan)


def parabolic_spectral_parameter(
    flow: Float[np.ndarray, " sample"], closures: Int[np.ndarray, " closure"], period: Int[np.ndarray, " closure"]
) -> Float[np.ndarray, " closure"]:
    """PSP: how fast the pulse's spectrum falls at low frequencies, as part of the fastest fall possible.

    A parabola ``a k^2 + b`` is fitted to the spectrum of the pulse (dB, bins k = 0 .. N - 1), N as large as the
    relative error stays below 0.01; PSP = a / a_max, a_max that of a constant flow of the same length.  The pulse is
    moved and scaled to run from 0 to 1, so that the recording's gain does not matter (a choice; the paper is silent).

    Alku, Strik and Vilkman 1997.
    """
    lengths, kind = np.unique(period, return_inverse=True)
    steady = np.arange(lengths.max() + 1) <= lengths[:, None]
    fastest = fitted_parabola(steady.astype(np.float64))[kind]
    pulse, own = pulses(flow, closures, period)
    low = np.where(own, pulse, np.inf).min(axis=1, keepdims=True)
    high = np.where(own, pulse, -np.inf).max(axis=1, keepdims=True)
    unit = np.where(own, pulse - low, 0.0) / np.where(high > low, high - low, 1.0)
    return np.where((high > low)[:, 0], fitted_parabola(unit) / fastest, np.nan)


def fitted_parabola(pulse: Float[np.ndarray, "pulse time"]) -> Float[np.ndarray, " pulse"]:
    """The coefficient a of ``a k^2 + b`` fitted to the spectrum of each pulse in dB, over as many bins as fit well."""
    level = 20 * np.log10(np.abs(rfft(pulse, PULSE_BINS, axis=1)) + 1e-9)
    square = np.arange(level.shape[1], dtype=np.float64) ** 2
    best = np.zeros(len(pulse))
    going = np.ones(len(pulse), dtype=np.bool_)
    for n in range(3, level.shape[1]):
        y, s = level[going, :n], square[:n]
        a = ((y * s).mean(axis=1) - y.mean(axis=1) * s.mean()) / (np.mean(s * s) - s.mean() ** 2)
        b = y.mean(axis=1) - a * s.mean()
        error = ((y - a[:, None] * s - b[:, None]) ** 2).sum(axis=1) / (y * y).sum(axis=1)
        fits = (error < FIT_ERROR) | (n == 3)
        rows = np.flatnonzero(going)
        best[rows[fits]] = a[fits]
        going[rows[~fits]] = False
        if not going.any():
            break
    return best
