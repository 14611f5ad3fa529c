"""The duplex objective: who is asked for what, with which condition, and what it costs to be wrong."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from md2n.diffusion.condition import make_partner, partner
from md2n.diffusion.objective import draw_times, duplex_loss, score_error
from md2n.diffusion.process import DuplexProcess, Step, make_process
from md2n.diffusion.sampler import one_step
from md2n.diffusion.score import Condition, ScoreNetwork
from md2n.errors import UsageError
from md2n.nn.config import TransformerConfig
from md2n.noise import SequentialNoise
from md2n.seeding import generator

M, L, D = 3, 2, 8
PROCESS = make_process(100, 20, 80)
MIX = make_partner("mean", M, D)


@dataclass
class Call:
    """What a network was asked in one call."""

    target: int
    side: Tensor
    partner: Tensor
    t: Tensor
    x_t: Tensor


class Recorder(ScoreNetwork):
    """A network that writes down what it is asked."""

    def __init__(self, process: DuplexProcess = PROCESS, prediction: str = "x0") -> None:
        super().__init__(process, M, L, D, TransformerConfig(1, 2, 8, 0.0), prediction=prediction)
        self.double()
        self.calls: list[Call] = []

    def encode(self, latents: Tensor, side: Tensor, partner: Tensor, target: int) -> Condition:
        self.calls.append(Call(target, side, partner, torch.empty(0), torch.empty(0)))
        return super().encode(latents, side, partner, target)

    def forward(self, x_t: Tensor, t: Step, condition: Condition) -> Tensor:
        self.calls[-1].t, self.calls[-1].x_t = torch.as_tensor(t), x_t
        return super().forward(x_t, t, condition)


def normal(rows: int, seed: int = 0) -> Tensor:
    x = torch.randn(rows, M, L, D, generator=generator(seed, "latents")).double()
    return nn.functional.layer_norm(x, (D,))


SIDES = torch.tensor([[1, 0, 0], [0, 1, 1], [1, 1, 1], [1, 0, 1], [0, 0, 1]], dtype=torch.bool)
PRESENT = torch.tensor([[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 1, 1]], dtype=torch.bool)


def test_every_modality_of_every_sample_is_a_target_once_from_the_opposite_side() -> None:
    nets = [Recorder() for _ in range(M)]
    latents = normal(5)
    duplex_loss(nets, MIX, latents, PRESENT, SIDES, generator(0, "loss"))
    # Row 2 has nothing missing: nobody can be recovered. Row 4 does not hold modality 0: it is no target and no source.
    expected = {0: [0, 1, 3], 1: [0, 1, 3, 4], 2: [0, 1, 3, 4]}
    times: dict[int, set[int]] = {row: set() for row in range(5)}
    for k, net in enumerate(nets):
        (call,) = net.calls  # one batched call
        assert call.target == k
        assert len(call.side) == len(expected[k])
        for i, row in enumerate(expected[k]):
            own = SIDES[row, k]
            assert torch.equal(call.side[i], PRESENT[row] & (SIDES[row] != own))
            one = partner(latents[[row]], call.side[[i]])[0]
            torch.testing.assert_close(call.partner[i], one)
            times[row].add(int(call.t[i]))
    assert [len(times[row]) for row in range(5)] == [1, 1, 0, 1, 1]  # both directions at the same time


def test_noise_is_independent_between_the_directions() -> None:
    nets = [Recorder() for _ in range(M)]
    latents = torch.zeros(400, M, L, D).double()
    side = torch.tensor([[True, False, False]]).expand(400, -1)
    duplex_loss(nets, MIX, latents, side | True, side, generator(0, "loss"))
    noise = torch.stack([n.calls[0].x_t.flatten() for n in nets])
    correlation = torch.corrcoef(noise) - torch.eye(M)
    assert float(correlation.abs().max()) < 0.05


def test_without_duplex_only_the_missing_are_recovered() -> None:
    nets = [Recorder() for _ in range(M)]
    loss = duplex_loss(nets, MIX, normal(5), PRESENT, SIDES, generator(0, "loss"), duplex=False)
    assert not loss.available.any()
    assert bool(loss.missing > 0)
    assert sum(len(c.side) for n in nets for c in n.calls) == int((PRESENT & ~SIDES).sum())


def test_the_two_directions_are_means_over_their_pairs() -> None:
    """Latents of unit scale and the network's first state: the error left by the best linear estimate is known."""
    nets = [Recorder() for _ in range(M)]
    g = generator(0, "sides")
    present = torch.ones(4000, M, dtype=torch.bool)
    side = torch.rand(4000, M, generator=g) < 0.6
    loss = duplex_loss(nets, MIX, normal(4000), present, side, generator(0, "loss"))
    snr = PROCESS.snr()[1:81]
    expected = float((1 / (1 + snr)).mean())
    assert loss.missing.item() == pytest.approx(expected, rel=0.05)
    assert loss.available.item() == pytest.approx(expected, rel=0.05)
    assert torch.equal(loss.total, loss.missing + loss.available)


