"""Front ends that need no package, for tests; they can be pickled, as a process of its own asks."""

import time
from dataclasses import dataclass

import numpy as np

from md2n.errors import DataError
from md2n.extraction.base import Clip, ModalityAbsentError, Track


@dataclass
class Bytes:
    """Four bytes a frame; an empty file has none of it, one that begins with ``!`` cannot be read, 0 is invalid."""

    modality: str = "audio"
    fingerprint: str = "bytes@1"
    wait_s: float = 0.0
    name: str = "bytes@1"
    columns: tuple[str, ...] = ("a", "b", "c", "d")

    def prepare(self) -> None:
        pass

    def extract(self, clip: Clip) -> Track:
        time.sleep(self.wait_s)
        content = clip.media.read_bytes() if clip.media is not None else b""
        if not content:
            raise ModalityAbsentError(f"clip '{clip.id}' is empty")
        if content.startswith(b"!"):
            raise DataError(f"clip '{clip.id}' cannot be read")
        values = np.frombuffer(content[: len(content) // 4 * 4], np.uint8).reshape(-1, 4).astype(np.float32)
        at = np.arange(len(values)) / 10
        return Track(values, values[:, 0] > 0, np.stack([at, at + 0.1], axis=1), (f"{len(content)} bytes",))


@dataclass
class Letters:
    """One frame per word: how long it is."""

    modality: str = "text"
    fingerprint: str = "letters@1"
    name: str = "letters@1"
    columns: tuple[str, ...] = ("length", "first")

    def prepare(self) -> None:
        pass

    def extract(self, clip: Clip) -> Track:
        words = (clip.transcript or "").split()
        if not words:
            raise ModalityAbsentError(f"clip '{clip.id}' has no transcript")
        values = np.array([[len(w), ord(w[0])] for w in words], np.float32)
        return Track(values, np.ones(len(words), bool), np.full((len(words), 2), np.nan))
