import numpy as np
import pytest

from md2n.extraction.audio import closures as closing
from md2n.extraction.audio import glottal
from md2n.extraction.audio.inverse_filter import glottal_flow
from md2n.extraction.audio.liljencrants_fant import pulse
from md2n.extraction.audio.linear_prediction import inverse_filter, predictor, residual

from .voices import RATE_HZ, lf_voice, noise, sentence, tract


def pulse_train(rd: float, period: int = 160, count: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flow, derivative and closures of known pulses; here a closure is where the flow has come to rest."""
    time = (np.arange(period * count) % period) / period
    derivative = pulse(rd).derivative(time)
    flow = np.cumsum(derivative)
    closures = (
        np.arange(1, count - 2) * period + round((pulse(rd).closure + 3 * pulse(rd).return_time) * period)
    ).astype(np.int64)
    return flow, derivative, closures


@pytest.mark.parametrize("rd", [0.5, 1.0, 1.6, 2.2])
def test_naq_of_lf_pulses_is_their_amplitude_quotient(rd):
    fine = pulse(rd).derivative(np.arange(100_000) / 100_000)
    flow = np.cumsum(fine) / 100_000
    known = (flow.max() - min(flow[0], flow[-1])) / np.abs(fine).max()
    flow, derivative, closures = pulse_train(rd)
    naq, _ = glottal.naq_and_qoq(flow, derivative, closures, np.full(len(closures), 160))
    assert naq == pytest.approx(known, rel=0.12)


def test_every_measure_tells_tense_from_breathy():
    shapes = [0.5, 1.0, 1.6, 2.2]
    rows = []
    for rd in shapes:
        flow, derivative, closures = pulse_train(rd)
        period = np.full(len(closures), 160)
        naq, qoq = glottal.naq_and_qoq(flow, derivative, closures, period)
        h1h2 = glottal.harmonic_difference(derivative, closures, period)
        psp = glottal.parabolic_spectral_parameter(flow, closures, period)
        rows.append([naq.mean(), qoq.mean(), h1h2.mean(), psp.mean()])
    assert (np.diff(rows, axis=0) > 0).all()


def test_gain_and_offset_do_not_matter():
    flow, derivative, closures = pulse_train(1.2)
    period = np.full(len(closures), 160)

    def measures(gain: float, offset: float) -> list[np.ndarray]:
        naq, qoq = glottal.naq_and_qoq(gain * flow + offset, gain * derivative, closures, period)
        return [
            naq,
            qoq,
            glottal.harmonic_difference(gain * derivative, closures, period),
            glottal.parabolic_spectral_parameter(gain * flow + offset, closures, period),
        ]

    for one, other in zip(measures(1.0, 0.0), measures(37.0, 5.0)):
        assert other == pytest.approx(one, rel=1e-6)


def test_qoq_of_a_rectangular_pulse_is_its_open_part():
    period = 200
    flow = np.zeros(period * 6)
    for start in range(0, len(flow), period):
        flow[start + 60 : start + 140] = 1.0
    closures = np.arange(1, 5) * period
    _, qoq = glottal.naq_and_qoq(flow, np.diff(flow, prepend=0.0), closures, np.full(4, period))
    assert qoq == pytest.approx(81 / 200, abs=0.006)


def test_harmonic_difference_of_two_sinusoids():
    time = np.arange(4000) / RATE_HZ
    derivative = np.cos(2 * np.pi * 100 * time) + 0.25 * np.cos(2 * np.pi * 200 * time)
    h1h2 = glottal.harmonic_difference(derivative, np.array([1600, 2400]), np.array([160, 160]))
    assert h1h2 == pytest.approx(20 * np.log10(4), abs=0.05)


def test_no_pulse_falls_faster_than_a_steady_flow():
    flow = np.ones(1000)
    flow[300] = 0.0  # almost steady: a pulse has to have a height
    steady = glottal.parabolic_spectral_parameter(flow, np.array([500]), np.array([200]))
    # How many bins are fitted jumps with the length of the pulse, so one sample less is not quite 1.
    assert steady == pytest.approx(1.0, abs=0.25)
    flow, _, closures = pulse_train(2.5)
    assert (glottal.parabolic_spectral_parameter(flow, closures, np.full(len(closures), 160)) < 0.7 * steady).all()


def test_the_first_closure_after_a_pause_takes_the_period_that_follows():
    period, usable = glottal.periods(np.array([100, 260, 420, 9000, 9150, 9300]))
    assert list(period) == [160, 160, 160, 150, 150, 150]
    assert usable.all()


def test_a_lone_closure_has_no_period():
    assert not glottal.periods(np.array([5000]))[1].any()
    assert not glottal.periods(np.array([5000, 9000]))[1].any()


@pytest.mark.parametrize("f0_hz", [100.0, 137.3, 210.0])
def test_closures_are_found_once_a_period_near_the_pulse_s_closure(f0_hz):
    sound = lf_voice(0.9, f0_hz, 0.8)
    found = closing.sedreams(sound, residual(sound, closing.ORDER), f0_hz)
    found = found[(found > 3200) & (found < 9600)]
    assert len(found) == pytest.approx(0.4 * f0_hz, abs=1.5)
    place = found * f0_hz / RATE_HZ % 1.0
    assert np.abs(place - pulse(0.9).closure).max() < 0.08


def test_polarity_is_seen_and_turns_over():
    for sound in (lf_voice(0.8, 110.0), sentence()):
        error = residual(sound, closing.ORDER)
        assert closing.polarity(sound, error) == 1
        assert closing.polarity(-sound, -error) == -1


def test_inverse_filtering_gives_the_pulse_back():
    for rd in (0.7, 1.3, 2.0):
        sound = lf_voice(rd, 110.0)
        flow, derivative = glottal_flow(sound)
        found = closing.sedreams(sound, residual(sound, closing.ORDER), 110.0)
        found = found[(found > 2400) & (found < 7200)]
        naq, _ = glottal.naq_and_qoq(flow, derivative, found, np.full(len(found), round(RATE_HZ / 110)))
        assert np.median(naq) == pytest.approx(0.11 * rd, rel=0.2)  # Fant: Rd = NAQ / 0.11


def test_a_predictor_finds_the_poles_it_was_made_with():
    from scipy.signal import lfilter

    sound = lfilter([1.0], tract(), noise(1.0))
    a = predictor(sound[None] * np.hanning(len(sound)), 8)
    assert a[0] == pytest.approx(tract(), abs=0.05)
    left = inverse_filter(a, sound[None])[0]
    assert np.corrcoef(left[1:], left[:-1])[0, 1] == pytest.approx(0, abs=0.03)


def test_silence_has_an_identity_predictor_and_no_closures():
    assert predictor(np.zeros((1, 400)), 3).tolist() == [[1, 0, 0, 0]]
    assert not residual(np.zeros(2000), 12).any()
    assert len(closing.sedreams(np.zeros(2000), np.zeros(2000), 100.0)) == 0
