"""Pitch and voicing by the summation of residual harmonics (SRH).

With E(f) the amplitude spectrum of the linear-prediction residual, of unit energy,

    SRH(f) = E(f) + sum_{k=2..5} [ E(k f) - E((k - 1/2) f) ],

F0 is where SRH is largest, and the window is voiced where that maximum exceeds a threshold.  The subtracted terms
punish the sub-harmonics that a plain sum would take for the pitch.

T. Drugman and A. Alwan, "Joint robust voicing detection and pitch estimation based on residual harmonics",
Interspeech 2011.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft

from md2n.brief import brief
from md2n.extraction.audio.frames import HOP, RATE_HZ, blocks
from md2n.extraction.audio.linear_prediction import SHIFT, WINDOW, residual

LOWEST_HZ, HIGHEST_HZ = 50, 500
ORDER = 12
"""Of the predictor (Drugman & Alwan 2011, at 16 kHz)."""
PITCH_WINDOW = RATE_HZ // 10
"""100 ms (Drugman & Alwan 2011)."""
HARMONICS = 5
VOICED_ABOVE = 0.07
VOICED_ABOVE_WHEN_VARIED = 0.085
VARIED = 0.05
"""The threshold rises to 0.085 where SRH varies by more than this over the sound (the authors' rule)."""
TRUSTED = 0.1
"""Windows above this give the speaker's median F0 for the second pass; a choice."""
AS_GOOD = 0.9
"""A third or fifth of the best candidate is taken where its SRH is this part of it or more; a choice."""
BLOCK = 100


@dataclass(frozen=True)
class Pitch:
    """Pitch at the instants.

    Attributes:
        f0_hz: ``[instant]``, 0 where not measured; unvoiced instants keep the best guess.
        voiced: ``[instant]``.
        measured: ``[instant]``, true where a whole window of sound lies around the instant.
    """

    f0_hz: Float[np.ndarray, " instant"]
    voiced: Bool[np.ndarray, " instant"]
    measured: Bool[np.ndarray, " instant"]

    __repr__ = brief

    @property
    def mean_hz(self) -> float:
        """Mean F0 of the voiced instants; 100 Hz where nothing is voiced."""
        return float(self.f0_hz[self.voiced].mean()) if self.voiced.any() else 100.0


def srh_pitch(x: Float[np.ndarray, " sample"], instants: int) -> Pitch:
    """F0 (whole hertz) and voicing at ``instants`` times ``k * 10 ms``.

    Two passes: the second searches from half to twice the median F0 of the first.  A window that reaches outside the
    sound, or into digital silence (a whole prediction window of zeros), is not measured: neither holds a spectrum.
    Windows in digital silence count with SRH = 0 when the deviation of SRH is judged, as in COVAREP's output.

    Args:
        x: the sound at 16 kHz.
        instants: how many.
    """
    half = PITCH_WINDOW // 2
    start = np.arange(instants) * HOP - half
    inside = (start >= 0) & (start + PITCH_WINDOW <= len(x))
    f0, strength = np.zeros(instants), np.zeros(instants)
    measured = inside.copy()
    if inside.any():
        measured[inside] &= ~_touches_silence(x, start[inside])
    if measured.any():
        error = residual(x, ORDER)
        low, high = LOWEST_HZ, HIGHEST_HZ
        for _ in range(2):
            f0[measured], strength[measured] = _search(error, start[measured], low, high)
            trusted = measured & (strength > TRUSTED)
            if not trusted.any():
                break
            median = float(np.median(f0[trusted]))
            low, high = max(LOWEST_HZ, round(median / 2)), min(HIGHEST_HZ, round(median * 2))
    deviation = strength[inside].std() if inside.any() else 0.0
    threshold = VOICED_ABOVE_WHEN_VARIED if deviation > VARIED else VOICED_ABOVE
    return Pitch(np.where(measured, f0, 0.0), measured & (strength > threshold), measured)


def summed_residual_harmonics(
    windows: Float[np.ndarray, "window width"], low: int, high: int
) -> Float[np.ndarray, "window candidate"]:
    """SRH(f) of windows of the residual, for f = low .. high Hz."""
    size = RATE_HZ  # one bin per hertz
    taper = np.blackman(windows.shape[1])
    spectrum = np.abs(rfft((windows * taper).astype(np.float32), size, axis=1))
    norm = np.sqrt(np.einsum("wf,wf->w", spectrum, spectrum))
    spectrum /= np.where(norm > 0, norm, 1.0)[:, None]
    f = np.arange(low, high + 1)
    total = spectrum[:, f].astype(np.float64)
    for k in range(2, HARMONICS + 1):
        # A half bin rounds up.
        total += spectrum[:, k * f] - spectrum[:, np.floor((k - 0.5) * f + 0.5).astype(np.int64)]
    return np.asarray(total)


def _search(
    error: Float[np.ndarray, " sample"], start: np.ndarray, low: int, high: int
) -> tuple[Float[np.ndarray, " window"], Float[np.ndarray, " window"]]:
    views = sliding_window_view(error, PITCH_WINDOW)
    f0, strength = np.zeros(len(start)), np.zeros(len(start))
    for first, last in blocks(len(start), BLOCK):
        windows = views[start[first:last]]
        srh = summed_residual_harmonics(windows - windows.mean(axis=1, keepdims=True), low, high)
        best = srh.argmax(axis=1)
        strength[first:last] = srh[np.arange(len(srh)), best]
        f0[first:last] = low + _lowest_of_equals(srh, low, best)
    return f0, strength


def _lowest_of_equals(
    srh: Float[np.ndarray, "window candidate"], low: int, best: Int[np.ndarray, " window"]
) -> Int[np.ndarray, " window"]:
    """The best candidate, or the third or fifth part of it where that is as good.

    The subtracted terms see multiples by two, but at three times F0 they fall between harmonics: a flat residual is as
    strong there as at F0.
    """
    rows = np.arange(len(srh))
    out = best.copy()
    for part in (5, 3):
        near = np.rint((low + best) / part).astype(np.int64)[:, None] - low + np.array([-1, 0, 1])
        inside = (near >= 0) & (near < srh.shape[1])
        value = np.where(inside, srh[rows[:, None], np.clip(near, 0, srh.shape[1] - 1)], -np.inf)
        place = value.argmax(axis=1)
        equal = (out == best) & (value[rows, place] > AS_GOOD * srh[rows, best])
        out = np.where(equal, near[rows, place], out)
    return out


def _touches_silence(x: Float[np.ndarray, " sample"], start: np.ndarray) -> Bool[np.ndarray, " window"]:
    """Whether a window of the pitch analysis overlaps a prediction window of zeros only."""
    sounding = np.concatenate([[0], np.cumsum(x != 0)])
    first = np.arange(0, len(x) - WINDOW + 1, SHIFT)
    silent = first[sounding[first + WINDOW] == sounding[first]]
    touched = np.zeros(len(x) + 1, dtype=np.int64)
    np.add.at(touched, silent, 1)
    np.add.at(touched, silent + WINDOW, -1)
    silence = np.concatenate([[0], np.cumsum(np.cumsum(touched)[: len(x)] > 0)])
    return np.asarray(silence[start + PITCH_WINDOW] > silence[start])
