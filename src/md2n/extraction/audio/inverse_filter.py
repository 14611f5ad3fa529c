"""Iterative adaptive inverse filtering (IAIF): the glottal flow and its derivative from the speech wave.

    1. An all-pole model of order 1 of the speech represents glottis and lips; it is filtered out.
    2. What is left gives a first vocal tract (order 20); filtering it out of the speech and integrating gives a first
       flow.
    3. A model of order 8 of that flow is a better glottis; it and the lips are filtered out, and what is left gives
       the final vocal tract, which leaves the flow's derivative; integrated, the flow.

P. Alku, "Glottal wave analysis with pitch synchronous iterative adaptive inverse filtering", Speech Communication 11
(1992).
"""

import numpy as np
from jaxtyping import Float
from scipy.signal import firls, lfilter, oaconvolve

from md2n.extraction.audio.frames import RATE_HZ, blocks, overlap_add, overlapping
from md2n.extraction.audio.linear_prediction import BLOCK, SHIFT, WINDOW, inverse_filter, predictor

TRACT_ORDER = 2 * round(RATE_HZ / 2000) + 4
GLOTTIS_ORDER = 2 * round(RATE_HZ / 4000)
"""Orders 20 and 8 at 16 kHz: one resonance per kilohertz and a few poles for the rest (Alku 1992)."""
LEAK = 0.99
"""Pole of the integrator that undoes lip radiation (Alku 1992)."""
HIGH_PASS_TAPS = 301


def high_pass(x: Float[np.ndarray, " sample"]) -> Float[np.ndarray, " sample"]:
    """Linear-phase high-pass (pass from 70 Hz, stop to 40 Hz) against rumble that integration would blow up."""
    taps = firls(HIGH_PASS_TAPS, [0, 40, 70, RATE_HZ / 2], [0, 0, 1, 1], fs=RATE_HZ)
    half = HIGH_PASS_TAPS // 2
    return np.asarray(oaconvolve(np.pad(x, half), taps, "valid"))


def glottal_flow(
    x: Float[np.ndarray, " sample"],
) -> tuple[Float[np.ndarray, " sample"], Float[np.ndarray, " sample"]]:
    """Flow and flow derivative of a whole sound, in arbitrary units.

    Windows of 25 ms every 5 ms are inverse filtered each by itself and joined by Hann weights.

    Args:
        x: the sound at 16 kHz, right way up.
    """
    frames = overlapping(high_pass(x), WINDOW, SHIFT)
    taper = np.hanning(WINDOW)
    size = (len(frames) - 1) * SHIFT + WINDOW
    flow, derivative, weight = np.zeros(size), np.zeros(size), np.zeros(size)
    for start, stop in blocks(len(frames), BLOCK):
        block = iaif(frames[start:stop])
        span = slice(start * SHIFT, start * SHIFT + (stop - start - 1) * SHIFT + WINDOW)
        flow[span] += overlap_add(block[0] * taper, SHIFT)
        derivative[span] += overlap_add(block[1] * taper, SHIFT)
        weight[span] += overlap_add(np.broadcast_to(taper, block[0].shape), SHIFT)
    weight = np.maximum(weight, 1e-3)
    return (flow / weight)[: len(x)], (derivative / weight)[: len(x)]


def iaif(
    windows: Float[np.ndarray, "window width"],
) -> tuple[Float[np.ndarray, "window width"], Float[np.ndarray, "window width"]]:
    """Flow and flow derivative of each window.

    A ramp from minus the first sample up to it is put before each window, so that filters start without a step.
    """
    taper = np.hanning(windows.shape[1])
    lead = TRACT_ORDER + 1
    led = np.concatenate([np.linspace(-1, 1, lead) * windows[:, :1], windows], axis=1)
    glottis = predictor(windows * taper, 1)
    tract = predictor(inverse_filter(glottis, led)[:, lead:] * taper, TRACT_ORDER)
    flow = _integrate(inverse_filter(tract, led))[:, lead:]
    glottis = predictor(flow * taper, GLOTTIS_ORDER)
    tract = predictor(_integrate(inverse_filter(glottis, led))[:, lead:] * taper, TRACT_ORDER)
    derivative = inverse_filter(tract, led)
    return _integrate(derivative)[:, lead:], derivative[:, lead:]


def _integrate(windows: Float[np.ndarray, "window width"]) -> Float[np.ndarray, "window width"]:
    return np.asarray(lfilter([1.0], [1.0, -LEAK], windows, axis=1))
