"""The step that is exact for Gaussian ends: in any number of calls, at its limits, and with a wrong variance."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from md2n.diffusion import gaussian_sampler
from md2n.diffusion.gaussian import GaussianPair
from md2n.diffusion.gaussian_sampler import Gaussian
from md2n.diffusion.process import make_process
from md2n.diffusion.sampler import STRIDES, Deterministic, Multistep, Sampler, make_sampler
from md2n.diffusion.schedule import SCHEDULES
from md2n.diffusion.transfer import TRANSFERS
from md2n.noise import Noise, SequentialNoise
from md2n.seeding import generator
from tests.laws.worlds import make_diagonal_world, make_world, recovered, walk

EVERY = [(s, w) for s in SCHEDULES.names() for w in TRANSFERS.names()]
DEFAULT = make_process(1000, 200, 800)
EQUAL, UNEQUAL = torch.full((3,), 0.4).double(), torch.tensor([1.3, 0.2, 0.01]).double()


def close(measured: tuple[Tensor, Tensor], true: tuple[Tensor, Tensor]) -> None:
    for one, other in zip(measured, true):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def scalar_ratio(sampler: Sampler, calls: int, true: float, c2: float) -> float:
    """Variance of draws from the partner over the true one, of one latent number."""
    world, partner = make_diagonal_world(torch.tensor([true]).double())
    path = sampler.path(calls)
    begun = world.marginal(sampler.process, partner, path[0])
    return float(walk(sampler, world, partner, path, *begun, variance=c2)[1]) / true


def test_the_diagonal_world_is_what_it_says() -> None:
    world, partner = make_diagonal_world(UNEQUAL)
    torch.testing.assert_close(world.given_partner(partner)[1], UNEQUAL.diag(), rtol=0, atol=1e-12)
    assert bool((torch.linalg.eigvalsh(world.covariance.reshape(6, 6)) > 0).all())


@pytest.mark.parametrize("strides", STRIDES)
@pytest.mark.parametrize("variance", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
@pytest.mark.parametrize(("schedule", "transfer"), EVERY)
def test_mean_and_covariance_are_exact_in_any_number_of_calls(
    schedule: str, transfer: str, variance: Tensor, strides: str
) -> None:
    world, partner = make_diagonal_world(variance)
    for printed in ("exact", "as_printed"):
        process = make_process(100, 20, 80, schedule, transfer, printed)  # type: ignore[arg-type]
        sampler = Gaussian(process, strides)
        for calls in (1, 2, 4, 17):
            path = sampler.path(calls)
            drawn = walk(sampler, world, partner, path, *world.marginal(process, partner, path[0]), variance=variance)
            close(drawn, world.given_partner(partner))


@pytest.mark.parametrize("strides", STRIDES)
@pytest.mark.parametrize("variance", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
def test_from_noise_it_is_exact_but_for_where_noise_begins(variance: Tensor, strides: str) -> None:
    """Begun in the chain's own marginal at T it is exact; begun in N(0, 1) it misses by the sqrt(abar_T) x_0^a that is
    not there, carried on to the end."""
    world, partner = make_diagonal_world(variance)
    sampler = Gaussian(DEFAULT, strides)
    left, noise = DEFAULT.schedule.abar[-1].sqrt(), DEFAULT.std_table[-1]
    mean, covariance = world.given_partner(partner)
    unit = torch.eye(3).double()
    for calls in (2, 4, 17):
        path = sampler.path(calls, "noise")
        close(walk(sampler, world, partner, path, left * partner, noise**2 * unit, variance), (mean, covariance))
        begun = walk(sampler, world, partner, path, 0 * partner, unit, variance)
        close(begun, (mean - variance.sqrt() * left / noise * partner, covariance / noise**2))


def test_a_partner_drawn_in_the_structure_stage_is_exact() -> None:
    """There E[x_0^a | x_t] is asked and c^2 is the variance of x_0^a; at t2 the chain still carries x_0^a."""
    eye = torch.eye(3).double()
    zero = torch.zeros(3, 3).double()
    covariance = torch.cat([torch.cat([eye, zero], dim=1), torch.cat([zero, UNEQUAL.diag()], dim=1)])
    world = GaussianPair(torch.randn(2, 3, generator=generator(0, "mean")).double(), covariance.view(2, 3, 2, 3))
    sampler, root = Gaussian(DEFAULT), DEFAULT.schedule.abar.sqrt()
    for path in ((1000, 800), (1000, 950, 810, 800)):
        x = torch.cat([torch.zeros(1, 3).double(), eye])
        for t, s in pairwise(path):
            end = world.partner_estimate(DEFAULT, x, t)
            x = sampler.step(x, end, end, t, s, variance=UNEQUAL)
        gain = (x[1:] - x[0]).T
        first, last = (root[t] ** 2 * UNEQUAL.diag() + DEFAULT.variance[t] * eye for t in (1000, 800))
        close((gain @ (root[1000] * world.mean[1]) + x[0], gain @ first @ gain.T), (root[800] * world.mean[1], last))


def test_one_call_gives_the_mean_and_c_times_the_noise() -> None:
    """Through the sampling loop; c^2 for all numbers, for each, and for each of every row."""
    world, partner = make_diagonal_world(UNEQUAL)
    rows = partner.expand(5, -1)
    z = torch.randn(5, 3, generator=generator(0, "z"), dtype=torch.float64)
    each = torch.rand(5, 3, generator=generator(0, "c2"), dtype=torch.float64)
    mean = world.given_partner(rows)[0]
    for variance in (0.3, 1, UNEQUAL, UNEQUAL.float(), each, each[:, :1], torch.tensor(0.3)):
        x = Gaussian(DEFAULT).sample(
            world.estimator(DEFAULT, rows), rows, SequentialNoise(generator(0, "z")), 1, variance=variance
        )
        c = torch.as_tensor(variance, dtype=torch.float64).sqrt()
        torch.testing.assert_close(x, mean + c * z, rtol=0, atol=1e-12)


def test_from_noise_the_partner_is_certain_and_the_rest_is_not() -> None:
    """Through the sampling loop: c^2 is read after t2 only."""
    world, partner = make_diagonal_world(UNEQUAL)
    rows = partner.expand(5, -1)
    z = torch.randn(5, 3, generator=generator(0, "z"), dtype=torch.float64)
    left, std = DEFAULT.schedule.abar[-1].sqrt(), DEFAULT.std_table[-1]
    expected = world.given_partner(rows)[0] + UNEQUAL.sqrt() / std * (z - left * rows)
    for calls in (2, 4, 17):
        x = Gaussian(DEFAULT).sample(
            world.estimator(DEFAULT, rows), rows, SequentialNoise(generator(0, "z")), calls, "noise",
            lambda x_t, t: rows, variance=UNEQUAL,
        )  # fmt: skip
        torch.testing.assert_close(x, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("start", ["partner", "noise"])
def test_a_certain_end_gives_the_deterministic_sampler(start: str) -> None:
    world, partner = make_world()
    rows = partner.expand(5, -1)
    for calls in (2, 6, 50):
        one, other = (
            kind(DEFAULT).sample(
                world.estimator(DEFAULT, rows), rows, SequentialNoise(generator(0, "z")), calls,
                start, lambda x_t, t: rows, variance=torch.zeros(3),
            )
            for kind in (Gaussian, Deterministic)
        )  # fmt: skip
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_two_strides_with_one_estimate_are_one_stride() -> None:
    """(1) has no memory: with m fixed, t to u to s is t to s."""
    x_t, partner, m = torch.randn(3, 1, 4, generator=generator(0, "x"), dtype=torch.float64)
    sampler, c2 = Gaussian(DEFAULT), 0.3

    def end(x: Tensor, t: int) -> Tensor:
        own, v = DEFAULT.own[t], DEFAULT.own[t] ** 2 * c2 + DEFAULT.variance[t]
        return m + c2 * own / v * (x - DEFAULT.known(partner, t) - own * m)

    for t, u, s in ((800, 400, 0), (800, 799, 10), (300, 20, 1)):
        x_u = sampler.step(x_t, end(x_t, t), partner, t, u, variance=c2)
        twice = sampler.step(x_u, end(x_u, u), partner, u, s, variance=c2)
        once = sampler.step(x_t, end(x_t, t), partner, t, s, variance=c2)
        torch.testing.assert_close(twice, once, rtol=0, atol=1e-10)


def test_table_of_variances_in_the_modules_header() -> None:
    header = gaussian_sampler.__doc__
    assert header is not None
    rows = [line.split() for line in header.splitlines() if line.split()[:1] in (["multistep"], ["gaussian"])]
    assert len(rows) == 14
    for name, c2, true, strides, *claimed in rows:
        sampler = make_sampler(name, DEFAULT, strides)
        measured = [
            scalar_ratio(sampler, calls, float(true), float(c2.replace("-", "0"))) for calls in (2, 4, 6, 10, 50)
        ]
        assert measured == pytest.approx([float(x) for x in claimed], abs=0.0051), (name, c2, true, strides)


@pytest.mark.parametrize("strides", STRIDES)
@pytest.mark.parametrize(("c2", "true"), [(1.0, 0.5), (0.5, 1.0), (1.0, 0.05), (0.1, 0.2)])
def test_with_a_wrong_variance_the_error_falls_at_first_order(c2: float, true: float, strides: str) -> None:
    """From c^2 over the true one, in one call, toward 1: the true process whatever c^2 is."""
    sampler = Gaussian(DEFAULT, strides)
    one, few, some, many = (scalar_ratio(sampler, calls, true, c2) - 1 for calls in (1, 10, 50, 200))
    assert one == pytest.approx(c2 / true - 1)
    assert abs(many) < 0.035
    assert 0.9 < math.log(few / some, 5) < 1.2
    assert 0.95 < math.log(some / many, 4) < 1.05


def test_correlated_numbers_lose_less_than_with_the_multistep_sampler() -> None:
    """c^2 is the diagonal of a covariance that is none: the mean is exact, the error falls at first order."""
    sampler = Gaussian(DEFAULT)
    errors = {calls: recovered(sampler, calls) for calls in (1, 4, 10, 50, 200)}
    assert max(mean for mean, _ in errors.values()) < 1e-12
    for calls in (4, 10, 50):
        assert errors[calls][1] < 0.15 * recovered(Multistep(DEFAULT), calls)[1]
    assert math.log(errors[10][1] / errors[50][1], 5) == pytest.approx(1, abs=0.05)
    assert math.log(errors[50][1] / errors[200][1], 4) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("name", ["deterministic", "multistep"])
def test_strides_equal_in_the_angle_keep_more_variance_than_strides_equal_in_time(name: str) -> None:
    for true in (1.0, 0.5, 0.2, 0.05):
        for calls in (2, 4, 6, 10, 50):
            time, angle = (scalar_ratio(make_sampler(name, DEFAULT, s), calls, true, 0) for s in STRIDES)
            assert time < angle < 1.005


class TwoModes:
    """x_0^m is near -.8 or near .8, whatever the partner: the ideal network, and how far draws are from the truth."""

    centres = torch.tensor([-0.8, 0.8]).double()
    weights = torch.tensor([0.3, 0.7]).double()
    width = 0.3
    variance = 0.3 * 0.7 * 1.6**2 + width**2
    normal = torch.distributions.Normal(torch.zeros((), dtype=torch.float64), 1.0)

    def estimate(self, x_t: Tensor, t: int) -> Tensor:
        own = DEFAULT.own[t]
        total = own**2 * self.width**2 + DEFAULT.variance[t]
        mode = (self.weights.log() - (x_t - own * self.centres) ** 2 / (2 * total)).softmax(dim=-1)
        ends = self.centres + own * self.width**2 / total * (x_t - own * self.centres)
        return (mode * ends).sum(dim=-1, keepdim=True)

    def distance(self, sampler: Sampler, calls: int) -> float:
        """Kolmogorov's, of the draws whose first noise is at 999 quantiles (without fresh noise order is preserved)."""
        q = torch.linspace(0.001, 0.999, 999).double()[:, None]

        class Quantiles(SequentialNoise):
            def like(self, x: Tensor, *names: str | int) -> Tensor:
                return TwoModes.normal.icdf(q)

        noise: Noise = Quantiles(generator(0, "unread"))
        x = sampler.sample(self.estimate, torch.zeros_like(q), noise, calls, variance=self.variance)
        cdf = (self.weights * self.normal.cdf((x - self.centres) / self.width)).sum(dim=-1, keepdim=True)
        return float((cdf - q).abs().max())


