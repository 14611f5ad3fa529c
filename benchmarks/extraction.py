"""Cost of the front ends of ``md2n extract`` on one thread: a clip of three seconds, and one of ten minutes.

The clips are GRID's (360 x 288, 25 pictures a second) under the data root; the face models are those in the cache.
"""

import multiprocessing
import resource
import time
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from md2n.data.ready import ENVIRONMENT, data_root
from md2n.errors import DataError, UsageError
from md2n.extraction.base import Clip
from md2n.extraction.front_ends import front_end
from md2n.extraction.media import pictures, sound

CLIP = "grid_sbia1a.mpg"
TRANSCRIPT = "set blue in a one again"
FRONT_ENDS = (("text", "bert"), ("audio", "covarep-like"), ("audio", "egemaps"), ("vision", "geoAU"))
LONG_S = 600


def front_end_costs() -> None:
    """CPU-seconds of each front end for one clip of three seconds, loading of models apart."""
    path = _clip()
    if path is not None:
        for modality, name in FRONT_ENDS:
            _apart(_cost, modality, name, path, 2)


def long_clip() -> None:
    """CPU-seconds and memory of voice and face over ten minutes (three minutes of work)."""
    path = _clip()
    if path is None:
        return
    with TemporaryDirectory(prefix="md2n-") as folder:
        video = Path(folder) / "long.mp4"
        _repeated(path, video)
        for modality, name in FRONT_ENDS[1:]:
            _apart(_cost, modality, name, video, 1)


def _clip() -> Path | None:
    root = data_root()
    path = None if root is None else root / "raw_clips" / CLIP
    if path is None or not path.is_file():
        print(f"front ends: skipped, no raw_clips/{CLIP} under the data root (set {ENVIRONMENT})")
        return None
    return path


def _apart(target: object, *arguments: object) -> None:
    """In a process of its own: the memory is its own."""
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)  # type: ignore[arg-type]
    process.start()
    process.join()


def _cost(modality: str, name: str, path: Path, times: int) -> None:
    begun = time.process_time()
    try:
        extractor = front_end(modality, name)
        assert extractor is not None
        extractor.prepare()
    except (UsageError, DataError) as error:
        print(f"{name}: skipped, {error.message}; next: {error.hint}", flush=True)
        return
    loaded = time.process_time() - begun
    for _ in range(times):  # the first of several warms up
        begun = time.process_time()
        track = extractor.extract(Clip("clip", path, TRANSCRIPT))
        taken = time.process_time() - begun
    seconds = float(track.intervals_s[-1, 1]) if np.isfinite(track.intervals_s).all() else 3.0
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name}: {taken:.2f} CPU-s for a clip of {seconds:.0f} s, {len(track.valid)} frames "
        f"({seconds / taken:.0f} x real time); loaded in {loaded:.2f} CPU-s; {size:.0f} MiB at most",
        flush=True,
    )


def _repeated(path: Path, out: Path) -> None:
    """The clip over and over for ten minutes."""
    import av

    shown, heard, rate = list(pictures(path)), sound(path), 25
    rounds = round(LONG_S / (len(shown) / rate))
    voice = np.tile(heard.signal, rounds)[None]
    height, width = shown[0].rgb.shape[:2]
    with av.open(str(out), "w") as file:
        video = file.add_stream("mpeg4", rate=rate, width=width, height=height, pix_fmt="yuv420p", bit_rate=1_000_000)
        audio = file.add_stream("aac", rate=heard.rate_hz, layout="mono")
        for i in range(rounds * len(shown)):
            frame = av.VideoFrame.from_ndarray(shown[i % len(shown)].rgb, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, rate)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        for start in range(0, voice.shape[1], heard.rate_hz):
            block = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(voice[:, start : start + heard.rate_hz]), format="fltp", layout="mono"
            )
            block.sample_rate, block.pts = heard.rate_hz, start
            file.mux(audio.encode(block))
        file.mux(audio.encode(None))
