"""Front ends that need no package: they read bytes of the clip's file, and can be slow, fail or die over them."""

import os
import signal
import time
from dataclasses import dataclass

import numpy as np

from md2n.errors import DataError, UsageError
from md2n.extraction.base import Clip, ModalityAbsentError, Track, Word


@dataclass
class Bytes:
    """Four bytes a frame of 0.1 s; frames that begin with a zero byte are invalid.

    An empty file has none of it; one that begins with ``!`` cannot be read, with ``?`` is unforeseen, with ``x`` kills
    the process.
    """

    modality: str = "audio"
    fingerprint: str = "bytes@1"
    wait_s: float = 0.0
    name: str = "bytes@1"
    columns: tuple[str, ...] = ("a", "b", "c", "d")

    def prepare(self) -> None:
        if self.fingerprint == "not installed":
            raise UsageError("bytes are not installed", "pip install bytes")
        if self.fingerprint == "cannot begin":
            os.kill(os.getpid(), signal.SIGKILL)

    def extract(self, clip: Clip) -> Track:
        time.sleep(self.wait_s)
        if clip.media is None:
            raise ModalityAbsentError(f"clip '{clip.id}' has no file")
        if not clip.media.is_file():
            raise DataError(f"there is no file {clip.media}")
        content = clip.media.read_bytes()
        if not content:
            raise ModalityAbsentError(f"clip '{clip.id}' is empty")
        if content.startswith(b"!"):
            raise DataError(f"clip '{clip.id}' cannot be read")
        if content.startswith(b"?"):
            raise IndexError("out of range")
        if content.startswith(b"x"):
            os.kill(os.getpid(), signal.SIGKILL)
        values = np.frombuffer(content[: len(content) // 4 * 4], np.uint8).reshape(-1, 4).astype(np.float32)
        at = np.arange(len(values)) / 10
        return Track(values, values[:, 0] > 0, np.stack([at, at + 0.1], axis=1), (f"{len(content)} bytes",))


@dataclass
class Letters:
    """One frame per word: how long it is, and its first letter."""

    modality: str = "text"
    fingerprint: str = "letters@1"
    name: str = "letters@1"
    columns: tuple[str, ...] = ("length", "first")

    def prepare(self) -> None:
        pass

    def extract(self, clip: Clip) -> Track:
        words = [w.text for w in clip.words] if clip.words else (clip.transcript or "").split()
        if not words:
            raise ModalityAbsentError(f"clip '{clip.id}' has no transcript")
        values = np.array([[len(w), ord(w[0])] for w in words], np.float32)
        times = [(w.start_s, w.end_s) for w in clip.words] if clip.words else [(np.nan, np.nan)] * len(words)
        return Track(values, np.ones(len(words), bool), np.array(times))


@dataclass
class Even:
    """Words of ``long_s`` one after another; those of a clip whose file begins with ``!`` are not in it."""

    long_s: float = 0.1
    fingerprint: str = "even@1"

    def prepare(self) -> None:
        pass

    def words(self, clip: Clip) -> tuple[tuple[Word, ...], tuple[str, ...]]:
        if clip.media is None or not clip.media.read_bytes():
            raise ModalityAbsentError(f"clip '{clip.id}' has no sound to look for words in")
        if clip.media.read_bytes().startswith(b"!"):
            raise DataError(f"the words of clip '{clip.id}' are not in its sound")
        said = (clip.transcript or "").split()
        found = [Word(w, i * self.long_s, (i + 1) * self.long_s, w == "qq") for i, w in enumerate(said)]
        return tuple(found), tuple(f"pronunciation of '{w.text}' was guessed" for w in found if w.guessed)
