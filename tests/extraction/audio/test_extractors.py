"""The acoustic front end on files."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from md2n.errors import DataError
from md2n.extraction.audio.extractors import CovarepLike
from md2n.extraction.audio.front_end import covarep_like
from md2n.extraction.base import Clip, ModalityAbsentError

pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")


def clip(path: Path, signal: np.ndarray) -> Clip:
    wavfile.write(path, 16_000, signal.astype(np.float32))
    return Clip("one", path)


def test_frames_are_those_of_the_sound_and_lie_side_by_side_in_time(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=16_000).astype(np.float32) / 10
    x[8_000:12_000] = 0.0
    track, alone = CovarepLike().extract(clip(tmp_path / "a.wav", x)), covarep_like(x, 16_000)
    np.testing.assert_array_equal(track.values, alone.values)
    np.testing.assert_array_equal(track.valid, alone.valid)
    assert track.values.shape[1] == len(CovarepLike.columns) == 74
    np.testing.assert_allclose(track.intervals_s[1:, 0], track.intervals_s[:-1, 1], atol=1e-12)
    assert track.intervals_s[0, 0] == pytest.approx(0.0) and track.intervals_s[-1, 1] == pytest.approx(1.0, abs=0.01)
    assert not track.valid[60:70].any() and track.valid[:40].all()


def test_a_clip_without_sound_lacks_the_modality(tmp_path: Path) -> None:
    with pytest.raises(ModalityAbsentError, match="clip 'one' is silent throughout"):
        CovarepLike().extract(clip(tmp_path / "a.wav", np.zeros(16_000)))
    with pytest.raises(ModalityAbsentError, match="clip 'two' has no sound or video file"):
        CovarepLike().extract(Clip("two", None, "only words"))


def test_a_sound_that_ends_before_its_first_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ends before its first frame"):
        CovarepLike().extract(clip(tmp_path / "a.wav", np.full(40, 0.1)))
