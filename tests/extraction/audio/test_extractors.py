"""The acoustic front end on files."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from md2n.errors import DataError
from md2n.extraction.audio import extractors
from md2n.extraction.audio.extractors import CovarepLike, EGeMAPS
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


def voice(seconds: float, f0_hz: float) -> np.ndarray:
    """A buzz with the formants of a vowel, in a little noise."""
    t = np.arange(round(16_000 * seconds)) / 16_000
    x = sum(np.sin(2 * np.pi * k * f0_hz * t) / k for k in range(1, 30))
    return (0.1 * x + 1e-4 * np.random.default_rng(0).normal(size=len(t))).astype(np.float32)


def test_egemaps_reads_pitch_in_semitones_and_marks_silence(tmp_path: Path) -> None:
    pytest.importorskip("afx_audio", reason="afx-audio (extra 'audio') is not installed")
    x = voice(2.0, 110.0)
    x[16_000:24_000] = 0.0
    track = EGeMAPS().extract(clip(tmp_path / "a.wav", x))
    assert track.values.shape == (199, len(EGeMAPS.columns)) and np.isfinite(track.values).all()
    pitch = track.values[20:80, EGeMAPS.columns.index("F0semitoneFrom27.5Hz")]
    np.testing.assert_allclose(pitch, 24.0, atol=0.2)  # 110 Hz is two octaves above 27.5 Hz
    assert track.valid[:98].all() and not track.valid[100:148].any() and track.valid[151:].all()
    assert not track.values[~track.valid].any()
    assert track.intervals_s[0].tolist() == pytest.approx([0.005, 0.015])
    with pytest.raises(ModalityAbsentError, match="clip 'one' is silent throughout"):
        EGeMAPS().extract(clip(tmp_path / "a.wav", np.zeros(16_000)))
    with pytest.raises(DataError, match="ends before its first frame"):
        EGeMAPS().extract(clip(tmp_path / "a.wav", np.full(300, 0.1)))


def test_egemaps_names_its_columns_in_the_order_of_the_package(tmp_path: Path) -> None:
    told = pytest.importorskip("afx_audio", reason="afx-audio (extra 'audio') is not installed").EGEMAPS_LLD_NAMES
    assert tuple(n.rpartition("_")[0] for n in told) == ("Loudness", *EGeMAPS.columns[1:])
    assert EGeMAPS().fingerprint.startswith("egemaps@1 afx-audio ")


def test_egemaps_of_a_long_sound_is_measured_in_pieces_that_fit(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("afx_audio", reason="afx-audio (extra 'audio') is not installed")
    one = clip(tmp_path / "a.wav", voice(4.0, 150.0))
    whole = EGeMAPS().extract(one)
    monkeypatch.setattr(extractors, "PIECE", 120)
    pieces = EGeMAPS().extract(one)
    pitch = EGeMAPS.columns.index("F0semitoneFrom27.5Hz")
    np.testing.assert_allclose(pieces.values[:, pitch], whole.values[:, pitch], atol=1e-3)
    # Jitter of a voice that has none is what rounding makes it.
    near = np.isclose(whole.values, pieces.values, rtol=1e-3, atol=1e-3).mean()
    assert pieces.values.shape == whole.values.shape and near > 0.97
