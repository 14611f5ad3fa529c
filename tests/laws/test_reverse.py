"""Eq. 3, 4, 10-13: the Gaussian step, and what it becomes with an ideal network, in float64."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from md2n.diffusion import sampler as sampler_module
from md2n.diffusion.gaussian import GaussianPair
from md2n.diffusion.process import DuplexProcess, Start, make_process
from md2n.diffusion.sampler import SAMPLERS, Ancestral, Deterministic, make_sampler
from md2n.diffusion.schedule import SCHEDULES
from md2n.diffusion.transfer import TRANSFERS
from md2n.noise import SampleNoise, SequentialNoise
from md2n.seeding import generator
from tests.laws.worlds import make_world, recovered, walk

EVERY = [(s, w) for s in SCHEDULES.names() for w in TRANSFERS.names()]
MOVING = [c for c in EVERY if c[1] != "none"]
# The noise of "exploding" grows by a factor per step: 200 equal strides are not yet many.
STEADY = [name for name in SCHEDULES.names() if name != "exploding"]
STRIDES = [(0, 1), (0, 100), (19, 20), (20, 21), (10, 50), (49, 50), (5, 80), (79, 80), (80, 100), (99, 100), (60, 95)]


def clean_ends(seed: int = 0) -> tuple[Tensor, Tensor]:
    x0, partner = torch.randn(2, 1, 4, generator=generator(seed, "ends")).double()
    return x0, partner


@pytest.mark.parametrize("variance", ["exact", "as_printed"])
@pytest.mark.parametrize("name", SAMPLERS.names())
@pytest.mark.parametrize(("schedule", "transfer"), EVERY)
def test_a_stride_carries_one_marginal_into_the_other(schedule: str, transfer: str, name: str, variance: str) -> None:
    process = make_process(100, 20, 80, schedule, transfer, variance)  # type: ignore[arg-type]
    sampler = make_sampler(name, process)
    x0, partner = clean_ends()
    for s, t in STRIDES:  # the ends are certain: c^2 = 0
        mean = process.mean(x0, partner, t)
        image = sampler.step(mean, x0, partner, t, s, variance=0.0)
        gain = sampler.step(mean + 1, x0, partner, t, s, variance=0.0) - image
        torch.testing.assert_close(image, process.mean(x0, partner, s), rtol=0, atol=1e-12)
        std = gain**2 * process.variance[t] + sampler.sigma(s, t) ** 2
        torch.testing.assert_close(std, process.variance[s].expand_as(std), rtol=1e-10, atol=1e-14)


def joint_moments(process: DuplexProcess, s: int, t: int) -> tuple[float, float, float]:
    """Var x_s, Cov(x_s, x_t), Var x_t given the clean ends, by walking the noise through the steps."""
    zero = torch.zeros(1, 1).double()
    one = zero + 1
    var_s = carried = var_t = 0.0
    for u in range(1, t + 1):
        shrink, fresh = float(process.step(one, zero, zero, u, zero)), float(process.step(zero, zero, zero, u, one))
        var_t = shrink**2 * var_t + fresh**2
        carried *= shrink
        if u == s:
            var_s = carried = var_t
    return var_s, carried, var_t


@pytest.mark.parametrize(("schedule", "transfer"), EVERY)
def test_ancestral_step_is_the_true_conditional(schedule: str, transfer: str) -> None:
    """q(x_s | x_t, x_0^m, x_0^a), conditioned out of the joint Gaussian of (x_s, x_t)."""
    process = make_process(100, 20, 80, schedule, transfer)
    sampler = Ancestral(process)
    x0, partner = clean_ends()
    x_t = torch.randn(1, 4, generator=generator(1, "x")).double()
    for s, t in [(1, 2), (10, 50), (49, 50), (60, 95)]:
        var_s, covariance, var_t = joint_moments(process, s, t)
        mean = process.mean(x0, partner, s) + covariance / var_t * (x_t - process.mean(x0, partner, t))
        torch.testing.assert_close(sampler.step(x_t, x0, partner, t, s), mean, rtol=0, atol=1e-10)
        assert sampler.sigma(s, t) ** 2 == pytest.approx(var_s - covariance**2 / var_t, rel=1e-8)


@pytest.mark.parametrize(("schedule", "transfer"), EVERY)
def test_with_stride_one_the_ancestral_mean_is_the_papers_iteration(schedule: str, transfer: str) -> None:
    """Eq. 10, 11 (Phi = 0) and 13; Eq. 12 with the roles exchanged: own chain, own score."""
    process = make_process(100, 20, 80, schedule, transfer)
    sampler = Ancestral(process)
    x_m, x_a = clean_ends()
    x_t = torch.randn(1, 4, generator=generator(1, "x")).double()
    for own, other in ((x_m, x_a), (x_a, x_m)):
        for t in range(1, 101):
            b, phi = process.schedule.beta[t], process.push[t]
            score = process.score(own, x_t, other, t)
            printed = (x_t - phi * (other - own) + b * score) / (1 - b).sqrt()
            torch.testing.assert_close(sampler.step(x_t, own, other, t, t - 1), printed, rtol=0, atol=1e-9)


def test_eq_4_overstates_the_noise_by_the_ratio_of_variances() -> None:
    process = make_process(100, 20, 80)
    for t in range(2, 101):
        ratio = float(process.variance[t - 1] / process.variance[t])
        assert Ancestral(process).sigma(t - 1, t) ** 2 == pytest.approx(
            float(process.schedule.beta[t]) * ratio, rel=1e-9
        )


def test_eq_3_as_printed_does_not_give_back_the_data() -> None:
    """Reverse-time Euler steps on data of variance 1/4: -b (x/2 + score) returns it, the printed drift explodes."""
    process = make_process(4000, 800, 3200, transfer="none")
    right = printed = 1.0  # variance at T
    for t in range(4000, 0, -1):
        b, abar = float(process.schedule.beta[t]), float(process.schedule.abar[t])
        inverse = 1 / (abar / 4 + 1 - abar)  # score = -inverse * x
        right = (1 + b / 2 - b * inverse) ** 2 * right + b
        printed = (1 + b / 2 + b / 2 * inverse) ** 2 * printed + b
    assert right == pytest.approx(0.25, rel=0.02)
    assert printed > 100


def test_moved_by_each_others_scores_the_chains_run_apart() -> None:
    """Eq. 12, 13 as printed, on unit data whose ends agree: only whose score moves whom is left to differ."""
    process = make_process(1000, 200, 800)
    own = crossed = 1.0  # the difference of the two chains
    for t in range(800, 200, -1):
        b = float(process.schedule.beta[t])  # unit data in unit variance: score = -x
        own *= (1 - b) / math.sqrt(1 - b)
        crossed *= (1 + b) / math.sqrt(1 - b)
    assert own < 1
    assert crossed > 50


def test_score_of_the_ideal_estimate_is_the_gradient_of_the_log_density() -> None:
    world, partner = make_world()
    process = make_process(100, 20, 80)
    for t in (1, 15, 50, 80):
        x_t = torch.randn(1, 3, generator=generator(t, "x")).double().requires_grad_()
        rows = partner.expand(1, -1)
        mean, covariance = world.marginal(process, rows, t)
        log = torch.distributions.MultivariateNormal(mean, covariance).log_prob(x_t).sum()
        (gradient,) = torch.autograd.grad(log, x_t)
        score = process.score(world.estimate(process, x_t, rows, t), x_t, rows, t)
        torch.testing.assert_close(score.detach(), gradient, rtol=1e-9, atol=1e-9)


def test_ideal_network_is_the_conditional_mean_of_the_joint_gaussian() -> None:
    """Conditioned in one piece out of (x_0^m, x_0^a, x_t), without the two steps that ``GaussianPair`` takes."""
    world, partner = make_world()
    process = make_process(100, 20, 80)
    eye = torch.eye(3).double()
    ends = world.covariance.reshape(6, 6)
    x_t = torch.randn(3, generator=generator(2, "x")).double()
    for t in (1, 30, 60, 80):
        factor = torch.cat([process.own[t] * eye, process.moved[t] * eye], dim=1)  # of (x_0^m, x_0^a) in x_t
        seen = torch.cat([factor, torch.cat([0 * eye, eye], dim=1)])  # what is observed: (x_t, x_0^a)
        noise = torch.block_diag(process.variance[t] * eye, 0 * eye)
        gain = ends[:3] @ seen.T @ torch.linalg.inv(seen @ ends @ seen.T + noise)
        expected = world.mean[0] + gain @ (torch.cat([x_t, partner]) - seen @ world.mean.flatten())
        torch.testing.assert_close(world.estimate(process, x_t, partner, t), expected, rtol=1e-9, atol=1e-9)
    root = process.schedule.abar[90].sqrt()  # past t2 x_t carries the partner
    gain = root * ends[3:, 3:] @ torch.linalg.inv(root**2 * ends[3:, 3:] + process.variance[90] * eye)
    expected = world.mean[1] + gain @ (x_t - root * world.mean[1])
    torch.testing.assert_close(world.partner_estimate(process, x_t, 90), expected, rtol=1e-9, atol=1e-9)


def test_draws_of_the_gaussian_world_have_its_moments() -> None:
    world, _ = make_world()
    pair = torch.cat(world.draw(40_000, generator(0, "draw")), dim=1)
    torch.testing.assert_close(pair.mean(dim=0), world.mean.flatten(), rtol=0, atol=0.03)
    torch.testing.assert_close(pair.T.cov(), world.covariance.reshape(6, 6), rtol=0, atol=0.06)


@pytest.mark.parametrize("name", SAMPLERS.names())
@pytest.mark.parametrize(("schedule", "transfer"), MOVING)
def test_mean_of_recovery_is_exact_for_any_number_of_steps(schedule: str, transfer: str, name: str) -> None:
    sampler = make_sampler(name, make_process(100, 20, 80, schedule, transfer))
    for steps in (1, 2, 3, 10, 80):
        assert recovered(sampler, steps)[0] < 1e-12


@pytest.mark.parametrize("name", ["deterministic", "ancestral"])
@pytest.mark.parametrize(("schedule", "transfer"), [one for one in MOVING if one[0] in STEADY])
def test_covariance_error_falls_at_first_order_in_the_stride(schedule: str, transfer: str, name: str) -> None:
    """The rate is a little below one and nears it, for near t = 0 the noise grows as the square root of t."""
    sampler = make_sampler(name, make_process(1000, 200, 800, schedule, transfer))
    one, few, some, many = (recovered(sampler, steps)[1] for steps in (1, 10, 50, 200))
    assert one == pytest.approx(1)  # a mean has no standard deviation
    assert math.log(few / some, 5) < math.log(some / many, 4) < 1.02
    assert math.log(some / many, 4) > 0.75


@pytest.mark.parametrize("name", ["deterministic", "ancestral"])
def test_every_step_taken_the_limit_of_many_steps_is_the_true_covariance(name: str) -> None:
    """T grows, and the schedule with it stands for the same continuous process."""
    errors = [
        recovered(make_sampler(name, make_process(n, n // 5, n * 4 // 5)), n * 4 // 5)[1] for n in (250, 500, 1000)
    ]
    assert errors[-1] < 0.02
    assert all(0.75 < math.log2(a / b) < 1.02 for a, b in pairwise(errors))


@pytest.mark.parametrize("schedule", STEADY)
def test_multistep_loses_less_covariance_for_the_same_number_of_calls(schedule: str) -> None:
    process = make_process(1000, 200, 800, schedule)
    for steps, part in ((10, 0.7), (50, 0.5)):
        plain = recovered(Deterministic(process), steps)[1]
        assert recovered(make_sampler("multistep", process), steps)[1] < part * plain


@pytest.mark.parametrize("schedule", ["vp_linear", "cosine"])
def test_multistep_is_of_second_order(schedule: str) -> None:
    """Where the last stride, which is not extrapolated, is still small beside the rest."""
    sampler = make_sampler("multistep", make_process(1000, 200, 800, schedule))
    few, some = (recovered(sampler, steps)[1] for steps in (10, 50))
    assert math.log(few / some, 5) > 1.75


def test_table_of_errors_in_the_samplers_header() -> None:
    header = sampler_module.__doc__
    assert header is not None
    table = [line.split() for line in header.splitlines() if line.startswith("    ") and "." in line[20:]]
    rows = {name: [float(e) for e in errors] for name, *errors in table if name in SAMPLERS.names()}
    assert set(rows) == set(SAMPLERS.names())
    process = make_process(1000, 200, 800)
    for name, claimed in rows.items():
        measured = [recovered(make_sampler(name, process), steps)[1] for steps in (1, 4, 10, 50, 200, 800)]
        assert measured == pytest.approx(claimed, rel=0.05, abs=5e-4)


def test_starting_at_the_partner_draws_exactly_the_marginal_at_t2() -> None:
    """There x_t and x_0^m are independent given x_0^a, so the draw needs neither a network nor steps."""
    world, partner = make_world()
    process = make_process(1000, 200, 800)
    mean, covariance = world.marginal(process, partner, 800)
    rows = partner.expand(50, -1)
    e = torch.randn(50, 3, generator=generator(0, "z"), dtype=torch.float64)
    drawn = process.first_state(rows, SequentialNoise(generator(0, "z")))
    torch.testing.assert_close(drawn, mean + e @ torch.linalg.cholesky(covariance).T, rtol=0, atol=1e-12)
    moved = GaussianPair(world.mean + 5, 3 * world.covariance).marginal(process, partner, 800)
    torch.testing.assert_close(moved, (mean, covariance))


@pytest.mark.parametrize("name", SAMPLERS.names())
@pytest.mark.parametrize("start", ["partner", "noise"])
def test_the_sampling_loop_draws_what_the_steps_say(name: str, start: Start) -> None:
    """Moments of 20,000 draws against those walked exactly; from noise the structure stage knows the partner."""
    world, partner = make_world()
    process = make_process(200, 40, 160, "vp_linear")
    sampler = make_sampler(name, process)
    rows = partner.expand(20_000, -1)
    noise = SampleNoise.of(torch.arange(len(rows)), generator(0, "z"))
    c2 = world.given_partner(partner)[1].diagonal()
    x = sampler.sample(world.estimator(process, rows), rows, noise, 40, start, lambda x_t, t: rows, variance=c2)
    begun = torch.zeros(3).double(), torch.eye(3).double()
    if start == "partner":
        begun = world.marginal(process, partner, 160)
    mean, covariance = walk(sampler, world, partner, sampler.path(40, start), *begun)
    torch.testing.assert_close(x.mean(dim=0), mean, rtol=0, atol=0.02)
    torch.testing.assert_close(x.T.cov(), covariance, rtol=0, atol=0.02)


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_from_noise_recovery_misses_by_no_more_than_what_is_left_of_the_partner_at_the_end(name: str) -> None:
    """Unit noise at T is not quite the chain's marginal there: its mean is off by sqrt(abar_T) x_0^a."""
    world, partner = make_world()
    sampler = make_sampler(name, make_process(1000, 200, 800))
    mean, _ = walk(sampler, world, partner, sampler.path(100, "noise"), torch.zeros(3).double(), torch.eye(3).double())
    left = float(sampler.process.schedule.abar[-1].sqrt() * partner.abs().max())
    assert 1e-9 < float((mean - world.given_partner(partner)[0]).abs().max()) < left


def test_structure_stage_draws_partners_from_noise() -> None:
    """With E[x_0^a | x_t] for a network, noise at T becomes what the chain of a drawn partner is at t2."""
    world, _ = make_world()
    process = make_process(1000, 200, 800, "vp_linear")
    x = torch.randn(20_000, 3, generator=generator(0, "z"), dtype=torch.float64)
    sampler, g = Ancestral(process), generator(1, "z")
    for t in range(1000, 800, -1):
        end = world.partner_estimate(process, x, t)
        x = sampler.step(x, end, end, t, t - 1, torch.randn(x.shape, generator=g, dtype=x.dtype))
    root = process.schedule.abar[800].sqrt()
    expected = root**2 * world.covariance[1, :, 1] + process.variance[800] * torch.eye(3).double()
    torch.testing.assert_close(x.mean(dim=0), root * world.mean[1], rtol=0, atol=0.03)
    torch.testing.assert_close(x.T.cov(), expected, rtol=0, atol=0.05)
