"""Recovery measures against closed forms."""

import math

import numpy as np
import pytest
from scipy import stats

from md2n.errors import DataError
from md2n.evaluation.recovery import LatentTally, RecoveryTally, coverage, crps, energy_distance, r2


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_r2_of_the_mean_is_0_and_of_the_truth_1() -> None:
    x = rng().normal(size=(50, 3))
    assert r2(x, x) == 1.0
    assert r2(x, np.zeros_like(x)) == 0.0
    assert r2(x, -x) == pytest.approx(-3.0)
    shifted = x + np.array([1.0, 2.0, 3.0])
    assert r2(shifted, np.broadcast_to([1.0, 2.0, 3.0], x.shape), mean=np.array([1.0, 2.0, 3.0])) == 0.0


def test_crps_of_gaussian_draws_is_the_closed_form_for_any_number_of_draws() -> None:
    sigma, y = 1.7, 0.6
    z = y / sigma
    closed = sigma * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / math.sqrt(math.pi))
    for count in (2, 3, 20):
        draws = rng(count).normal(0, sigma, (count, 60_000, 1))
        told = crps(np.full((60_000, 1), y), draws)
        assert told == pytest.approx(closed, abs=0.02), count


def test_crps_by_sorting_is_crps_by_all_pairs() -> None:
    draws, truth = rng(1).normal(size=(5, 4, 3)), rng(2).normal(size=(4, 3))
    pairs = np.abs(draws[:, None] - draws[None]).sum(axis=(0, 1)) / (5 * 4)
    assert crps(truth, draws) == pytest.approx(float((np.abs(draws - truth).mean(0) - pairs / 2).mean()))


def test_crps_of_one_draw_or_of_equal_draws_is_the_absolute_error() -> None:
    truth, guess = rng(1).normal(size=(6, 2)), rng(2).normal(size=(6, 2))
    error = float(np.abs(truth - guess).mean())
    assert crps(truth, guess[None]) == pytest.approx(error)
    assert crps(truth, np.stack([guess] * 7)) == pytest.approx(error)


@pytest.mark.parametrize("count", [2, 8, 19, 40])
def test_a_calibrated_gaussian_ensemble_is_covered_nine_times_in_ten(count: int) -> None:
    center = rng(3).normal(size=(40_000, 1)) * 5
    truth = center + rng(4).normal(size=center.shape)
    draws = center + rng(5).normal(size=(count, *center.shape))
    assert coverage(truth, draws) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("count", [19, 40])
def test_enough_draws_need_not_be_gaussian(count: int) -> None:
    truth = rng(4).exponential(size=(40_000, 1)) ** 3
    draws = rng(5).exponential(size=(count, *truth.shape)) ** 3
    assert coverage(truth, draws) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("count", [8, 40])
def test_a_collapsed_ensemble_covers_nothing_and_a_wide_one_everything(count: int) -> None:
    truth = rng(1).normal(size=(500, 2))
    assert coverage(truth, np.zeros((count, 500, 2))) == 0.0
    assert coverage(truth, 100 * rng(2).normal(size=(count, 500, 2))) > 0.99


def test_energy_distance_of_two_gaussians_is_the_closed_form() -> None:
    # In one dimension, E = 2 E|X - Y| - E|X - X'| - E|Y - Y'|, and |N(m, s^2)| has a folded normal mean.
    def folded(mean: float, deviation: float) -> float:
        ratio = mean / deviation
        return deviation * math.sqrt(2 / math.pi) * math.exp(-(ratio**2) / 2) + mean * (1 - 2 * stats.norm.cdf(-ratio))

    closed = 2 * folded(1, math.sqrt(5)) - folded(0, math.sqrt(2)) - folded(0, math.sqrt(8))
    told = [
        energy_distance(rng(i).normal(0, 1, (200, 1)), rng(i + 999).normal(1, 2, (150, 1)), rng()) for i in range(200)
    ]
    assert np.mean(told) == pytest.approx(closed, abs=3 * float(np.std(told)) / math.sqrt(200))
    assert np.std(told) < closed / 2


def test_energy_distance_is_unbiased_and_does_not_grow_with_width() -> None:
    same = [
        energy_distance(rng(i).normal(size=(20, 50)), rng(i + 999).normal(size=(20, 50)), rng()) for i in range(300)
    ]
    assert abs(np.mean(same)) < 3 * np.std(same) / math.sqrt(300)
    x = rng(1).normal(size=(500, 1))
    wide = np.repeat(x, 64, axis=1)
    assert energy_distance(wide, wide + 1, rng()) == pytest.approx(energy_distance(x, x + 1, rng()), rel=1e-6)


def test_energy_distance_of_a_perfect_recovery_is_0() -> None:
    x = rng().normal(size=(100, 4))
    assert energy_distance(x, x, rng(), paired=True) == pytest.approx(0.0, abs=1e-9)
    assert energy_distance(x, np.zeros_like(x), rng(), paired=True) > 0.2  # the mean is no sample of the distribution


