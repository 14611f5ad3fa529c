"""All-pole models of many windows at once, and the residual they leave.

A window s(n) is predicted from its p last samples; the inverse filter ``A(z) = 1 + a_1 z^-1 + ... + a_p z^-p`` that
minimises the energy of the residual follows from the autocorrelation by Levinson's recursion (Makhoul 1975).
"""

import numpy as np
from jaxtyping import Float
from scipy.fft import irfft, next_fast_len, rfft

from md2n.extraction.audio.frames import RATE_HZ, blocks, overlap_add, overlapping

WINDOW = RATE_HZ * 25 // 1000
"""25 ms (Drugman & Alwan 2011)."""
SHIFT = RATE_HZ * 5 // 1000
"""5 ms (Drugman & Alwan 2011)."""
BLOCK = 2000


def predictor(windows: Float[np.ndarray, "window width"], order: int) -> Float[np.ndarray, "window coefficient"]:
    """Coefficients ``1, a_1 .. a_p`` of the inverse filter of each window; ``1, 0 .. 0`` for a window of zeros."""
    size = next_fast_len(windows.shape[1] + order, real=True)
    power = np.abs(rfft(windows, size, axis=1)) ** 2
    r = irfft(power, size, axis=1)[:, : order + 1]
    a = np.zeros((len(windows), order + 1))
    a[:, 0] = 1.0
    # The relative term keeps the recursion stable for pure tones; the absolute one for digital silence.
    error = r[:, 0] * (1 + 1e-9) + 1e-30
    for i in range(1, order + 1):
        k = -np.einsum("wi,wi->w", a[:, :i], r[:, i:0:-1]) / error
        a[:, 1 : i + 1] += k[:, None] * a[:, i - 1 :: -1][:, :i] if i > 1 else k[:, None] * a[:, :1]
        error = error * (1 - k * k)
    return a


def inverse_filter(
    a: Float[np.ndarray, "window coefficient"], windows: Float[np.ndarray, "window width"]
) -> Float[np.ndarray, "window width"]:
    """Each window filtered by its own ``A(z)``, from rest."""
    out = windows.copy()
    for k in range(1, a.shape[1]):
        out[:, k:] += a[:, k, None] * windows[:, : windows.shape[1] - k]
    return out


def residual(
    x: Float[np.ndarray, " sample"], order: int, model: Float[np.ndarray, " sample"] | None = None
) -> Float[np.ndarray, " sample"]:
    """The linear-prediction residual of a whole sound.

    Windows of 25 ms every 5 ms (Hann) are inverse filtered, given back the energy they had, and added.  Keeping the
    energy of each window lets loud vowels outweigh breath in measures that compare over time (Drugman's practice).

    Args:
        x: the sound at 16 kHz.
        order: of the predictor.
        model: the sound that the predictor is fitted to, where it is not ``x`` itself.
    """
    taper = np.hanning(WINDOW)
    frames = overlapping(x, WINDOW, SHIFT)
    fitted = frames if model is None else overlapping(model, WINDOW, SHIFT)
    total = np.zeros((len(frames) - 1) * SHIFT + WINDOW)
    for start, stop in blocks(len(frames), BLOCK):
        windows = frames[start:stop] * taper
        source = windows if model is None else fitted[start:stop] * taper
        error = inverse_filter(predictor(source, order), windows)
        left, energy = (error**2).sum(axis=1), (windows**2).sum(axis=1)
        error *= np.sqrt(energy / np.where(left > 0, left, 1.0))[:, None]
        piece = overlap_add(error, SHIFT)
        total[start * SHIFT : start * SHIFT + len(piece)] += piece
    return total[: len(x)]
