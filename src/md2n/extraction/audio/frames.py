"""The signal at 16 kHz, and the two time axes everything is measured on.

Frame i of the output is at ``5 ms + i * 10 ms``.  Measures with a window of their own are taken at *instants*
``k * 10 ms`` (k = 0 .. T, where T is the number of frames), half a hop before and after each frame, and a frame is the
mean of its two instants: COVAREP's axis, on which a pitch window starts at the first sample.
"""

from collections.abc import Iterator
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Int, Num
from numpy.lib.stride_tricks import sliding_window_view

from md2n.errors import DataError

RATE_HZ = 16_000
HOP = 160
FIRST = 80
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8_000, 96_000


def to_mono_16k(
    signal: Num[np.ndarray, " *sample"], rate_hz: float
) -> tuple[Float[np.ndarray, " sample16k"], Bool[np.ndarray, " sample16k"]]:
    """The signal as floats around [-1, 1] at 16 kHz, and where it is sound.

    Integers are divided by their full scale (unsigned bytes are centred first).  Channels are averaged: a recording
    whose channels are in opposite phase cancels, and has to be reduced to one channel by its owner.  Samples that are
    not finite become zero and are False in the second result.

    Args:
        signal: ``[sample]`` or ``[sample, channel]``.
        rate_hz: its rate, a whole number of hertz in 8,000 to 96,000.

    Raises:
        DataError: no samples, fewer than reach the first frame (5 ms), more than two axes, channels before samples,
            or a rate that is out of range.
    """
    if not (LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ) or rate_hz != int(rate_hz):
        raise DataError(
            f"a sampling rate of {rate_hz} Hz cannot be used",
            f"resample to a whole number of hertz from {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}",
        )
    x = _to_float(np.asarray(signal))
    if x.ndim == 2 and x.shape[0] < x.shape[1]:
        raise DataError(f"a signal of shape {x.shape} has channels before samples", "pass signal.T: [sample, channel]")
    if x.ndim not in (1, 2):
        raise DataError(f"a signal of shape {x.shape} is no sound", "pass [sample] or [sample, channel]")
    if x.ndim == 2:
        x = x.mean(axis=1)
    sound = np.isfinite(x)
    x = x if sound.all() else np.where(sound, x, 0)
    rate = int(rate_hz)
    if rate != RATE_HZ and len(x):
        from scipy.signal import resample_poly

        common = gcd(rate, RATE_HZ)
        x = resample_poly(x, RATE_HZ // common, rate // common)
        nearest = np.minimum((np.arange(len(x)) * (rate / RATE_HZ)).astype(np.int64), len(sound) - 1)
        sound = sound[nearest]
    if len(x) <= FIRST:
        raise DataError(
            f"a sound of {len(x) / RATE_HZ * 1000:.1f} ms ends before its first frame",
            "give at least 5 ms, or leave the modality out for this clip",
        )
    return x, sound


def _to_float(signal: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if signal.dtype.kind not in "if" and signal.dtype != np.uint8:
        raise DataError(f"samples of type {signal.dtype} are no sound", "pass floats or signed integers")
    # Single precision holds every 16-bit sample exactly and halves what a long recording needs.
    single = signal.dtype.itemsize <= 2 or signal.dtype == np.float32
    x: npt.NDArray[Any] = signal.astype(np.float32 if single else np.float64)
    if signal.dtype.kind == "f":
        return x
    if signal.dtype == np.uint8:
        return (x - 128) / 128
    return x / float(2 ** (8 * signal.dtype.itemsize - 1))


def frame_count(samples: int) -> int:
    """How many frames a sound of so many samples has: their centres lie inside it."""
    return max(0, (samples - FIRST - 1) // HOP + 1)


def frame_times_s(count: int) -> Float[np.ndarray, " frame"]:
    """Centres of the frames in seconds: 0.005, 0.015, ..."""
    return (FIRST + HOP * np.arange(count)) / RATE_HZ


def blocks(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Consecutive ranges ``[start, stop)`` that cover ``count`` items, so that no temporary grows with the sound."""
    for start in range(0, count, size):
        yield start, min(start + size, count)


def windows_around(
    x: Float[np.ndarray, " sample"], centres: Int[np.ndarray, " window"], half: int
) -> Float[np.ndarray, "window width"]:
    """The ``2 half + 1`` samples around each centre; zeros outside the sound."""
    low = int(centres.min()) - half
    high = int(centres.max()) + half + 1
    piece = np.pad(x[max(low, 0) : max(high, 0)], (max(-low, 0), max(high - max(len(x), 0), 0)))
    return np.asarray(sliding_window_view(piece, 2 * half + 1)[centres - half - low])


def overlapping(x: Float[np.ndarray, " sample"], width: int, hop: int) -> Float[np.ndarray, "window width"]:
    """Windows from sample 0 on, one every ``hop``; the last one is filled with zeros past the end."""
    count = max(0, -(-(len(x) - width) // hop)) + 1
    return sliding_window_view(np.pad(x, (0, (count - 1) * hop + width - len(x))), width)[::hop]


def overlap_add(parts: Float[np.ndarray, "window width"], hop: int) -> Float[np.ndarray, " sample"]:
    """The sum of windows, each ``hop`` later than the one before; ``width`` is a multiple of ``hop``."""
    count, width = parts.shape
    slots = width // hop
    total = np.zeros((count + slots - 1, hop))
    for slot in range(slots):
        total[slot : slot + count] += parts[:, slot * hop : (slot + 1) * hop]
    return total.reshape(-1)


def between_instants(
    values: Float[np.ndarray, "instant *rest"], measured: Bool[np.ndarray, " instant"]
) -> Float[np.ndarray, "frame *rest"]:
    """Frames from instants: the mean of the two around each, 0 where either was not measured."""
    both = measured[:-1] & measured[1:]
    mean = (values[:-1] + values[1:]) / 2
    return np.where(both.reshape(-1, *(1,) * (values.ndim - 1)), mean, 0.0)