@pytest.mark.parametrize("prediction", ["x0", "noise"])
@pytest.mark.parametrize("transfer", ["constant", "linear", "none"])
def test_weighted_score_matching_is_the_error_of_the_noise(transfer: str, prediction: str) -> None:
    """Eq. 6 weighted by lambda = SNR times the error of the end = the error of the noise, at every step up to t2."""
    process = make_process(100, 20, 80, transfer=transfer)
    net, latents = Recorder(process, prediction), normal(40)
    nn.init.normal_(net.leave.weight, generator=generator(0, "leave"))
    side = torch.tensor([[True, True, False]]).expand(40, -1)
    x_a, clean = MIX(latents, side), latents[:, 2]
    e = torch.randn(clean.shape, generator=generator(0, "e")).double()
    t = torch.arange(1, 80, 2)
    x_t = process.sample(clean, x_a, t, e)
    given = net(x_t, t, net.encode(latents, side, x_a, 2))
    error = score_error(net, given, x_a, clean, t, e)
    end = given if prediction == "x0" else process.x0_from_noise(given, x_t, x_a, t, tolerance=0)
    score, lam = process.score(end, x_t, x_a, t), process.std(t, e).square()
    printed = (lam * (e / lam.sqrt() + score).square()).mean(dim=(1, 2))
    torch.testing.assert_close(printed, error * process.snr()[t] if prediction == "x0" else error, rtol=1e-7, atol=1e-9)


def test_past_t2_the_partner_is_what_is_looked_for() -> None:
    net, latents = Recorder(), normal(1)
    side = torch.tensor([[True, False, False]])
    x_a, clean, e = latents[:, 0], latents[:, 2], torch.zeros(1, L, D).double()
    t = torch.tensor([90])
    root = PROCESS.schedule.abar[90].sqrt()
    given = net(root * x_a, t, net.encode(latents, side, x_a, 2))
    error = score_error(net, given, x_a, clean, t, e)
    torch.testing.assert_close(error, (given - x_a).square().mean(dim=(1, 2)))


@pytest.mark.parametrize("prediction", ["x0", "noise"])
def test_gaps_and_empty_batches_are_left_out_not_poisoned_by(prediction: str) -> None:
    nets = [Recorder(prediction=prediction) for _ in range(M)]
    latents = torch.where(PRESENT[:, :, None, None], normal(5), float("nan")).requires_grad_()
    loss = duplex_loss(nets, MIX, latents, PRESENT, SIDES, generator(0, "loss"))
    loss.total.backward()
    assert bool(loss.total.isfinite())
    assert latents.grad is not None
    assert bool(latents.grad.isfinite().all())
    whole = duplex_loss(nets, MIX, latents, PRESENT, PRESENT, generator(0, "loss"))
    assert (float(whole.missing), float(whole.available)) == (0, 0)


def test_the_side_counts_only_where_something_is_present() -> None:
    nets = [Recorder() for _ in range(M)]
    for net in nets:  # else its first state, which hears no condition, could not tell
        nn.init.normal_(net.leave.weight, generator=generator(0, "leave"))
    claimed = SIDES | ~PRESENT  # row 4 claims modality 0, which it does not hold
    losses = [duplex_loss(nets, MIX, normal(5), PRESENT, s, generator(0, "loss")) for s in (claimed, claimed & PRESENT)]
    assert torch.equal(losses[0].total, losses[1].total)


@pytest.mark.parametrize("detach", [True, False])
def test_a_detached_target_is_aimed_at_but_not_moved(detach: bool) -> None:
    nets = [Recorder() for _ in range(M)]
    for net in nets:
        nn.init.normal_(net.leave.weight, generator=generator(0, "leave"))
    latents = normal(6).requires_grad_()
    side = torch.tensor([[True, True, False]]).expand(6, -1)
    duplex_loss(
        nets, MIX, latents, side | True, side, generator(0, "loss"), duplex=False, detach_target=detach
    ).total.backward()
    assert latents.grad is not None
    assert bool(latents.grad[:, :2].any())
    assert bool(latents.grad[:, 2].any()) == (not detach)


