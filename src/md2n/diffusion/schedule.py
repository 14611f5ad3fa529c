"""Noise schedules b_t, and their link to the continuous process.

A schedule says how much noise each step of Eq. 1 adds:

    x_t = sqrt(1 - b_t) x_{t-1} + sqrt(b_t) e,      a_t = 1 - b_t,      abar_t = prod_{s<=t} a_s.

Unrolled, ``x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) e``: the variance of unit data stays one.

The VP-SDE (Eq. 2), ``dx = -1/2 b(t) x dt + sqrt(b(t)) dw``, shrinks the mean by ``phi(t) = exp(-1/2 int_0^t b)`` and
adds the variance ``1 - phi(t)^2``.  With ``b(t) = -log(1 - b_t)`` on ``(t-1, t]`` the chain is this process seen at
whole steps, exactly: ``phi(t) = sqrt(abar_t)``.  (With ``b(t) = b_t`` it would be its Euler-Maruyama approximation;
the two differ by b_t^2 / 2 per step.)

``vp_linear`` and ``scaled_linear`` are defined for 1000 steps.  Another T sees the same process at other instants:
step t stands at the fraction t/T of the way, ``abar_t = phi(1000 t / T)^2``.  So a signal is as weak at 80 % of the
way with ten steps as with a thousand, and b_t never leaves (0, 1).
"""

import math
from dataclasses import dataclass

import torch

from md2n.brief import brief
from md2n.errors import ConfigError
from md2n.registry import Registry
from md2n.shapes import Float, Tensor

SCHEDULES = Registry(
    "schedule",
    {
        "vp_linear": "md2n.diffusion.schedule:vp_linear",
        "scaled_linear": "md2n.diffusion.schedule:scaled_linear",
        "cosine": "md2n.diffusion.schedule:cosine",
        "exploding": "md2n.diffusion.schedule:exploding",
    },
)

REFERENCE = 1000  # steps for which the linear schedules are defined
SIGMA = 25.0  # of the variance-exploding process, as in IMDer


@dataclass(frozen=True)
class Schedule:
    """b_t, a_t and abar_t in float64, indexed by the step itself: index 0 is clean data.

    Args:
        beta: ``[T + 1]``, b_0 = 0, else in (0, 1).
        alpha: ``[T + 1]``, a_t = 1 - b_t.
        abar: ``[T + 1]``, abar_0 = 1, falling.
    """

    beta: Float[Tensor, " step"]
    alpha: Float[Tensor, " step"]
    abar: Float[Tensor, " step"]

    __repr__ = brief

    @property
    def steps(self) -> int:
        """T."""
        return len(self.beta) - 1

    def phi(self, t: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Mean factor ``exp(-1/2 int_0^t b(s) ds)`` of the continuous process at real t in [0, T], in float64.

        ``phi(0) = 1`` and ``phi(t) = sqrt(abar_t)`` at every whole step; in between, log phi is linear.

        Paper: Eq. 2, Sec. 3.1.
        """
        time = t.double()
        before = time.floor().long().clamp(0, self.steps - 1)
        log = self.abar.log()
        return (0.5 * torch.lerp(log[before], log[before + 1], time - before)).exp()


def make_schedule(name: str, steps: int) -> Schedule:
    """The schedule called ``name`` with T = ``steps``.

    Args:
        name: ``vp_linear`` (b_t from 1e-4 to 0.02: the VP-SDE with b from 0.1 to 20 per unit of time),
            ``scaled_linear`` (b_t from 0.00085 to 0.012, linear in its square root; keeps five times more signal at
            80 % of the way), ``cosine`` (abar follows a squared cosine) or ``exploding`` (the VE-SDE of IMDer).
        steps: T >= 2.

    Raises:
        UsageError: unknown name.
        ConfigError: fewer than two steps.

    Paper: Eq. 1, Sec. 3.1.
    """
    build = SCHEDULES.get(name)
    if steps < 2:
        raise ConfigError(f"diffusion with steps = {steps} has no stages", "choose steps >= 2 (the paper: 1000)")
    beta = torch.cat([torch.zeros(1, dtype=torch.float64), build(steps)])
    alpha = 1 - beta
    return Schedule(beta, alpha, alpha.cumprod(0))


def vp_linear(steps: int) -> Float[Tensor, " _step"]:
    """b_1..b_T rising linearly from 1e-4 to 0.02 (for T = 1000)."""
    return resample(torch.linspace(1e-4, 0.02, REFERENCE, dtype=torch.float64), steps)


def scaled_linear(steps: int) -> Float[Tensor, " _step"]:
    """b_1..b_T whose square root rises linearly from sqrt(0.00085) to sqrt(0.012) (for T = 1000)."""
    return resample(torch.linspace(0.00085**0.5, 0.012**0.5, REFERENCE, dtype=torch.float64) ** 2, steps)


def cosine(steps: int) -> Float[Tensor, " _step"]:
    """b_1..b_T such that abar falls as a squared cosine (Nichol and Dhariwal 2021, Eq. 17), b_t cut at 0.999."""
    fraction = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    falling = ((fraction + 0.008) / 1.008 * torch.pi / 2).cos() ** 2
    return (1 - falling[1:] / falling[:-1]).clamp(max=0.999)


def exploding(steps: int) -> Float[Tensor, " _step"]:
    """The variance-exploding process dx = 25^t dw, t in [0, 1], at unit scale.

    Its chain is x_0 + std(t) e with ``std(t)^2 = (25^{2t} - 1) / (2 ln 25)``.  Divided by ``sqrt(1 + std^2)``, which a
    network that knows t can undo, it is a chain of Eq. 1 with ``abar = 1 / (1 + std^2)``.
    """
    fraction = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    variance = torch.expm1(2 * math.log(SIGMA) * fraction) / (2 * math.log(SIGMA))
    return variance.diff() / (1 + variance[1:])


def resample(beta: Float[Tensor, " reference"], steps: int) -> Float[Tensor, " _step"]:
    """The b_t of ``steps`` steps through which abar falls as it does through the given ones.

    Between given steps log abar is linear.  As many steps as given: the given ones, to the bit.
    """
    if steps == len(beta):
        return beta
    log_abar = torch.cat([beta.new_zeros(1), (-beta).log1p().cumsum(0)])
    at = torch.linspace(0, len(beta), steps + 1, dtype=torch.float64)
    before = at.floor().long().clamp(max=len(beta) - 1)
    return -torch.lerp(log_abar[before], log_abar[before + 1], at - before).diff().expm1()
