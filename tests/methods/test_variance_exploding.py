"""IMDer's process: its variance, and the end of the reversal with an exact score."""

import pytest
import torch
from torch import Tensor

from md2n.methods.imder.variance_exploding import LAST, VarianceExploding
from md2n.noise import SampleNoise, SequentialNoise
from md2n.seeding import generator

PROCESS = VarianceExploding(25.0)


@pytest.mark.parametrize("t", [1e-3, 0.2, 0.7, 1.0])
def test_the_variance_is_the_integral_of_the_diffusion(t: float) -> None:
    grid = torch.linspace(0, t, 20001, dtype=torch.float64)
    integral = torch.trapezoid(PROCESS.diffusion(grid).square(), grid)
    std = PROCESS.std(torch.tensor(t, dtype=torch.float64))
    torch.testing.assert_close(std.square(), integral, rtol=1e-6, atol=0)


def test_there_is_no_noise_at_the_start_and_many_deviations_at_the_end() -> None:
    ends = PROCESS.std(torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert float(ends[0]) == 0.0
    assert float(ends[1]) == pytest.approx(9.845, abs=1e-3)


class Gaussian:
    """x_0 ~ N(m, S) in two dimensions: the score of x_t is a formula."""

    mean = torch.tensor([1.0, -2.0], dtype=torch.float64)
    covariance = torch.tensor([[1.0, 0.6], [0.6, 0.8]], dtype=torch.float64)

    def score(self, x: Tensor, t: Tensor) -> Tensor:
        std = self.covariance + PROCESS.std(t).square() * torch.eye(2, dtype=torch.float64)
        return -torch.linalg.solve(std, (x - self.mean).T).T  # type: ignore[no-any-return]

    def drawn(self, steps: int, rows: int = 40_000) -> Tensor:
        start = torch.randn(rows, 2, generator=generator(0, "start"), dtype=torch.float64)
        return PROCESS.sample(self.score, start, SampleNoise.of(torch.arange(rows), generator(1, "noise")), steps)


def test_the_score_of_a_gaussian_is_the_gradient_of_its_density() -> None:
    world, t = Gaussian(), torch.tensor(0.4, dtype=torch.float64)
    x = torch.randn(5, 2, generator=generator(2, "x"), dtype=torch.float64).requires_grad_()
    std = world.covariance + PROCESS.std(t).square() * torch.eye(2, dtype=torch.float64)
    density = torch.distributions.MultivariateNormal(world.mean, std).log_prob(x).sum()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(world.score(x, t), torch.autograd.grad(density, x)[0])


def test_the_exact_score_gives_the_moments_back() -> None:
    world = Gaussian()
    drawn = world.drawn(100)
    torch.testing.assert_close(drawn.mean(dim=0), world.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(torch.cov(drawn.T), world.covariance, atol=0.02, rtol=0)


def error(steps: int) -> float:
    """Of the covariance."""
    return float((torch.cov(Gaussian().drawn(steps, 20_000).T) - Gaussian.covariance).abs().max())


def test_more_steps_come_nearer() -> None:
    assert error(150) < error(15) / 2 < error(8) / 4 < error(4) / 8


def test_ten_steps_are_past_where_a_step_overshoots() -> None:
    assert error(10) < 0.1
    assert error(4) > 1.0


def test_times_go_down_from_one_and_each_is_asked_once() -> None:
    asked: list[float] = []

    def score(x: Tensor, t: Tensor) -> Tensor:
        asked.append(float(t))
        return torch.zeros_like(x)

    PROCESS.sample(score, torch.zeros(3, 2), SequentialNoise(generator(0, "n")), 5)
    step = (1 - LAST) / 5
    assert asked == pytest.approx([1 - i * step for i in range(5)], abs=1e-6)
    one = PROCESS.sample(score, torch.ones(3, 2), SequentialNoise(generator(0, "n")), 1)
    torch.testing.assert_close(one, PROCESS.std(torch.tensor(1.0)).expand(3, 2))