def test_one_network_may_serve_all_targets() -> None:
    net = Recorder()
    loss = duplex_loss([net] * M, MIX, normal(5), PRESENT, SIDES, generator(0, "loss"))
    assert [c.target for c in net.calls] == [0, 1, 2]
    assert bool(loss.total > 0)


@pytest.mark.parametrize(
    ("transfer", "t_range", "structure", "first", "last"),
    [
        ("constant", "trained", False, 1, 80),
        ("constant", "trained", True, 1, 100),
        ("none", "trained", False, 1, 100),
        ("constant", "as_printed", False, 21, 100),
        ("none", "as_printed", True, 21, 100),
    ],
)
def test_times_are_uniform_over_the_range_that_is_meant(
    transfer: str, t_range: str, structure: bool, first: int, last: int
) -> None:
    times = draw_times(make_process(100, 20, 80, transfer=transfer), 40_000, generator(0, "t"), t_range, structure)
    assert (int(times.min()), int(times.max())) == (first, last)
    share = torch.bincount(times)[first:] / 40_000 * (last - first + 1)
    assert float((share - 1).abs().max()) < 0.3  # over five standard errors
    assert float(times.double().mean()) == pytest.approx((first + last) / 2, abs=0.6)


def test_unknown_range_of_times_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'as_printed'"):
        draw_times(PROCESS, 3, generator(0, "t"), "printed")


def test_trained_networks_recover_what_can_be_known() -> None:
    """A world with a known answer: modality 2 is modality 0 with its width rolled, and half as sure.

    Then E[x^2 | x^0] explains half of the variance, and no estimate can err by less than the other half.
    """
    torch.manual_seed(0)
    g = generator(0, "train")
    process = make_process(100, 20, 80)
    nets = [ScoreNetwork(process, 2, L, D, TransformerConfig(1, 2, 16, 0.0)) for _ in range(2)]
    mix = make_partner("mean", 2, D)
    optimiser = torch.optim.AdamW([p for n in nets for p in n.parameters()], lr=1e-2)

    def world(rows: int) -> Tensor:
        x = nn.functional.layer_norm(torch.randn(rows, L, D, generator=g), (D,))
        other = (x.roll(1, dims=-1) + nn.functional.layer_norm(torch.randn(x.shape, generator=g), (D,))) * 0.5**0.5
        return torch.stack([x, other], dim=1)

    side = torch.tensor([[True, False]])
    for _ in range(80):
        latents = world(64)
        sides = side.expand(len(latents), -1)
        loss = duplex_loss(nets, mix, latents, sides | True, sides, g).total
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    latents = world(2000)
    sides = side.expand(2000, -1)
    x_a = mix(latents, sides)
    with torch.no_grad():
        estimate = nets[1].estimator(nets[1].encode(latents, sides, x_a, 1))
        found = one_step(estimate, process, x_a, SequentialNoise(g))
    error = float((found - latents[:, 1]).square().mean())
    assert 0.48 < error < 0.55


@pytest.mark.parametrize("prediction", ["x0", "noise"])
def test_estimates_of_the_loss_are_those_of_recovery(prediction: str) -> None:
    """The rows that ride along in the training call get what a call of their own gives; what is available stays."""
    torch.manual_seed(0)
    nets = [ScoreNetwork(PROCESS, M, L, D, TransformerConfig(1, 2, 16, 0.0), prediction).double() for _ in range(M)]
    for net in nets:
        nn.init.normal_(net.leave.weight)
    latents = normal(5)
    present, side = torch.ones(5, M, dtype=torch.bool), torch.rand(5, M, generator=generator(3, "side")) < 0.5
    side[:, 0] |= ~side.any(dim=1)
    loss = duplex_loss(nets, MIX, latents, present, side, generator(0, "loss"), estimate=True)
    assert loss.estimates is not None
    x_a = MIX(latents, side)
    for k, net in enumerate(nets):
        own = one_step(
            net.estimator(net.encode(latents, side, x_a, k)), PROCESS, x_a, SequentialNoise(generator(1, "any"))
        )
        if prediction == "x0":  # at t2 no noise reaches the estimate, so any draw gives the same
            torch.testing.assert_close(loss.estimates[~side[:, k], k], own[~side[:, k]])
        assert torch.equal(loss.estimates[side[:, k], k], latents[side[:, k], k])