def test_energy_distance_takes_a_sub_sample_that_is_seeded() -> None:
    x, y = rng(1).normal(size=(3000, 2)), rng(2).normal(0.5, 1, size=(4000, 2))
    told = energy_distance(x, y, rng(7), most=300)
    assert told == energy_distance(x, y, rng(7), most=300)
    assert told != energy_distance(x, y, rng(8), most=300)
    assert told == pytest.approx(energy_distance(x, y, rng(), most=4000), abs=0.08)


def test_a_tally_does_not_depend_on_how_frames_are_cut() -> None:
    truth = rng(1).normal(size=(700, 3))
    draws = truth + rng(2).normal(size=(6, 700, 3))
    whole, parts = RecoveryTally(rng(9), most=100), RecoveryTally(rng(9), most=100)
    whole.add(truth, draws.mean(0), draws)
    for start in range(0, 700, 33):
        cut = slice(start, start + 33)
        parts.add(truth[cut], draws[:, cut].mean(0), draws[:, cut])
    assert whole.measures() == pytest.approx(parts.measures(), rel=1e-9)
    assert np.array_equal(whole.truth, parts.truth)
    told = whole.measures()
    assert told["recovery_r2"] == pytest.approx(r2(truth, draws.mean(0)))
    assert told["recovery_crps"] == pytest.approx(crps(truth, draws))
    assert told["recovery_coverage90"] == pytest.approx(coverage(truth, draws))


def test_a_tally_of_the_truth_itself_is_perfect() -> None:
    truth = rng(1).normal(size=(60, 3))
    tally = RecoveryTally(rng())
    tally.add(truth, truth, np.stack([truth] * 3))
    told = tally.measures()
    assert (told["recovery_r2"], told["recovery_crps"], told["recovery_coverage90"]) == (1.0, 0.0, 1.0)
    assert told["recovery_energy"] == pytest.approx(0.0, abs=1e-9)  # pairs of a frame with itself are left out


def test_the_sub_sample_of_a_tally_is_uniform() -> None:
    tally = RecoveryTally(rng(3), most=500)
    for value in range(10):
        block = np.full((500, 1), float(value))
        tally.add(block, block, block[None])
    counts = np.bincount(tally.truth[:, 0].astype(int), minlength=10)
    assert counts.sum() == 500
    assert 25 < counts.min() <= counts.max() < 80


def test_a_tally_leaves_out_what_is_not_defined() -> None:
    assert RecoveryTally(rng()).measures() == {}
    one = RecoveryTally(rng())
    one.add(np.ones((1, 2)), np.ones((1, 2)), np.ones((1, 1, 2)))
    assert one.measures() == {"recovery_r2": 1.0, "recovery_crps": 0.0}


def test_latent_r2_is_around_the_mean_of_each_position() -> None:
    truth = rng(1).normal(size=(40, 3, 2)) + 10
    mean = np.broadcast_to(truth.mean(axis=0), truth.shape)
    for guess, expected in ((truth, 1.0), (mean, 0.0)):
        tally = LatentTally()
        tally.add(truth[:15], guess[:15])
        tally.add(truth[15:], guess[15:])
        assert tally.measures()["recovery_latent_r2"] == pytest.approx(expected, abs=1e-9)
    assert LatentTally().measures() == {}


def test_refusals_name_what_is_wrong() -> None:
    with pytest.raises(DataError, match="one draw has no standard deviation"):
        coverage(np.ones((2, 1)), np.ones((1, 2, 1)))
    with pytest.raises(DataError, match="never leave the training mean"):
        r2(np.zeros((3, 1)), np.ones((3, 1)))
    with pytest.raises(DataError, match="no hidden frame"):
        r2(np.zeros((0, 1)), np.zeros((0, 1)))
    with pytest.raises(DataError, match="do not compare"):
        energy_distance(np.ones((3, 1)), np.ones((3, 2)), rng())
    with pytest.raises(DataError, match="not a finite number"):
        RecoveryTally(rng()).add(np.ones((1, 1)), np.full((1, 1), np.nan), np.ones((1, 1, 1)))


def test_unknown_numbers_of_the_truth_count_for_nothing() -> None:
    x, guess, draws = rng(1).normal(size=(40, 3)), rng(2).normal(size=(40, 3)), rng(3).normal(size=(19, 40, 3))
    known = rng(4).random((40, 3)) < 0.7
    poisoned = np.where(known, x, np.nan)
    tally = RecoveryTally(rng())
    for part in (slice(0, 11), slice(11, 40)):
        tally.add(poisoned[part], guess[part], draws[:, part], known[part])
    measures = tally.measures()
    chosen = x[known]
    assert measures["recovery_r2"] == pytest.approx(r2(chosen[:, None], guess[known][:, None]))
    assert measures["recovery_crps"] == pytest.approx(crps(chosen[:, None], draws[:, known][:, :, None]))
    assert measures["recovery_coverage90"] == pytest.approx(coverage(chosen[:, None], draws[:, known][:, :, None]))


def test_two_draws_have_a_coverage_and_one_has_none() -> None:
    truth = rng(4).normal(size=(200, 3))
    for count in (1, 2):
        tally, draws = RecoveryTally(rng()), rng(5).normal(size=(count, 200, 3))
        tally.add(truth, draws.mean(axis=0), draws)
        told = tally.measures().get("recovery_coverage90")
        assert told == (None if count == 1 else pytest.approx(coverage(truth, draws)))
