"""Unknown numbers inside a frame: the closed form is the Gaussian conditional, and what is known stays."""

import numpy as np
import pytest

from md2n.data.cell_model import CellModel, Factors
from md2n.data.normalise import Normaliser
from md2n.data.readers.arrays import from_arrays
from md2n.errors import DataError


def world(count=2000, dim=12, rank=3, noise=0.3, seed=0):
    """Frames of a factor model, and its covariance."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(dim, rank))
    x = rng.normal(size=(count, rank)) @ w.T + noise * rng.normal(size=(count, dim))
    return x.astype(np.float32), w @ w.T + noise**2 * np.eye(dim), w


def test_the_closed_form_is_the_conditional_of_the_gaussian():
    x, covariance, w = world()
    model = Factors(np.zeros(12, np.float32), w.astype(np.float32), np.full(12, 0.09, np.float32))
    known = np.random.default_rng(1).random((50, 12)) < 0.7
    known[0] = False  # of which nothing is known, in the middle of nowhere
    filled, deviation = model.fill(x[:50], known)
    for i in range(1, 50):
        o, m = np.flatnonzero(known[i]), np.flatnonzero(~known[i])
        gain = covariance[np.ix_(m, o)] @ np.linalg.inv(covariance[np.ix_(o, o)])
        np.testing.assert_allclose(filled[i, m], gain @ x[i, o], rtol=2e-4, atol=2e-4)
        variance = np.diag(covariance[np.ix_(m, m)] - gain @ covariance[np.ix_(o, m)])
        np.testing.assert_allclose(deviation[i, m] ** 2, variance, rtol=2e-3)
    np.testing.assert_allclose(deviation[0] ** 2, np.diag(covariance), rtol=1e-4)


def test_what_is_known_comes_back_to_the_bit():
    x, _, _ = world(200)
    known = np.random.default_rng(1).random(x.shape) < 0.8
    poisoned = np.where(known, x, np.nan).astype(np.float32)
    model = Factors.fit(poisoned, known, np.random.default_rng(0))
    filled, deviation = model.fill(poisoned, known)
    assert np.array_equal(filled[known], x[known])
    assert np.isfinite(filled).all() and np.isfinite(deviation).all()
    assert not deviation[known].any() and (deviation[~known] > 0).all()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_a_fit_on_frames_with_gaps_finds_what_a_linear_map_finds(share):
    both, _, w = world(6000)
    x, fresh = both[:3000], both[3000:]
    known = np.random.default_rng(1).random(x.shape) >= share
    model = Factors.fit(np.where(known, x, np.nan).astype(np.float32), known, np.random.default_rng(0))
    hidden = np.random.default_rng(2).random(fresh.shape) < 0.2
    filled, deviation = model.fill(fresh, ~hidden)
    error = fresh - filled
    # The best linear answer: the conditional of the true covariance.
    truth = Factors(np.zeros(12, np.float32), w.astype(np.float32), np.full(12, 0.09, np.float32))
    best = fresh - truth.fill(fresh, ~hidden)[0]
    assert np.square(error[hidden]).mean() < 1.1 * np.square(best[hidden]).mean()
    inside = np.abs(error[hidden]) < 1.645 * deviation[hidden]
    assert 0.86 < inside.mean() < 0.94


def test_noise_without_factors_is_answered_by_the_mean():
    x = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    model = Factors.fit(x, np.ones(x.shape, bool), np.random.default_rng(0))
    assert model.loadings.shape[1] <= 1
    filled, _ = model.fill(x, np.random.default_rng(1).random(x.shape) < 0.5)
    assert np.abs(filled - x).mean() < 1.0


def test_a_frame_of_nothing_lies_between_its_neighbours():
    x, _, w = world(7)
    model = Factors(np.zeros(12, np.float32), w.astype(np.float32), np.full(12, 0.09, np.float32))
    known = np.ones((5, 12), bool)
    known[2] = False
    filled, _ = model.fill(x[:5], known)
    smooth = (model.fill(np.tile(x[1], (1, 1)), known[:1])[0] + x[3]) / 2
    assert np.linalg.norm(filled[2] - smooth) < np.linalg.norm(filled[2] + smooth)
    assert np.corrcoef(filled[2], smooth[0])[0, 1] > 0.9


def test_few_frames_give_mean_and_deviation():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    model = Factors.fit(x, np.ones((3, 2), bool), np.random.default_rng(0))
    filled, deviation = model.fill(x, np.array([[True, False]] * 3))
    np.testing.assert_allclose(filled[:, 1], 3)
    np.testing.assert_allclose(deviation[:, 1], x[:, 1].std(), rtol=1e-6)


def test_it_is_kept_and_read_again():
    rng = np.random.default_rng(0)
    samples = from_arrays({"a": rng.normal(size=(40, 5)), "b": rng.normal(size=(40, 3, 2))}, splits=[0] * 40)
    normaliser = Normaliser.fit(samples, np.arange(40))
    model = CellModel.fit(samples, np.arange(40), normaliser)
    again = CellModel.from_state(*model.to_state())
    known = np.array([[True, True, False, True, False]])
    x = rng.normal(size=(1, 5)).astype(np.float32)
    for one, other in zip(model.fill("a", x, known), again.fill("a", x, known)):
        assert np.array_equal(one, other)
    arrays, facts = model.to_state()
    arrays.pop("mean.0")
    with pytest.raises(DataError, match=r"lacks 'mean\.0'"):
        CellModel.from_state(arrays, facts)
