"""The duplex forward process: one closed form for all three stages, and the step form it comes from.

With w_t from ``transfer`` (0 up to t1, 1 from t2) the chain that ends cleanly in x_0^m is, at any step,

    x~_t = sqrt(abar_t) [ (1 - w_t) x_0^m + w_t x_0^a ] + sqrt(1 - abar_t) e,

and, one step at a time,

    x~_t = sqrt(a_t) x~_{t-1} + sqrt(b_t) e - Phi_t (x_0^m - x_0^a).

The chain of x_0^a is the same with the roles exchanged: call with the arguments exchanged.  Up to t2 a chain is of its
own clean end and recovery looks for x_0^m; past t2 it is the plain chain of the partner (Eq. 9) and what can be found
in it is x_0^a.  Whichever is looked for is called the chain's *unknown end* at that step, and what inference knows of
the mean is taken off before a network sees the chain:

    r_t = x~_t - known_t = signal_t * end + std_t * e,

    t <= t2:  end = x_0^m,  known_t = sqrt(abar_t) w_t x_0^a,  signal_t = sqrt(abar_t) (1 - w_t);
    t >  t2:  end = x_0^a,  known_t = 0,                       signal_t = sqrt(abar_t).

At t2 signal_t is zero: given x_0^a the chain there says nothing of x_0^m, and the best estimate is a regression.
"""

from collections.abc import Callable
from typing import Literal

import torch

from md2n.diffusion.schedule import Schedule, make_schedule
from md2n.diffusion.stages import Stages
from md2n.diffusion.transfer import transfer_push, transfer_weight
from md2n.errors import UsageError, did_you_mean
from md2n.noise import Noise
from md2n.shapes import Float, Int, Tensor

Start = Literal["partner", "noise"]  # where recovery begins: at t2, or at T
Step = int | Int[Tensor, " batch"]
Estimate = Callable[[Tensor, int], Tensor]  # (x_t, t) to the unknown end: what the reverse process asks of a network

VARIANCES = ("exact", "as_printed")


