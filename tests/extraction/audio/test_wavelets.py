import numpy as np
import pytest

from md2n.extraction.audio import closures as closing
from md2n.extraction.audio.linear_prediction import residual
from md2n.extraction.audio.wavelets import OCTAVES, maxima_dispersion, octave_band, peak_slope

from .voices import RATE_HZ, lf_voice, noise


def test_each_scale_answers_an_octave_lower_than_the_one_before():
    time = np.arange(RATE_HZ) / RATE_HZ
    tones = 7000.0 / 2.0 ** np.arange(7)
    answers = np.array(
        [
            [np.abs(octave_band(np.cos(2 * np.pi * f * time), s)[4000:-4000]).max() / 2**s for s in range(7)]
            for f in tones
        ]
    )
    assert list(answers.argmax(axis=1)) == list(range(7))


def test_the_slope_of_scales_of_known_height():
    # An impulse meets every wavelet at its peak of size 1: no slope at all.
    sound = np.zeros(RATE_HZ)
    sound[8000] = 1.0
    slope, measured = peak_slope(sound, 101)
    near = np.abs(np.arange(101) - 50) <= 1
    assert measured[near].all()
    assert slope[near] == pytest.approx(0.0, abs=1e-6)
    assert not measured[:40].any()


def test_peak_slope_is_gain_free_and_steeper_for_breath():
    tense, breathy = lf_voice(0.5, 110.0), lf_voice(2.2, 110.0)
    one, measured = peak_slope(tense, 61)
    other, _ = peak_slope(breathy, 61)
    assert other[measured].mean() < one[measured].mean() - 0.05
    loud, _ = peak_slope(50 * tense, 61)
    assert loud == pytest.approx(one, abs=1e-9)


def test_windows_that_leave_the_sound_are_not_measured():
    _, measured = peak_slope(noise(0.3), 31)
    assert list(np.flatnonzero(measured)) == list(range(2, 29))


def test_silence_has_no_slope():
    slope, measured = peak_slope(np.zeros(8000), 51)
    assert not measured.any() and not slope.any()


def test_maxima_beside_an_impulse_lie_half_a_cycle_off_or_at_the_end_of_the_search():
    error = np.zeros(4000)
    error[1160] = 1.0
    time = np.arange(0, 2, 0.001)
    half_cycle = time[(-np.cos(np.pi * time) * np.exp(-(time**2) / 2)).argmax()]
    known = np.mean([min(half_cycle * 2**scale, 0.2 * 160) for scale in range(2, 7)]) / 160
    assert maxima_dispersion(error, np.array([1160]), np.array([160])) == pytest.approx(known, abs=0.004)
    assert maxima_dispersion(9 * error, np.array([1160]), np.array([160])) == pytest.approx(known, abs=0.004)


def test_dispersion_rises_from_tense_to_breathy():
    found = []
    for rd in (0.5, 0.8, 1.1, 1.5):
        sound = lf_voice(rd, 100.0)
        error = residual(sound, closing.ORDER)
        closures = closing.sedreams(sound, error, 100.0)
        closures = closures[(closures > 1600) & (closures < 8000)]
        found.append(maxima_dispersion(error, closures, np.full(len(closures), 160)).mean())
    assert (np.diff(found) > 0.005).all()


def test_there_are_seven_octaves_from_8_khz_down_to_125_hz():
    assert OCTAVES == 7
