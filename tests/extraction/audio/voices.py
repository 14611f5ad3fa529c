"""Made voices whose pitch, pulse shape and vocal tract are known."""

import numpy as np
from scipy.signal import lfilter, resample_poly

from md2n.extraction.audio.liljencrants_fant import pulse

RATE_HZ = 16_000
FORMANTS = ((650, 80), (1100, 90), (2500, 120), (3500, 150))


def tract(formants=FORMANTS) -> np.ndarray:
    """Denominator of an all-pole vocal tract with resonances (Hz, bandwidth Hz)."""
    a = np.ones(1)
    for hertz, width in formants:
        radius = np.exp(-np.pi * width / RATE_HZ)
        a = np.convolve(a, [1, -2 * radius * np.cos(2 * np.pi * hertz / RATE_HZ), radius**2])
    return a


def lf_voice(rd: float, f0_hz: float, seconds: float = 0.6, noise: float = 1e-3) -> np.ndarray:
    """LF pulses of one shape through a vocal tract, with a little noise."""
    phase = np.arange(int(seconds * RATE_HZ * 4)) * f0_hz / (4 * RATE_HZ) % 1.0
    sound = lfilter([1.0], tract(), resample_poly(pulse(rd).derivative(phase), 1, 4))
    return 0.5 * sound / np.abs(sound).max() + noise * np.random.default_rng(0).standard_normal(len(sound))


def impulses(f0_hz: float, seconds: float = 0.6) -> np.ndarray:
    """A train of (band-limited) impulses through a vocal tract."""
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    count = int(0.45 * RATE_HZ / f0_hz)
    train = sum(np.cos(2 * np.pi * k * f0_hz * time) for k in range(1, count + 1)) / count
    sound = lfilter([1.0], tract(), train)
    return 0.5 * sound / np.abs(sound).max()


def noise(seconds: float = 0.6, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal(int(seconds * RATE_HZ))


def sentence(seed: int = 0) -> np.ndarray:
    """Two voiced stretches of gliding pitch with noise before, between and after (2 s)."""
    time = np.arange(2 * RATE_HZ) / RATE_HZ
    f0 = 120 + 25 * np.sin(2 * np.pi * time)
    voice = lfilter([1.0], tract(), pulse(1.0).derivative(np.cumsum(f0) / RATE_HZ % 1.0))
    loud = ((time > 0.3) & (time < 0.9)) | ((time > 1.1) & (time < 1.7))
    return 0.4 * voice / np.abs(voice).max() * loud + noise(2.0, seed, 0.004)
