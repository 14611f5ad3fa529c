"""The score network: what it starts from, what it reads, what it may not read."""

import pytest
import torch
from torch import Tensor

from md2n.diffusion.condition import partner
from md2n.diffusion.process import DuplexProcess, make_process
from md2n.diffusion.score import PREDICTIONS, Condition, ScoreNetwork
from md2n.errors import UsageError
from md2n.nn.config import TransformerConfig
from md2n.seeding import generator

M, L, D = 3, 4, 6
PROCESS = make_process(100, 20, 80)
TARGET = 2
SIDES = torch.tensor([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=torch.bool)


def network(prediction: str = "x0", process: DuplexProcess = PROCESS, stirred: bool = True) -> ScoreNetwork:
    """A network in float64 whose parameters are all at work."""
    torch.manual_seed(0)
    net = ScoreNetwork(process, M, L, D, TransformerConfig(2, 2, 8, 0.0), prediction=prediction).double().eval()
    if stirred:
        g = generator(0, "stir")
        with torch.no_grad():
            for p in net.parameters():
                p.add_(0.3 * torch.randn(p.shape, generator=g))
    return net


def test_without_a_first_guess_it_is_the_network_whose_guess_is_zero() -> None:
    net, (latents, x_t, _) = network(), inputs()
    without = ScoreNetwork(PROCESS, M, L, D, TransformerConfig(2, 2, 8, 0.0), first_guess=False).double().eval()
    assert without.guess is None and net.guess is not None
    without.load_state_dict({n: w for n, w in net.state_dict().items() if not n.startswith("guess")})
    assert not torch.equal(without(x_t, 50, encoded(without, latents)), net(x_t, 50, encoded(net, latents)))
    with torch.no_grad():
        net.guess.tell.weight.zero_()
        net.guess.tell.bias.zero_()
    torch.testing.assert_close(without(x_t, 50, encoded(without, latents)), net(x_t, 50, encoded(net, latents)))


def inputs(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Latents of four rows, x_t, and their partners."""
    g = generator(seed, "inputs")
    latents = torch.randn(len(SIDES), M, L, D, generator=g).double()
    return latents, torch.randn(len(SIDES), L, D, generator=g).double(), partner(latents, SIDES)


def encoded(net: ScoreNetwork, latents: Tensor, sides: Tensor = SIDES) -> Condition:
    return net.encode(latents, sides, partner(latents, sides), TARGET)


def test_before_training_it_is_the_best_linear_estimate() -> None:
    """The least squares fit of unit-scale latents to what the chain shows beyond the known part."""
    net, (latents, _, x_a) = network(stirred=False), inputs()
    g = generator(1, "chain")
    for t in (1, 30, 60, 79):
        end, e = torch.randn(2, 20_000, 1, generator=g).double()
        r = PROCESS.signal(t, end) * end + PROCESS.std(t, end) * e
        slope = float((r * end).mean() / r.square().mean())
        x_t = torch.ones(4, L, D).double() + PROCESS.known(x_a, t)
        given = net(x_t, t, encoded(net, latents))
        torch.testing.assert_close(given, torch.full_like(given, slope), rtol=0, atol=0.03)


def test_at_t2_the_estimate_is_a_regression_that_no_noise_disturbs() -> None:
    net, (latents, x_t, _) = network(), inputs()
    condition = encoded(net, latents)
    one, other = net(x_t, 80, condition), net(x_t + torch.randn_like(x_t), 80, condition)
    assert torch.equal(one, other)
    assert bool(one.any())
    assert not torch.allclose(net(x_t, 50, condition), net(x_t + torch.randn_like(x_t), 50, condition))


def test_near_clean_data_the_estimate_is_the_chain_itself() -> None:
    net, (latents, x_t, _) = network(process=make_process(10_000, 2000, 8000)), inputs()
    torch.testing.assert_close(net(x_t, 1, encoded(net, latents)), x_t, rtol=0, atol=0.1)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_rows_do_not_know_of_one_another(prediction: str) -> None:
    net, (latents, x_t, _) = network(prediction), inputs()
    t = torch.tensor([3, 20, 55, 90])
    out = net(x_t, t, encoded(net, latents))
    order = torch.tensor([2, 0, 3, 1])
    permuted = net(x_t[order], t[order], encoded(net, latents[order], SIDES[order]))
    torch.testing.assert_close(permuted, out[order], rtol=1e-12, atol=1e-12)
    for i, row in enumerate(t.tolist()):
        one = slice(i, i + 1)
        alone = net(x_t[one], row, encoded(net, latents[one], SIDES[one]))
        torch.testing.assert_close(alone, out[one], rtol=1e-12, atol=1e-12)


def test_what_is_not_on_the_side_changes_no_bit() -> None:
    net, (latents, x_t, _) = network(), inputs()
    poisoned = torch.where(SIDES[:, :, None, None], latents, float("nan")).requires_grad_()
    out = net(x_t, 50, encoded(net, poisoned))
    assert torch.equal(out, net(x_t, 50, encoded(net, latents)))
    assert bool(out.isfinite().all())  # the last row has an empty side
    out.sum().backward()
    assert poisoned.grad is not None
    assert bool(poisoned.grad.isfinite().all())


def test_the_target_is_never_its_own_condition() -> None:
    net, (latents, x_t, x_a) = network(), inputs()
    with_target = SIDES | torch.tensor([False, False, True])
    other = latents.clone()
    other[:, TARGET] = 7
    given = [net(x_t, 50, net.encode(x, with_target, x_a, TARGET)) for x in (latents, other)]
    assert torch.equal(*given)


def test_a_kept_condition_serves_any_number_of_steps() -> None:
    net, (latents, x_t, _) = network(), inputs()
    kept = encoded(net, latents)
    for t in (80, 40, 80):
        assert torch.equal(net(x_t, t, kept), net(x_t, t, encoded(net, latents)))


def test_every_part_of_the_condition_is_heard() -> None:
    net, (latents, x_t, x_a) = network(), inputs()
    base = net(x_t, 50, encoded(net, latents))
    louder = latents.clone()
    louder[:, 0] += torch.randn(L, D).double()
    assert not torch.allclose(net(x_t, 50, net.encode(louder, SIDES, x_a, TARGET))[0], base[0])  # tokens of a modality
    assert not torch.allclose(net(x_t, 50, net.encode(latents, SIDES, x_a + 1, TARGET))[3], base[3])  # the partner
    assert not torch.allclose(net(x_t, 60, encoded(net, latents)), base)  # the time
    shared = net.encode(latents, SIDES & False, x_a, 0), net.encode(latents, SIDES & False, x_a, 1)
    assert not torch.allclose(net(x_t, 50, shared[0]), net(x_t, 50, shared[1]))  # which modality is looked for


def test_gradients_reach_every_parameter_that_has_a_say() -> None:
    net, (latents, x_t, _) = network(), inputs()
    latents.requires_grad_()
    net(x_t, torch.tensor([10, 30, 50, 90]), encoded(net, latents)).square().sum().backward()
    for name, p in net.named_parameters():
        if name.startswith(f"source_project.{TARGET}."):
            assert p.grad is None
            continue
        assert p.grad is not None, name
        assert bool(p.grad.any()), name
    assert latents.grad is not None
    assert torch.equal(latents.grad.abs().sum((2, 3)) > 0, SIDES)


def test_training_can_leave_its_first_state() -> None:
    """The closing layer begins at zero: it moves first, and all else the step after."""
    net, (latents, x_t, _) = network(stirred=False), inputs()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimiser.zero_grad()
        (net(x_t, 50, encoded(net, latents)) - 1).square().mean().backward()
        optimiser.step()
    assert net.enter.weight.grad is not None
    assert bool(net.enter.weight.grad.any())


def test_draws_share_one_condition() -> None:
    net, (latents, x_t, _) = network(), inputs()
    condition = encoded(net, latents)
    other = x_t + 1
    both = net(torch.cat([x_t, other]), 50, condition.repeat(2))
    apart = torch.cat([net(x, 50, condition) for x in (x_t, other)])
    torch.testing.assert_close(both, apart, rtol=1e-12, atol=1e-12)


def test_both_predictions_say_the_same_of_the_chain() -> None:
    """r = signal * end + std * noise, whichever of the two the same weights are read as."""
    by_end, by_noise, (latents, x_t, x_a) = network("x0"), network("noise"), inputs()
    t = torch.tensor([5, 40, 79, 95])
    end, noise = (net(x_t, t, encoded(net, latents)) for net in (by_end, by_noise))
    r = PROCESS.signal(t, x_t) * end + PROCESS.std(t, x_t) * noise
    torch.testing.assert_close(r, x_t - PROCESS.known(x_a, t))


def test_estimate_and_estimator_always_speak_of_the_clean_end() -> None:
    net, (latents, x_t, x_a) = network("noise"), inputs()
    condition = encoded(net, latents)
    expected = PROCESS.x0_from_noise(net(x_t, 40, condition), x_t, x_a, 40)
    assert torch.equal(net.estimate(x_t, 40, condition), expected)
    assert torch.equal(net.estimator(condition)(x_t, 40), expected)
    plain = network()
    assert torch.equal(plain.estimator(encoded(plain, latents))(x_t, 40), plain(x_t, 40, encoded(plain, latents)))


def test_the_clock_is_the_fraction_of_the_way() -> None:
    """A network hears the same time at the same fraction, so T can change and its meaning does not."""
    few, many = network(process=make_process(100, 20, 80)), network(process=make_process(1000, 200, 800))
    latents, x_t, _ = inputs()
    torch.testing.assert_close(few(x_t, 80, encoded(few, latents)), many(x_t, 800, encoded(many, latents)))


def test_unknown_prediction_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot predict 'velocity'"):
        network("velocity")


def test_the_first_guess_moves_the_mean_of_the_best_linear_estimate() -> None:
    """The least squares fit of the end to the chain and a guess, where the end is the guess and unit noise."""
    net, (latents, _, x_a) = network(stirred=False), inputs()
    guess = 0.7
    with torch.no_grad():
        net.guess.tell.bias.fill_(guess)
    g = generator(1, "chain")
    for t in (1, 30, 60, 79):
        end, e = torch.randn(2, 20_000, 1, generator=g).double()
        end = end + guess
        r = PROCESS.signal(t, end) * end + PROCESS.std(t, end) * e
        a = torch.cat([r, torch.ones_like(r)], dim=1)
        slope, level = torch.linalg.lstsq(a, end).solution.flatten().tolist()
        x_t = torch.full((4, L, D), 2.0).double() + PROCESS.known(x_a, t)
        given = net(x_t, t, encoded(net, latents))
        torch.testing.assert_close(given, torch.full_like(given, 2 * slope + level), rtol=0, atol=0.04)
