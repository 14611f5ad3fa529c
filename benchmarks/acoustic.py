"""Speed and memory of ``covarep-like@1`` on one thread, on a made voice.

    python benchmarks/acoustic.py [--seconds 3 60 600]

Prints CPU seconds per second of sound and the largest resident size, and fails if a sound takes longer to measure than
to hear or a 10-minute sound needs 1 GiB.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import resource
import sys
import time

import numpy as np

from md2n.extraction.audio import covarep_like
from md2n.extraction.audio.liljencrants_fant import pulse

RATE_HZ = 16_000
LIMIT_MIB = 1024


def synthetic_voice(seconds: float) -> np.ndarray:
    """Syllables of LF pulses (90 to 180 Hz) between breaths, as 16-bit samples."""
    # A minute again and again: making ten at once would need more memory than measuring them.
    time_s = np.arange(int(min(seconds, 60) * RATE_HZ)) / RATE_HZ
    f0 = 130 + 40 * np.sin(2 * np.pi * 0.31 * time_s)
    voice = pulse(1.2).derivative(np.cumsum(f0) / RATE_HZ % 1.0)
    loud = np.clip(4 * np.sin(2 * np.pi * 1.7 * time_s), 0, 1)
    sound = 0.3 * voice * loud + 0.003 * np.random.default_rng(0).standard_normal(len(time_s))
    return np.resize((sound * 32767).astype(np.int16), int(seconds * RATE_HZ))


def resident_mib() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, nargs="+", default=[3.0, 60.0, 600.0])
    covarep_like(synthetic_voice(1.0), RATE_HZ)  # imports and tables
    print(f"before: {resident_mib():.0f} MiB")
    failed = False
    for seconds in parser.parse_args().seconds:
        sound = synthetic_voice(seconds)
        start = time.process_time()
        covarep_like(sound, RATE_HZ)
        cost = (time.process_time() - start) / seconds
        print(f"{seconds:6.0f} s: {cost:.3f} s of CPU per s ({1 / cost:.1f} x real time), {resident_mib():.0f} MiB")
        failed |= cost > 1 or resident_mib() > LIMIT_MIB
    sys.exit(failed)


if __name__ == "__main__":
    main()
