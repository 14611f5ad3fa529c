"""What is shown of a clip: the beginning of its sound, its pitch, a picture in which something was measured."""

from pathlib import Path

import numpy as np
import pytest

from md2n.extraction.base import Clip, Track, Word
from md2n.extraction.cache import ABSENT, EXTRACTED, WORDS, Piece
from md2n.extraction.look import SHOWN_S, look
from tests.extraction.audio.test_extractors import voice
from tests.extraction.test_media import write

pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")


def seen(valid: list[bool]) -> Piece:
    at = np.arange(len(valid)) / 10
    return Piece(EXTRACTED, track=Track(np.ones((len(valid), 1)), np.array(valid), np.stack([at, at + 0.1], axis=1)))


def test_the_picture_is_one_in_which_something_was_measured(tmp_path: Path) -> None:
    path = write(tmp_path / "a b.mp4", voice(1.0, 120.0)[None], 16_000, tuple(i / 10 for i in range(10)))
    flags = [i >= 8 for i in range(10)]
    asked: list[tuple[int, ...]] = []

    def landmarker(rgb: np.ndarray) -> np.ndarray:
        asked.append(rgb.shape)
        return np.array([[1.0, 2.0]])

    words = Piece(EXTRACTED, words=(Word("ah", 0.1, 0.9),))
    found = look(Clip("one", path), {WORDS: words, "vision": seen(flags), "text": Piece(ABSENT, "no text")}, landmarker)
    assert found.picture is not None and found.picture.time_s == pytest.approx(0.8, abs=0.01)
    assert asked == [(48, 64, 3)] and found.landmarks is not None
    assert found.words == words.words and found.tracks["text"] == "no text" and WORDS not in found.tracks
    assert found.pitch is not None
    hertz = found.pitch[1][np.isfinite(found.pitch[1])]
    assert len(hertz) > 50 and abs(np.median(hertz) - 120) <= 2


def test_a_clip_without_media_has_nothing_but_words() -> None:
    found = look(Clip("one", None, "ah", (Word("ah", 0.0, 1.0),)), {"text": seen([True])})
    assert (found.picture, found.heard, found.pitch) == (None, None, None) and len(found.words) == 1


def test_what_cannot_be_read_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    found = look(Clip("one", tmp_path / "a.mp4"), {"audio": Piece(ABSENT, "broken")})
    assert (found.picture, found.heard) == (None, None)


def test_of_a_long_clip_the_beginning_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.full((1, 8_000 * 22), 0.1, np.float32), 8_000, codec="pcm_s16le")
    found = look(Clip("one", path), {})
    assert found.heard is not None and found.heard.duration_s == pytest.approx(SHOWN_S)
