"""From the partner down, the stages are a clock: networks and walks depend on t1, t2, w_t and b_t by the angle alone.

With theta_t = atan(std_t / signal_t) and u_t = r_t / sqrt(signal_t^2 + std_t^2), what a network is asked is to find the
end in ``u_t = cos(theta_t) end + sin(theta_t) e``.  Two processes whose angles agree at every step are one process.
"""

import pytest
import torch
from torch import Tensor

from md2n.diffusion.objective import score_error
from md2n.diffusion.process import DuplexProcess, make_process
from md2n.diffusion.sampler import STRIDES, make_sampler
from md2n.diffusion.schedule import Schedule
from md2n.diffusion.score import PREDICTIONS, ScoreNetwork
from md2n.diffusion.stages import Stages
from md2n.nn.config import TransformerConfig
from md2n.noise import SequentialNoise
from md2n.seeding import generator

ROWS, MODALITIES, TOKENS, WIDTH, TARGET = 5, 3, 2, 4, 1
STAGES = Stages(20, 80, 100)
PAPER = make_process(STAGES.steps, STAGES.t1, STAGES.t2)


class SameAngle(DuplexProcess):
    """Half the noise of another process in every step, and the w_t that makes up for it."""

    def __init__(self, other: DuplexProcess) -> None:
        beta = other.schedule.beta / 2
        alpha = 1 - beta
        schedule = Schedule(beta, alpha, alpha.cumprod(0))
        super().__init__(schedule, other.stages)
        noise = (1 / schedule.abar - 1).sqrt()  # over the factor of the mean
        turn = other.handover
        self.w = torch.ones_like(self.w)
        self.w[:turn] = 1 - noise[:turn] / other.angle(turn)[:turn].tan()
        self.w[0] = 0
        assert bool(((self.w >= 0) & (self.w <= 1)).all())
        root = schedule.abar.sqrt()
        self.own, self.moved = root * (1 - self.w), root * self.w
        searched = torch.arange(len(root)) <= turn
        self.known_table = torch.where(searched, self.moved, 0.0)
        self.signal_table = torch.where(searched, self.own, root)


def network(process: DuplexProcess, prediction: str) -> ScoreNetwork:
    """One that says something: its last layer does not begin at zero."""
    torch.manual_seed(0)
    made = ScoreNetwork(process, MODALITIES, TOKENS, WIDTH, TransformerConfig(width=8, layers=2), prediction).double()
    torch.nn.init.normal_(made.leave.weight, std=0.3)
    return made.eval()


def world() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Latents, the given side, a partner, and the end that is looked for."""
    g = generator(0, "clock")
    latents = torch.randn(ROWS, MODALITIES, TOKENS, WIDTH, generator=g).double()
    side = torch.tensor([True, False, True]).expand(ROWS, -1)
    return latents, side, latents[:, [0, 2]].mean(dim=1), latents[:, TARGET]


def drawn(process: DuplexProcess, sampler: str, strides: str, prediction: str, calls: int = 4) -> Tensor:
    latents, side, partner, _ = world()
    model = network(process, prediction)
    with torch.no_grad():
        estimate = model.estimator(model.encode(latents, side, partner, TARGET))
        walk = make_sampler(sampler, process, strides)
        return walk.sample(estimate, partner, SequentialNoise(generator(1, "clock")), calls, variance=0.3)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_losses_are_the_same_at_every_step(prediction: str) -> None:
    latents, side, partner, clean = world()
    noise = torch.randn(clean.shape, generator=generator(2, "clock")).double()
    errors = []
    for process in (PAPER, SameAngle(PAPER)):
        model = network(process, prediction)
        with torch.no_grad():
            condition = model.encode(latents, side, partner, TARGET)
            for t in (1, 20, 21, 50, 79, 80):
                step = torch.full((ROWS,), t)
                x_t = process.sample(clean, partner, t, noise)
                errors.append(score_error(model, model(x_t, t, condition), partner, clean, step, noise))
    one, other = torch.stack(errors).chunk(2)
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("strides", STRIDES)
@pytest.mark.parametrize("sampler", ["deterministic", "multistep", "gaussian"])
def test_draws_are_the_same(sampler: str, strides: str, prediction: str) -> None:
    ours = drawn(PAPER, sampler, strides, prediction)
    torch.testing.assert_close(drawn(SameAngle(PAPER), sampler, strides, prediction), ours, rtol=1e-8, atol=1e-8)
    _, _, partner, _ = world()
    assert not torch.allclose(ours, partner, atol=0.1)


def test_another_angle_is_another_process() -> None:
    """So the stages matter by where they put the steps, in training and in the walk; ancestral noise sees more."""
    late = make_process(100, 40, 80)
    assert not torch.allclose(drawn(late, "gaussian", "time", "x0"), drawn(PAPER, "gaussian", "time", "x0"), atol=1e-3)
    ours, same = (drawn(process, "ancestral", "time", "x0") for process in (PAPER, SameAngle(PAPER)))
    assert not torch.allclose(ours, same, atol=1e-3)


def test_the_two_processes_differ_in_all_but_the_angle() -> None:
    same = SameAngle(PAPER)
    assert float((same.w - PAPER.w).abs().max()) > 0.1
    assert float((same.std_table - PAPER.std_table).abs().max()) > 0.1
    torch.testing.assert_close(same.angle(80)[:81], PAPER.angle(80)[:81], rtol=0, atol=1e-12)
