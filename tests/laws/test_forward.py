"""Eq. 1, 2, 5, 7-9: the closed form, its steps, and the continuous process, in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from md2n.diffusion.process import DuplexProcess, make_process
from md2n.diffusion.schedule import SCHEDULES, make_schedule
from md2n.diffusion.stages import Stages
from md2n.diffusion.transfer import TRANSFERS, constant_phi, transfer_push, transfer_weight
from md2n.seeding import generator

EVERY = [(s, w) for s in SCHEDULES.names() for w in TRANSFERS.names()]
MOVING = [(s, w) for s, w in EVERY if w != "none"]


def unrolled(process: DuplexProcess) -> tuple[Tensor, Tensor]:
    """Factors of (x_0^m, x_0^a) in the mean of x~_t, and its variance, for t = 0..T, by walking ``step``.

    A step is linear in (x_prev, x0, partner, noise), so four rows tell all: the first two walk the mean from either
    clean end, the others ask for the factor of x_prev and of the noise.
    """
    x0 = torch.tensor([[1.0], [0.0], [0.0], [0.0]]).double()
    partner = torch.tensor([[0.0], [1.0], [0.0], [0.0]]).double()
    noise = torch.tensor([[0.0], [0.0], [0.0], [1.0]]).double()
    mean, variance = x0[:2], torch.zeros(()).double()
    means, variances = [mean[:, 0]], [variance]
    for t in range(1, process.steps + 1):
        x_prev = torch.cat([mean, torch.tensor([[1.0], [0.0]]).double()])
        x_t = process.step(x_prev, x0, partner, t, noise)
        mean, variance = x_t[:2], x_t[2, 0] ** 2 * variance + x_t[3, 0] ** 2
        means.append(mean[:, 0])
        variances.append(variance)
    return torch.stack(means), torch.stack(variances)


def closed(process: DuplexProcess) -> tuple[Tensor, Tensor]:
    """The same by the closed form."""
    ends = torch.eye(2).double()
    means = torch.stack([process.mean(ends[:, :1], ends[:, 1:], t)[:, 0] for t in range(process.steps + 1)])
    return means, process.variance


@pytest.mark.parametrize(("schedule", "transfer"), EVERY)
def test_closed_form_is_the_recursion_unrolled(schedule: str, transfer: str) -> None:
    process = make_process(200, 40, 160, schedule, transfer)
    for a, b in zip(unrolled(process), closed(process)):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_closed_form_is_the_recursion_unrolled_at_the_papers_size() -> None:
    process = make_process(1000, 200, 800)
    for a, b in zip(unrolled(process), closed(process)):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES.names())
@pytest.mark.parametrize(("t1", "t2"), [(200, 800), (0, 1000), (0, 1), (499, 500), (999, 1000)])
def test_both_forms_of_phi_agree_with_every_push(schedule: str, t1: int, t2: int) -> None:
    table, stages = make_schedule(schedule, 1000), Stages(t1, t2, 1000)
    push = transfer_push(transfer_weight("constant", table, stages), table)
    phi = constant_phi(table, stages)
    torch.testing.assert_close(
        push[t1 + 1 : t2 + 1], torch.full((t2 - t1,), phi, dtype=torch.float64), rtol=1e-9, atol=0
    )
    assert not push[: t1 + 1].any()
    assert not push[t2 + 1 :].any()


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(MOVING), st.integers(2, 60), st.data())
def test_weight_rises_from_zero_at_t1_to_one_at_t2(case: tuple[str, str], steps: int, data: st.DataObject) -> None:
    t2 = data.draw(st.integers(1, steps))
    t1 = data.draw(st.integers(0, t2 - 1))
    w = transfer_weight(case[1], make_schedule(case[0], steps), Stages(t1, t2, steps))
    assert not w[: t1 + 1].any()
    assert bool((w[t2:] == 1).all())
    assert bool((w[t1 : t2 + 1].diff() > 0).all())


@pytest.mark.parametrize("schedule", SCHEDULES.names())
def test_without_transfer_it_is_plain_vp_diffusion(schedule: str) -> None:
    process = make_process(1000, 200, 800, schedule, "none")
    x0, partner, e = torch.randn(3, 5, 4, 2, generator=generator(0, "x")).double()
    t = torch.tensor([1, 199, 500, 801, 1000])
    abar = make_schedule(schedule, 1000).abar[t].view(-1, 1, 1)
    torch.testing.assert_close(process.sample(x0, partner, t, e), abar.sqrt() * x0 + (1 - abar).sqrt() * e)


@pytest.mark.parametrize(("schedule", "transfer"), MOVING)
def test_the_chains_of_the_duplex_change_places(schedule: str, transfer: str) -> None:
    process = make_process(100, 20, 80, schedule, transfer)
    x_m, x_a, e = torch.randn(3, 2, 3, generator=generator(1, "x")).double()
    plain = make_process(100, 20, 80, schedule, "none")
    for t in (80, 90, 100):  # aligned with Eq. 1: the plain chain that began at the other end
        torch.testing.assert_close(process.sample(x_m, x_a, t, e), plain.sample(x_a, x_m, t, e))
    for t in (0, 10, 20):
        torch.testing.assert_close(process.sample(x_m, x_a, t, e), plain.sample(x_m, x_a, t, e))


@pytest.mark.parametrize("schedule", SCHEDULES.names())
def test_continuous_process_passes_through_the_chain(schedule: str) -> None:
    table = make_schedule(schedule, 100)
    whole = torch.arange(101)
    torch.testing.assert_close(table.phi(whole.double()), table.abar.sqrt())
    # Eq. 2: d log phi / dt = -b(t) / 2, with b(t) = -log(1 - b_t) on (t-1, t]
    h = 1e-3
    middle = whole[1:].double() - 0.5
    rate = (table.phi(middle + h).log() - table.phi(middle - h).log()) / (2 * h)
    torch.testing.assert_close(rate, 0.5 * (-table.beta[1:]).log1p(), rtol=1e-6, atol=0)


def test_variance_as_printed_in_eq_5_is_not_that_of_eq_1() -> None:
    """method.md: simulated 0.605, exactly 0.604, as printed 0.370."""
    exact = make_process(1000, 200, 800, "vp_linear")
    printed = make_process(1000, 200, 800, "vp_linear", variance="as_printed")
    g = generator(0, "eq5")
    x = zero = torch.zeros(60_000, 1).double()
    for t in range(1, 301):
        x = exact.step(x, zero, zero, t, torch.randn(x.shape, generator=g).double())
    assert float(exact.variance[300]) == pytest.approx(0.604, abs=5e-4)
    assert float(printed.variance[300]) == pytest.approx(0.370, abs=5e-4)
    assert float(x.var()) == pytest.approx(float(exact.variance[300]), abs=0.014)  # four standard errors


@pytest.mark.parametrize("schedule", SCHEDULES.names())
def test_variance_as_printed_is_one_minus_the_mean_factor(schedule: str) -> None:
    printed = make_process(100, 20, 80, schedule, variance="as_printed")
    t = torch.arange(101)
    torch.testing.assert_close(printed.variance, 1 - printed.schedule.phi(t.double()))
    e = torch.ones(101, 1).double()
    torch.testing.assert_close(printed.sample(0 * e, 0 * e, t, e)[:, 0] ** 2, printed.variance)
    assert bool((printed.variance[1:] < make_process(100, 20, 80, schedule).variance[1:]).all())


@pytest.mark.parametrize(("schedule", "left", "half"), [("vp_linear", 0.039, 693), ("scaled_linear", 0.193, 614)])
def test_numbers_on_which_the_default_schedule_was_chosen(schedule: str, left: float, half: int) -> None:
    """sqrt(abar) at t2, and the first step by which half of a constant transfer is done."""
    process = make_process(1000, 200, 800, schedule)
    assert float(process.schedule.abar[800].sqrt()) == pytest.approx(left, abs=5e-4)
    assert int((process.w < 0.5).sum()) == half
    visible = float(process.schedule.abar[half].sqrt())
    assert visible < 0.1 if schedule == "vp_linear" else visible > 0.35


def test_vp_linear_is_the_vp_sde_from_a_tenth_to_twenty() -> None:
    table = make_schedule("vp_linear", 1000)
    assert 1000 * float(table.beta[1]) == pytest.approx(0.1)
    assert 1000 * float(table.beta[1000]) == pytest.approx(20)
    # abar(1) = exp(-int_0^1 b) with b from 0.1 to 20; the chain differs by sum b_t^2 / 2
    assert float(table.abar[-1].log()) == pytest.approx(
        -(0.1 + 20) / 2 - 0.5 * float(table.beta.square().sum()), rel=1e-3
    )
    assert math.isclose(float(table.phi(torch.tensor(1000.0))), float(table.abar[-1]) ** 0.5)