def test_two_modes_are_found_whatever_the_gaussian_says() -> None:
    """c^2 knows the variance of both modes together; the estimates along the way part them."""
    world = TwoModes()
    distances = [world.distance(Gaussian(DEFAULT), calls) for calls in (1, 4, 10, 50, 200)]
    assert distances[0] > 0.15  # one call draws a Gaussian
    assert distances[-1] < 0.004
    assert math.log(distances[2] / distances[3], 5) > 0.9
    assert math.log(distances[3] / distances[4], 4) > 0.9
    for calls, distance in zip((1, 4, 10, 50), distances):
        assert distance < 0.85 * world.distance(Multistep(DEFAULT), calls)


def test_single_precision_loses_nothing_near_clean_data() -> None:
    """sqrt(v_s v_t) - c^2 s_s s_t, as printed, would lose half of its digits there."""
    sampler = Gaussian(DEFAULT)
    for t, s in ((800, 0), (10, 5), (2, 1), (1, 0)):
        for c2 in (torch.tensor([0.0, 1e-12, 1e-3, 1.0, 50.0]), torch.tensor([0.7])):
            exact = sampler.gain(s, t, c2.double())
            torch.testing.assert_close(sampler.gain(s, t, c2).double(), exact, rtol=2e-6, atol=0)