class DuplexProcess:
    """The forward process as tables over t = 0..T, in float64.

    It has no parameters and no state, so it is no ``nn.Module``: the tables stay where they are when a model moves
    (some accelerators have no float64), and every method gives the dtype and the device of the latents it is given.

    A step ``t`` is an integer, or one integer per row.

    Args:
        schedule: b_t.
        stages: t1 and t2.
        transfer: ``constant``, ``linear`` or ``none``.
        variance: ``exact``, ``1 - abar_t``; or ``as_printed``, ``1 - sqrt(abar_t)``: Eq. 5 and 6 print ``1 - phi(t)``
            where ``phi(t) = sqrt(abar_t)`` is the mean factor, and the chain of Eq. 1 has ``1 - phi(t)^2``.

    Attributes:
        w: weight of the partner, ``[T + 1]``.
        push: Phi_t, ``[T + 1]``.
        variance: of the noise in the closed form, ``[T + 1]``.
        handover: the last step at which the unknown end is x_0^m: t2, or T without transfer.

    Raises:
        UsageError: unknown transfer or variance; schedule and stages of different T.
    """

    def __init__(
        self,
        schedule: Schedule,
        stages: Stages,
        transfer: str = "constant",
        variance: str = "exact",
    ) -> None:
        if schedule.steps != stages.steps:
            raise UsageError(
                f"the schedule has {schedule.steps} steps and the stages {stages.steps}", "give both the same steps"
            )
        if variance not in VARIANCES:
            raise UsageError(f"no variance is called '{variance}'", did_you_mean(variance, VARIANCES))
        self.schedule = schedule
        self.stages = stages
        self.transfer = transfer
        self.w = transfer_weight(transfer, schedule, stages)
        self.push = transfer_push(self.w, schedule)
        self.variance = 1 - (schedule.abar if variance == "exact" else schedule.abar.sqrt())
        self.std_table = self.variance.sqrt()
        self.handover = schedule.steps if transfer == "none" else stages.t2

        own = schedule.abar.sqrt() * (1 - self.w)
        moved = schedule.abar.sqrt() * self.w
        searched = torch.arange(schedule.steps + 1) <= self.handover
        self.own, self.moved = own, moved
        self.known_table = torch.where(searched, moved, 0.0)
        self.signal_table = torch.where(searched, own, schedule.abar.sqrt())

    @property
    def steps(self) -> int:
        """T."""
        return self.schedule.steps

    def at(self, table: Float[Tensor, " step"], t: Step, like: Float[Tensor, "batch *rest"]) -> Tensor:
        """Entries of ``table`` at ``t``, in the dtype of ``like`` and shaped to multiply it.

        Raises:
            UsageError: an integer t outside 0..T.
        """
        if isinstance(t, int):
            if not 0 <= t <= self.steps:
                raise UsageError(f"{t} is not a step of the diffusion", f"steps are 0..{self.steps}")
            return table[t].to(like.dtype)  # without dimensions: multiplies a tensor on any device
        return table.to(like.dtype).to(like.device)[t].view(-1, *[1] * (like.dim() - 1))

    def mean(
        self, x0: Float[Tensor, "batch *rest"], partner: Float[Tensor, "batch *rest"], t: Step
    ) -> Float[Tensor, "batch *rest"]:
        """mu_t: ``sqrt(abar_t) [(1 - w_t) x_0^m + w_t x_0^a]``; x_0^m itself at t = 0."""
        return self.at(self.own, t, x0) * x0 + self.at(self.moved, t, x0) * partner

    def std(self, t: Step, like: Float[Tensor, "batch *rest"]) -> Tensor:
        """Standard deviation of the noise, shaped to multiply ``like``; 0 at t = 0.

        Paper: Eq. 5, Sec. 3.1.
        """
        return self.at(self.std_table, t, like)

    def sample(
        self,
        x0: Float[Tensor, "batch *rest"],
        partner: Float[Tensor, "batch *rest"],
        t: Step,
        noise: Float[Tensor, "batch *rest"],
    ) -> Float[Tensor, "batch *rest"]:
        """The closed form: x~_t at once from its clean end, the partner and unit noise."""
        return self.mean(x0, partner, t) + self.std(t, x0) * noise

    def first_state(
        self, partner: Float[Tensor, "batch *rest"], noise: Noise, start: Start = "partner"
    ) -> Float[Tensor, "batch *rest"]:
        """The state of the chain where recovery begins.

        ``partner``: x_{t2}, drawn exactly, for at t2 the chain is the known partner's.  ``noise``: unit noise at T, the
        p_T of the paper.  Without transfer the chain never carries the partner, and both are unit noise at T.
        """
        drawn = noise.like(partner, "first state")
        if start == "noise" or self.transfer == "none":
            return drawn
        return self.sample(partner, partner, self.handover, drawn)

    def step(
        self,
        x_prev: Float[Tensor, "batch *rest"],
        x0: Float[Tensor, "batch *rest"],
        partner: Float[Tensor, "batch *rest"],
        t: Step,
        noise: Float[Tensor, "batch *rest"],
    ) -> Float[Tensor, "batch *rest"]:
        """The step form: x~_t from x~_{t-1}, t in 1..T, in whichever stage t lies.

        ``sqrt(a_t) x~_{t-1} + sqrt(b_t) e - Phi_t (x_0^m - x_0^a)``, where Phi_t is zero outside the transfer stage.
        The paper prints x_{t-1} without its tilde in Eq. 7 and 9; it is the transferred chain in every stage.

        Paper: Eq. 7, 9, Sec. 3.3.
        """
        alpha, beta = self.at(self.schedule.alpha, t, x0), self.at(self.schedule.beta, t, x0)
        return alpha.sqrt() * x_prev + beta.sqrt() * noise - self.at(self.push, t, x0) * (x0 - partner)

    def end(
        self, x0: Float[Tensor, "batch *rest"], partner: Float[Tensor, "batch *rest"], t: Step
    ) -> Float[Tensor, "batch *rest"]:
        """The unknown end of the chain at step t, which a network is trained to find: x_0^m, past t2 x_0^a."""
        if isinstance(t, int):
            return x0 if t <= self.handover else partner
        return torch.where((t <= self.handover).view(-1, *[1] * (x0.dim() - 1)), x0, partner)

    def known(self, partner: Float[Tensor, "batch *rest"], t: Step) -> Float[Tensor, "batch *rest"]:
        """The part of the mean at step t that does not come from the unknown end."""
        return self.at(self.known_table, t, partner) * partner

    def signal(self, t: Step, like: Float[Tensor, "batch *rest"]) -> Tensor:
        """Factor of the unknown end in the mean, shaped to multiply ``like``; 1 at t = 0, 0 at t2 with transfer."""
        return self.at(self.signal_table, t, like)

    def signal_from(self, t: int) -> Float[Tensor, " step"]:
        """Factor, at every step, of the end that is looked for at t: of x_0^m, past t2 of x_0^a; ``[T + 1]``.

        A stride down to t2 ends where ``signal_table`` is already that of the other end; this table is not.
        """
        return self.own if t <= self.handover else self.moved

    def angle(self, t: int) -> Float[Tensor, " step"]:
        """``atan(std / signal)`` at every step, of the end that is looked for at t, in radians; ``[T + 1]``.

        It rises from 0 at clean data, for x_0^m to pi/2 at t2.
        """
        return torch.atan2(self.std_table, self.signal_from(t))

    def snr(self) -> Float[Tensor, " step"]:
        """Signal-to-noise ratio of the unknown end, ``signal_t^2 / variance_t``, for t = 0..T; infinite at t = 0."""
        return self.signal_table.square() / self.variance

    def x0_from_noise(
        self,
        noise: Float[Tensor, "batch *rest"],
        x_t: Float[Tensor, "batch *rest"],
        partner: Float[Tensor, "batch *rest"],
        t: Step,
        tolerance: float = 0.05,
    ) -> Float[Tensor, "batch *rest"]:
        """The unknown end from an estimate of the noise.

        Solving ``r_t = signal_t end + std_t e`` for the end divides by signal_t, which is zero at t2 and tiny near it.
        So the estimate is drawn toward the partner by as much as the noise is uncertain: it is the best linear one if
        the noise is known to within ``tolerance`` and the end differs from the partner by about one,

            end = x^a + signal_t (r_t - std_t e - signal_t x^a) / (signal_t^2 + (tolerance std_t)^2).

        With ``tolerance=0`` it is the exact solution wherever signal_t > 0; at t2 it is the partner, for any noise.

        Args:
            noise: estimate of e.
            x_t: state of the chain.
            partner: x_0^a.
            t: step.
            tolerance: error of ``noise`` relative to its unit scale, >= 0.
        """
        signal, std = self.signal(t, x_t), self.std(t, x_t)
        left = x_t - self.known(partner, t) - std * noise - signal * partner
        doubt = signal.square() + (tolerance * std).square()
        return partner + signal * left / doubt.clamp(min=torch.finfo(x_t.dtype).tiny)

    def noise_from_x0(
        self,
        x0: Float[Tensor, "batch *rest"],
        x_t: Float[Tensor, "batch *rest"],
        partner: Float[Tensor, "batch *rest"],
        t: Step,
    ) -> Float[Tensor, "batch *rest"]:
        """The noise that an estimate of x_0^m implies, ``(x_t - mu_t) / std_t``, t in 1..T."""
        return (x_t - self.mean(x0, partner, t)) / self.std(t, x_t)

    def score(
        self,
        x0: Float[Tensor, "batch *rest"],
        x_t: Float[Tensor, "batch *rest"],
        partner: Float[Tensor, "batch *rest"],
        t: Step,
    ) -> Float[Tensor, "batch *rest"]:
        """Gradient of log p(x_t | x_0^m, x_0^a), ``(mu_t - x_t) / (1 - abar_t)``, t in 1..T.

        With ``x0 = E[x_0^m | x_t, x_0^a]`` it is the score of x_t given the partner: this is what the paper's s_theta
        is, for a network that estimates x_0.  The reverse-time process it steers is
        ``dx = -b(t) (x / 2 + score) dt + sqrt(b(t)) dw``, time running down.  (As printed, with the sign of the score
        turned and half its size, it does not give back the data, and it is not what Eq. 4 discretises.)

        Paper: Eq. 3, Sec. 3.1.
        """
        return (self.mean(x0, partner, t) - x_t) / self.at(self.variance, t, x_t)


def make_process(
    steps: int,
    t1: int,
    t2: int,
    schedule: str = "scaled_linear",
    transfer: str = "constant",
    variance: Literal["exact", "as_printed"] = "exact",
) -> DuplexProcess:
    """The process from plain values; see ``Stages``, ``make_schedule`` and ``DuplexProcess``."""
    return DuplexProcess(make_schedule(schedule, steps), Stages(t1, t2, steps), transfer, variance)
