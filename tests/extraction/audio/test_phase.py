import numpy as np
import pytest

from md2n.extraction.audio.phase import NEIGHBOURS, deviation_columns, mean_columns, phase_distortion, running_mean


def turned(rows: int, count: int = 60, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.exp(1j * rng.uniform(-np.pi, np.pi, count))[None].repeat(rows, axis=0)


def test_phase_distortion_does_not_feel_a_delay():
    harmonics = turned(1)
    for delay in (0.1, 1.7):
        moved = harmonics * np.exp(-1j * delay * np.arange(1, 61))
        # Each harmonic turns by k * delay; the difference to the one before by delay, which the first takes away.
        assert phase_distortion(moved) == pytest.approx(phase_distortion(harmonics), abs=1e-12)


def test_the_first_harmonic_is_never_distorted():
    assert (phase_distortion(turned(3))[:, 0] == 1).all()


def test_pulses_in_phase_have_no_distortion():
    assert phase_distortion(np.ones((1, 20), dtype=complex)) == pytest.approx(np.ones((1, 20)))


def test_a_steady_voice_has_length_one_and_a_noisy_one_less():
    steady = running_mean(phase_distortion(turned(30)))
    assert np.abs(steady) == pytest.approx(np.ones((30, 60)))
    rng = np.random.default_rng(3)
    noisy = running_mean(phase_distortion(np.exp(1j * rng.uniform(-np.pi, np.pi, (3000, 10)))))
    assert np.abs(noisy[:, 1:]).mean() == pytest.approx(np.sqrt(np.pi / 4 / (2 * NEIGHBOURS + 1)), rel=0.1)


def test_columns_below_the_pitch_are_exactly_zero():
    f0 = np.array([110.0, 220.0])
    columns = np.angle(mean_columns(running_mean(phase_distortion(turned(2))), f0, 25))
    hertz = np.geomspace(20, 8000, 25)
    for row, pitch in enumerate(f0):
        assert (columns[row, hertz <= pitch] == 0).all()
        assert columns[row, hertz > pitch].all()


def test_deviation_of_a_steady_voice_is_the_floor_at_every_frequency():
    f0 = np.full(4, 100.0)
    columns = deviation_columns(np.ones((4, 80), dtype=complex), f0, 13)
    assert columns[:, 0] == pytest.approx(np.log(1e-3))
    assert columns[:, 1:] == pytest.approx(0.0, abs=1e-9)
