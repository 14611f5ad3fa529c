import numpy as np
import pytest
from scipy.signal import freqz

from md2n.extraction.audio import envelope
from md2n.extraction.audio.spectra import at_frequencies, centred_spectra

from .voices import RATE_HZ, impulses, tract


def cepstra_of(sound: np.ndarray, f0_hz: float) -> np.ndarray:
    centres = np.arange(2000, len(sound) - 2000, 160)
    f0 = np.full(len(centres), f0_hz)
    return envelope.true_envelope(envelope.log_amplitude(centred_spectra(sound, centres, f0)[:, ::2]), f0)


@pytest.mark.parametrize("f0_hz", [90.0, 120.0, 180.0])
def test_the_envelope_of_an_impulse_train_is_that_of_its_vocal_tract(f0_hz):
    curve = envelope.from_cepstrum(cepstra_of(impulses(f0_hz), f0_hz)).mean(axis=0)
    hertz = np.linspace(0, RATE_HZ / 2, len(curve))
    known = np.log(np.abs(freqz([1.0], tract(), hertz, fs=RATE_HZ)[1]))
    inside = (hertz > 300) & (hertz < 6500)
    difference = (curve - known)[inside]
    assert (difference - difference.mean()).std() < 0.25  # 2 dB, in nepers


def test_mcep_of_an_all_pole_filter_from_its_impulse_train():
    f0_hz = 120.0
    hertz = np.linspace(0, RATE_HZ / 2, 513)
    known = envelope.mel_cepstrum(np.log(np.abs(freqz([1.0], tract(), hertz, fs=RATE_HZ)[1]))[None], 13)[0]
    found = envelope.mel_cepstrum(envelope.from_cepstrum(cepstra_of(impulses(f0_hz), f0_hz)), 13).mean(axis=0)
    assert found[1:] == pytest.approx(known[1:], abs=0.25)
    assert np.corrcoef(found[1:], known[1:])[0, 1] > 0.98


def test_nothing_sticks_out_of_the_true_envelope_by_more_than_2_db():
    rng = np.random.default_rng(0)
    levels = rng.normal(size=(6, 513)).cumsum(axis=1) * 0.1 + rng.normal(size=(6, 513)) * 0.3
    cepstra = envelope.true_envelope(levels, np.full(6, 100.0))
    assert (levels - envelope.from_cepstrum(cepstra)).max() < envelope.TOLERANCE_NEPER
    assert not cepstra[:, 81:].any()  # P = 16000 / 2 / 100


def test_a_smooth_spectrum_is_its_own_envelope():
    bins = np.arange(513)
    level = (0.7 + np.cos(np.pi * bins / 512) - 0.4 * np.cos(5 * np.pi * bins / 512))[None]
    cepstra = envelope.true_envelope(level, np.array([100.0]))
    assert envelope.from_cepstrum(cepstra) == pytest.approx(level, abs=1e-9)
    assert cepstra[0, [0, 1, 5]] == pytest.approx([0.7, 0.5, -0.2])


def test_mel_cepstrum_of_cosines_over_the_mel_axis():
    top = np.log1p(8000 / 700)
    mel = np.log1p(np.linspace(0, 8000, 513) / 700) / top
    level = (2.0 - 1.5 * np.cos(np.pi * mel) + 0.5 * np.cos(4 * np.pi * mel))[None]
    assert envelope.mel_cepstrum(level, 6)[0] == pytest.approx([2.0, -1.5, 0, 0, 0.5, 0], abs=2e-3)


def test_gain_changes_c0_alone():
    sound = impulses(120.0)
    one = envelope.mel_cepstrum(envelope.from_cepstrum(cepstra_of(sound, 120.0)), 25)
    other = envelope.mel_cepstrum(envelope.from_cepstrum(cepstra_of(10 * sound, 120.0)), 25)
    assert other[:, 0] - one[:, 0] == pytest.approx(np.log(10), abs=1e-9)
    assert other[:, 1:] == pytest.approx(one[:, 1:], abs=1e-9)


def test_minimum_phase_of_an_all_pole_filter_is_its_phase():
    response = freqz([1.0], tract(((650, 200), (2500, 300))), np.linspace(0, 8000, 1025), fs=RATE_HZ)[1]
    level = np.log(np.abs(response))
    cepstrum = np.fft.irfft(level)[None, :1025]
    assert envelope.minimum_phase(cepstrum)[0] == pytest.approx(np.unwrap(np.angle(response)), abs=1e-3)


def test_spectra_of_silence_and_of_a_sinusoid():
    assert not envelope.log_amplitude(np.zeros((1, 5), dtype=complex)).any()
    time = np.arange(4000) / RATE_HZ
    sound = 0.6 * np.cos(2 * np.pi * 200 * (time - 2000 / RATE_HZ) + 0.7)
    spectra = centred_spectra(sound, np.array([2000]), np.array([100.0]))
    assert at_frequencies(spectra, np.array([[200.0]]))[0, 0] == pytest.approx(0.3 * np.exp(0.7j), abs=0.003)
