import numpy as np
import pytest

from md2n.extraction.audio.frames import HOP
from md2n.extraction.audio.pitch import Pitch, srh_pitch, summed_residual_harmonics

from .voices import RATE_HZ, impulses, noise, sentence


def measured(sound: np.ndarray) -> Pitch:
    return srh_pitch(sound, len(sound) // HOP + 1)


@pytest.mark.parametrize("f0_hz", [82.4, 110.0, 163.7, 247.3, 390.0])
def test_the_pitch_of_an_impulse_train_is_found_within_half_a_percent(f0_hz):
    pitch = measured(impulses(f0_hz))
    assert pitch.voiced[pitch.measured].all()
    # Whole hertz: half a hertz is the best that can be asked of a low voice.
    assert np.abs(pitch.f0_hz[pitch.measured] - f0_hz).max() <= max(0.005 * f0_hz, 0.5)
    assert abs(pitch.mean_hz / f0_hz - 1) < 0.005


def test_noise_is_unvoiced():
    assert measured(noise(2.0)).voiced.mean() < 0.02


def test_silence_is_neither_measured_nor_voiced():
    pitch = measured(np.zeros(RATE_HZ))
    assert not pitch.measured.any() and not pitch.voiced.any() and not pitch.f0_hz.any()


def test_a_window_that_touches_digital_silence_is_not_measured():
    sound = impulses(120.0, 1.0)
    sound[8000:8800] = 0.0
    unmeasured = np.flatnonzero(~measured(sound).measured)
    inner = unmeasured[(unmeasured > 10) & (unmeasured < 90)]
    # Windows of 100 ms around the hole of 500 to 550 ms, in steps of 10 ms.
    assert inner.min() == 46 and inner.max() == 59


def test_windows_that_leave_the_sound_are_not_measured():
    pitch = measured(impulses(120.0, 0.5))
    assert list(np.flatnonzero(pitch.measured)) == list(range(5, 46))


def test_sub_harmonics_are_punished():
    time = np.arange(1600) / RATE_HZ
    windows = sum(np.cos(2 * np.pi * 200 * k * time) for k in range(1, 6))[None]
    srh = summed_residual_harmonics(windows, 50, 500)[0]
    assert srh[200 - 50] == srh.max()
    assert srh[100 - 50] < 0.5 * srh[200 - 50]


def test_voicing_follows_the_voice():
    pitch = measured(sentence())
    time = np.arange(len(pitch.voiced)) * 0.01
    inside = ((time > 0.35) & (time < 0.85)) | ((time > 1.15) & (time < 1.65))
    outside = (time < 0.22) | ((time > 0.98) & (time < 1.02)) | (time > 1.78)
    assert pitch.voiced[inside].mean() > 0.97
    assert pitch.voiced[outside].mean() < 0.1
