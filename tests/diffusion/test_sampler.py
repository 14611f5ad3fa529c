"""Paths, counts of network calls, starts; the laws of the steps are in tests/laws/test_reverse.py."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from md2n.diffusion.process import Start, make_process
from md2n.diffusion.sampler import SAMPLERS, make_sampler, one_step
from md2n.diffusion.timesteps import timesteps
from md2n.errors import ConfigError, UsageError
from md2n.noise import SequentialNoise
from md2n.seeding import generator

PROCESS = make_process(100, 20, 80)
PARTNER = torch.randn(2, 3, 4, generator=generator(0, "partner")).double()


def noise(seed: int = 0) -> SequentialNoise:
    return SequentialNoise(generator(seed, "z"))


class Asked:
    """A network that answers with a fixed latent and writes down when it was asked, and of what."""

    def __init__(self, answer: Tensor) -> None:
        self.answer = answer
        self.times: list[int] = []
        self.states: list[Tensor] = []

    def __call__(self, x_t: Tensor, t: int) -> Tensor:
        self.times.append(t)
        self.states.append(x_t)
        return self.answer + 0 * x_t


def test_strides_are_equal_as_far_as_whole_steps_can_be() -> None:
    assert timesteps(800, 4) == (800, 600, 400, 200, 0)
    assert timesteps(10, 1) == (10, 0)
    assert timesteps(1000, 2, 800) == (1000, 900, 800)
    for count in range(1, 38):
        path = timesteps(37, count)
        strides = [a - b for a, b in pairwise(path)]
        assert len(strides) == count
        assert (path[0], path[-1]) == (37, 0)
        assert 1 <= max(strides) <= min(strides) + 1


def test_strides_are_equal_in_a_clock_as_far_as_whole_steps_can_be() -> None:
    squares = [t**2 for t in range(101)]
    assert timesteps(100, 4, clock=squares) == (100, 87, 71, 50, 0)
    assert timesteps(100, 1, 80, squares) == (100, 80)
    assert timesteps(9, 4, 5, squares) == (9, 8, 7, 6, 5)
    late = [0.0] + [1 + t / 1000 for t in range(100)]  # nearly all of the way is in the last step
    assert timesteps(100, 4, clock=late) == (100, 3, 2, 1, 0)
    assert timesteps(100, 100, clock=late) == tuple(range(100, -1, -1))


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_strides_equal_in_the_angle(name: str) -> None:
    """theta = atan(std / signal), which is pi/2 at t2 for x_0^m; in the structure stage the signal is that of x_0^a."""
    process = make_process(1000, 200, 800)
    sampler = make_sampler(name, process, "angle")
    for steps in (1, 2, 6, 50, 800):
        path = sampler.path(steps)
        assert (path[0], path[-1], len(set(path))) == (800, 0, steps + 1)
        assert sorted(path, reverse=True) == list(path)
    angle = torch.atan2(process.std_table, process.own)
    strides = angle[list(sampler.path(6))].diff()
    torch.testing.assert_close(strides, torch.full_like(strides, -math.pi / 12), rtol=0, atol=2e-3)
    path = sampler.path(20, "noise")
    assert path[4] == 800
    assert path[4:] == sampler.path(16)
    strides = torch.atan2(process.std_table, process.schedule.abar.sqrt())[list(path[:5])].diff()
    torch.testing.assert_close(strides, strides.mean().expand(4), rtol=0, atol=1e-3)
    assert path[:5] != make_sampler(name, process).path(20, "noise")[:5]


def test_unknown_strides_are_refused() -> None:
    with pytest.raises(UsageError, match=r"no strides are equal in 'angel'.*\n.*did you mean 'angle'"):
        make_sampler("multistep", PROCESS, "angel")


@pytest.mark.parametrize("count", [0, 81])
def test_strides_that_do_not_fit_are_refused(count: int) -> None:
    with pytest.raises(ConfigError, match=f"{count} sampling steps do not fit.*\n.*between 1 and 80"):
        timesteps(80, count)


@pytest.mark.parametrize("name", SAMPLERS.names())
@pytest.mark.parametrize(
    ("start", "transfer", "first", "counts"),
    [
        ("partner", "constant", 80, (1, 2, 7, 80)),
        ("noise", "constant", 100, (2, 3, 7, 99, 100)),
        ("partner", "none", 100, (1, 2, 7, 100)),
        ("noise", "none", 100, (1, 2, 7, 100)),
    ],
)
def test_steps_are_network_calls(name: str, start: Start, transfer: str, first: int, counts: tuple[int, ...]) -> None:
    sampler = make_sampler(name, make_process(100, 20, 80, transfer=transfer))
    for steps in counts:
        network = Asked(PARTNER)
        sampler.sample(network, PARTNER, noise(), steps, start, variance=1.0)
        assert len(network.times) == len(set(network.times)) == steps
        assert network.times[0] == first
        assert sorted(network.times, reverse=True) == network.times
        assert transfer == "none" or 80 in network.times  # the handover is not jumped over


def test_from_noise_the_structure_stage_asks_the_available_side() -> None:
    sampler = make_sampler("deterministic", PROCESS)
    own, other = Asked(PARTNER), Asked(PARTNER)
    sampler.sample(own, PARTNER, noise(), 10, "noise", other)
    assert min(other.times) > 80 == max(own.times)
    assert (len(other.times), len(own.times)) == (2, 8)
    with pytest.raises(ConfigError, match="recovery from noise in 1 sampling steps"):
        sampler.sample(own, PARTNER, noise(), 1, "noise")


@pytest.mark.parametrize("name", ["deterministic", "multistep"])
def test_each_stage_follows_its_own_network(name: str) -> None:
    """Past t2 the answer stands for the partner, whatever the observed one is; after t2 nothing is left of it.

    Answers that never change do not drift, so a multistep stride must be the deterministic one in both stages.
    """
    own, other = Asked(PARTNER + 3), Asked(PARTNER - 5)
    out = make_sampler(name, PROCESS).sample(own, PARTNER, noise(), 10, "noise", other)
    x, plain = other.states[0], make_sampler("deterministic", PROCESS)
    path = plain.path(10, "noise")
    for (t, s), seen in zip(pairwise(path), other.states + own.states):
        torch.testing.assert_close(seen, x)
        ends = (other.answer, other.answer) if t > 80 else (own.answer, PARTNER)
        x = plain.step(x, *ends, t, s)
    torch.testing.assert_close(out, own.answer)


def test_without_a_structure_stage_noise_is_where_the_partner_would_be() -> None:
    sampler = make_sampler("ancestral", make_process(100, 20, 100))
    assert sampler.path(5, "noise") == sampler.path(5, "partner") == (100, 80, 60, 40, 20, 0)


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_a_network_that_knows_the_end_is_believed(name: str) -> None:
    """The last stride adds no noise: what comes out is the last estimate, to the bit."""
    truth = torch.randn(PARTNER.shape, generator=generator(1, "truth")).double()
    for steps in (1, 5, 80):
        out = make_sampler(name, PROCESS).sample(Asked(truth), PARTNER, noise(), steps, variance=0.0)
        assert torch.equal(out, truth)


def test_one_step_is_sampling_with_one_step() -> None:
    def network(x_t: Tensor, t: int) -> Tensor:
        return x_t * 0.3 + t

    for transfer in ("constant", "none"):
        process = make_process(100, 20, 80, transfer=transfer)
        once = one_step(network, process, PARTNER, noise())
        for name in SAMPLERS.names():
            assert torch.equal(once, make_sampler(name, process).sample(network, PARTNER, noise(), 1, variance=0.0))


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_recovery_is_differentiable_in_network_and_partner(name: str) -> None:
    weight = torch.tensor(0.3).double().requires_grad_()
    partner = PARTNER.clone().requires_grad_()
    sampler = make_sampler(name, PROCESS)
    for run in (
        lambda g: one_step(lambda x, t: weight * x, PROCESS, partner, g),
        lambda g: sampler.sample(lambda x, t: weight * x, partner, g, 4, variance=0.5),
    ):
        weight.grad = partner.grad = None
        run(noise()).square().sum().backward()
        assert weight.grad is not None
        assert float(weight.grad) != 0
        assert partner.grad is not None
        assert bool(partner.grad.any())


def test_chance_comes_from_the_generator_alone() -> None:
    def network(x_t: Tensor, t: int) -> Tensor:
        return 0.3 * x_t

    for name in SAMPLERS.names():
        sampler = make_sampler(name, PROCESS)
        draws = [sampler.sample(network, PARTNER, noise(seed), 4, variance=0.5) for seed in (0, 0, 1)]
        assert torch.equal(draws[0], draws[1])
        assert not torch.allclose(draws[0], draws[2])


def test_only_the_ancestral_sampler_adds_noise_on_the_way() -> None:
    network = Asked(torch.zeros_like(PARTNER))
    for name, draws in (("deterministic", 1), ("multistep", 1), ("gaussian", 1), ("ancestral", 4)):
        g, same = generator(0, "z"), generator(0, "z")
        make_sampler(name, PROCESS).sample(network, PARTNER, SequentialNoise(g), 4, variance=0.5)
        for _ in range(draws):  # the last of four strides gets none
            torch.randn(PARTNER.shape, generator=same, dtype=torch.float64)
        assert torch.equal(torch.rand(3, generator=g), torch.rand(3, generator=same))


def test_multistep_goes_halfway_along_the_drift_of_the_estimate() -> None:
    """An estimate that is linear in the angle is met exactly at the middle of the stride."""
    sampler = make_sampler("multistep", PROCESS)
    angle = torch.atan2(PROCESS.std_table, PROCESS.signal_table)

    def line(theta: Tensor) -> Tensor:
        return 2 + 3 * theta * torch.ones_like(PARTNER)

    halfway = sampler.aim(line(angle[60]), 60, 45, (line(angle[80]), 80))
    torch.testing.assert_close(halfway, line((angle[60] + angle[45]) / 2))
    assert torch.equal(sampler.aim(PARTNER, 45, 0, (line(angle[60]), 60)), PARTNER)
    structure = torch.atan2(PROCESS.std_table, PROCESS.schedule.abar.sqrt())  # also at t2: the angle of x_0^a there
    halfway = sampler.aim(line(structure[90]), 90, 80, (line(structure[100]), 100))
    torch.testing.assert_close(halfway, line((structure[90] + structure[80]) / 2))


def test_a_first_state_from_noise_does_not_know_the_partner() -> None:
    for process, start in ((PROCESS, "noise"), (make_process(100, 20, 80, transfer="none"), "partner")):
        one, other = (process.first_state(p, noise(), start) for p in (PARTNER, PARTNER + 5))  # type: ignore[arg-type]
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("variance", "message"),
    [
        (None, "has no variance.*\n.*give c\\^2"),
        (-0.1, "negative or not finite"),
        (torch.tensor([0.1, float("nan"), 1.0, 1.0]), "negative or not finite"),
        (float("inf"), "negative or not finite"),
        (torch.ones(3), r"a variance of shape \[3\] does not fit latents of shape \[2, 3, 4\]"),
        (torch.ones(3, 3, 4), r"shape \[3, 3, 4\] does not fit"),
        (torch.ones(1, 2, 3, 4), r"shape \[1, 2, 3, 4\] does not fit"),
    ],
)
def test_a_variance_that_cannot_be_one_is_refused(variance: float | Tensor | None, message: str) -> None:
    network = Asked(PARTNER)
    for start in ("partner", "noise"):
        with pytest.raises(UsageError, match=message):
            make_sampler("gaussian", PROCESS).sample(network, PARTNER, noise(), 4, start, variance=variance)  # type: ignore[arg-type]
    assert network.times == []


def test_one_stride_needs_the_variance_too() -> None:
    with pytest.raises(UsageError, match="has no variance"):
        make_sampler("gaussian", PROCESS).step(PARTNER, PARTNER, PARTNER, 50, 10)


def test_latents_and_their_dtype_survive_any_variance() -> None:
    """Variances come in double precision from where they were measured."""
    partner = PARTNER.float()
    for variance in (0.3, torch.tensor(0.3).double(), torch.rand(3, 4).double(), torch.rand(2, 3, 4)):
        x = make_sampler("gaussian", PROCESS).sample(lambda x, t: 0.3 * x, partner, noise(), 4, variance=variance)
        assert x.dtype == torch.float32
        assert bool(x.isfinite().all())


def test_unknown_sampler_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'ancestral'"):
        make_sampler("ancestor", PROCESS)
