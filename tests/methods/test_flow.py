"""The flow of DiCMoR: its inverse, its determinant, and that it mixes all channels."""

import math

import pytest
import torch
from torch import Tensor

from md2n.methods.dicmor.flow import BOUND, ClassPrior, Flow, bits_per_number
from md2n.seeding import generator


def flow(width: int = 8, steps: int = 4, trained: float = 0.3, dtype: torch.dtype = torch.float64) -> Flow:
    """A flow whose parameters were moved at random by ``trained``."""
    torch.manual_seed(0)
    made = Flow(width, steps, hidden=16).to(dtype)
    with torch.no_grad():
        for p in made.parameters():
            p.add_(trained * p.abs().mean().clamp(min=0.1) * torch.randn_like(p))
    return made


def normal(*size: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(size, generator=generator(seed, "flow"), dtype=dtype)


@pytest.mark.parametrize("trained", [0.0, 0.1])
@pytest.mark.parametrize(
    ("steps", "dtype", "error"), [(1, torch.float32, 1e-5), (8, torch.float32, 1e-5), (32, torch.float64, 1e-9)]
)
@torch.no_grad()
def test_it_inverts(steps: int, dtype: torch.dtype, error: float, trained: float) -> None:
    model, x = flow(32, steps, trained, dtype), normal(16, 32, 8, dtype=dtype)
    model.fit_actnorms(x)
    code, _ = model(x)
    torch.testing.assert_close(model.inverse(code), x, atol=error, rtol=0)
    torch.testing.assert_close(model(model.inverse(x))[0], x, atol=error, rtol=0)
    assert not torch.allclose(code, x, atol=0.1)


@pytest.mark.parametrize("width", [2, 5, 8])
def test_the_determinant_is_the_jacobians(width: int) -> None:
    model, x = flow(width), normal(3, width, 3)
    _, told = model(x)
    for row, log_determinant in zip(x, told):
        jacobian = torch.autograd.functional.jacobian(lambda r: model(r[None])[0][0], row)  # type: ignore[no-untyped-call]
        size = row.numel()
        expected = torch.linalg.slogdet(jacobian.reshape(size, size)).logabsdet
        torch.testing.assert_close(log_determinant, expected)
    assert float(told.detach().abs().min()) > 1e-3


@torch.no_grad()
def test_an_untrained_flow_is_a_rotation_of_every_position() -> None:
    model, x = flow(trained=0.0), normal(5, 8, 3)
    code, log_determinant = model(x)
    # Its factors were made in single precision.
    torch.testing.assert_close(code.norm(dim=1), x.norm(dim=1), atol=1e-5, rtol=0)
    torch.testing.assert_close(log_determinant, torch.zeros(5, dtype=torch.float64), atol=1e-4, rtol=0)


@torch.no_grad()
def test_one_step_moves_the_kept_channels_too() -> None:
    # Without actnorm and 1x1 convolution half of the channels would come out as they went in.
    model, x = flow(steps=1, trained=0.0), normal(5, 8, 3)
    assert not any(torch.allclose(a, b) for a in model(x)[0].unbind(1) for b in x.unbind(1))


@torch.no_grad()
def test_actnorm_settles_on_zero_mean_and_unit_deviation_at_every_step() -> None:
    model, x = flow(steps=3), 3 * normal(200, 8, 3) + 5
    model.fit_actnorms(x)
    scale, bias = model.mixings.log_scale.exp(), model.mixings.bias
    for k, (matrix, coupling) in enumerate(zip(model.mixings.matrices(), model.couplings)):
        normed = (x + bias[k][:, None]) * scale[k][:, None]
        torch.testing.assert_close(normed.mean(dim=(0, 2)), torch.zeros(8, dtype=torch.float64), atol=1e-9, rtol=0)
        torch.testing.assert_close(normed.std(dim=(0, 2), correction=0), torch.ones(8, dtype=torch.float64))
        x, _ = coupling(matrix @ (x + bias[k][:, None]))


@torch.no_grad()
def test_a_channel_that_does_not_vary_is_not_blown_up() -> None:
    model, x = flow(steps=1), normal(50, 8, 3)
    x[:, 2] = 4.0
    model.fit_actnorms(x)
    assert float(model.mixings.log_scale.max()) == pytest.approx(math.log(100), rel=1e-6)


@torch.no_grad()
def test_a_coupling_scales_by_no_more_than_its_bound() -> None:
    model = flow(steps=1, trained=30.0)
    a, _ = model.couplings[0].terms(normal(10, 4, 3) * 100)  # type: ignore[operator]
    assert float(a.abs().max()) <= BOUND
    assert float(a.abs().max()) > 0.9 * BOUND


def test_a_flow_learns_a_density() -> None:
    # Two correlated channels: no product of channels, so a density that only scales cannot reach it.
    x = normal(400, 2, 1, dtype=torch.float32)
    x = torch.stack([x[:, 0], 0.9 * x[:, 0] + 0.3 * x[:, 1]], dim=1)
    model, prior, classes = Flow(2, 2, 16), ClassPrior(1, 2, 1), torch.zeros(400, dtype=torch.long)
    optimiser = torch.optim.Adam([*model.parameters(), *prior.parameters()], lr=1e-2)
    for _ in range(150):
        code, log_determinant = model(x)
        loss = -(prior.log_density(code, classes) + log_determinant).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    entropy = math.log(2 * math.pi * math.e) + math.log(0.3)
    assert float(loss.detach()) == pytest.approx(entropy, abs=0.12)


def test_density_of_a_class_and_of_an_unknown_one() -> None:
    prior = ClassPrior(2, 3, 2).double()
    with torch.no_grad():
        prior.mean[1] += 2.0
        prior.log_std[1] += 0.5
    code = normal(4, 3, 2)
    each = [
        torch.distributions.Normal(m, s.exp()).log_prob(code).sum(dim=(1, 2))  # type: ignore[no-untyped-call]
        for m, s in zip(prior.mean, prior.log_std)
    ]
    told = prior.log_density(code, torch.tensor([0, 1, -1, 0]))
    mixture = torch.logsumexp(torch.stack(each), dim=0) - math.log(2)
    torch.testing.assert_close(told, torch.stack([each[0][0], each[1][1], mixture[2], each[0][3]]))


def test_bits_per_number() -> None:
    # The entropy of a standard normal number is log2(2 pi e) / 2 bits; below zero nothing is gained.
    nats = torch.full((3,), -0.5 * math.log(2 * math.pi * math.e) * 6)
    assert float(bits_per_number(nats, 6)) == pytest.approx(0.5 * math.log2(2 * math.pi * math.e))
    assert float(bits_per_number(-nats, 6)) == 0.0
