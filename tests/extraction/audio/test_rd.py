import numpy as np
import pytest

from md2n.extraction.audio.liljencrants_fant import pulse
from md2n.extraction.audio.rd import mean_square_phase, rd_shape
from md2n.extraction.audio.spectra import at_frequencies, centred_spectra

from .voices import lf_voice


@pytest.mark.parametrize("rd", [0.4, 1.0, 1.7, 2.5])
def test_the_lf_pulse_is_continuous_normalised_and_leaves_no_flow(rd):
    shape = pulse(rd)
    time = np.arange(200_000) / 200_000
    derivative = shape.derivative(time)
    assert derivative.min() == pytest.approx(-1.0, abs=1e-3)
    assert derivative.mean() == pytest.approx(0.0, abs=1e-4)
    assert np.abs(np.diff(derivative)).max() < 5e-3
    assert derivative[0] == 0 and derivative[-1] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("rd", [0.4, 1.0, 1.7, 2.5])
def test_the_spectrum_of_the_lf_pulse_is_its_fourier_transform(rd):
    shape = pulse(rd)
    time = (np.arange(100_000) + 0.5) / 100_000
    harmonic = np.array([0.5, 1.0, 2.0, 7.0, 20.0])
    numeric = np.exp(-2j * np.pi * harmonic[:, None] * time) @ shape.derivative(time) / 100_000
    assert shape.spectrum(harmonic) == pytest.approx(numeric, abs=1e-5)


@pytest.mark.parametrize("f0_hz", [100.0, 137.3, 210.0])
def test_rd_of_a_made_voice_is_found(f0_hz):
    for rd in (0.5, 0.8, 1.1, 1.5, 2.0, 2.4):
        sound = lf_voice(rd, f0_hz)
        centres = np.arange(2000, 7000, 160)
        f0 = np.full(len(centres), f0_hz)
        harmonics = at_frequencies(centred_spectra(sound, centres, f0), np.arange(1, 161) * f0[:, None])
        found, confidence = rd_shape(harmonics, f0)
        assert np.median(found) == pytest.approx(rd, rel=0.1)
        assert np.median(confidence) > 0.9


def test_a_delay_is_free():
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(5, 3, 8)) * 0.3
    for delay in (0.3, 2.0, -1.1):
        moved = theta + delay * np.arange(1, 9)
        assert mean_square_phase(moved) == pytest.approx(mean_square_phase(theta), rel=1e-6, abs=1e-9)


def test_random_phases_have_the_confidence_of_chance():
    rng = np.random.default_rng(0)
    f0 = np.full(400, 100.0)
    harmonics = np.exp(1j * rng.uniform(-np.pi, np.pi, (400, 160)))
    _, confidence = rd_shape(harmonics, f0)
    # The best of 23 shapes and all delays does better than 1 - 1 / sqrt(3) = 0.42, but is far from a pulse.
    assert 0.42 < confidence.mean() < 0.75
