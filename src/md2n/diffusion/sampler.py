"""The reverse process: one exact Gaussian step, for any stride s < t and in any stage.

Given both clean ends the chain is Gaussian, and with mu_t its mean and v_t its variance (``process``) the step

    x_s = mu_s + k (x_t - mu_t) + sigma z,      k = sqrt(v_s - sigma^2) / sqrt(v_t)                             (*)

carries N(mu_t, v_t) into N(mu_s, v_s) for any sigma^2 <= v_s.  In mu the network's estimate stands for the end that is
not known.  A sampler is a choice of sigma:

- ``Deterministic``: sigma = 0, the noise that is in the chain stays in it;
- ``Ancestral``: the variance of q(x_s | x_t, x_0^m, x_0^a), the true one;
- ``Multistep``: sigma = 0, and the estimate extrapolated from the last two calls (beyond the paper);
- ``Gaussian``: sigma = 0, and a k that knows how far the end may lie from its estimate (``gaussian_sampler``; beyond
  the paper).

With stride one the mean of the ancestral step is, to the letter, the paper's reverse iteration,

    x_{t-1} = [ x_t + Phi_t (x_0^m - x_0^a) + b_t s_theta(x_t) ] / sqrt(1 - b_t),

which is Eq. 10 and 11 where Phi_t = 0, and Eq. 13 in the transfer stage (Eq. 12 for the other chain), with two
corrections: each chain is moved by its own score at its own state (moved by the other's, as Eq. 12 and 13 are printed,
the two run apart, more than fiftyfold through the transfer stage), and x_0^m, unknown at inference, is the network's
estimate.

In a Gaussian world, with the exact E[x_0^m | x_t, x_0^a] for a network, the mean of the samples is exact for any
number of steps.  Their covariance is off, by (relative, in the world of ``tests/laws``, ``scaled_linear``)

    network calls       1      4     10     50    200    800
    deterministic    1.00   0.60   0.32  0.089  0.026  0.008
    ancestral        1.00   0.65   0.40  0.141  0.049  0.016
    multistep        1.00   0.51   0.22  0.042  0.010  0.003
    gaussian         0.25  0.067  0.027  0.005  0.001  0.000

falling at first order in the stride for the first two.  In the first three it is too small: one call gives a mean
whose draws are all alike, and draws made by few calls vary too little.  In the last, whose c^2 is the diagonal of the
true covariance, it is what correlations change.
"""

import abc
import math
from itertools import pairwise

from md2n.diffusion.process import DuplexProcess, Estimate, Start
from md2n.diffusion.timesteps import timesteps
from md2n.errors import ConfigError, UsageError, did_you_mean
from md2n.noise import Noise
from md2n.registry import Registry
from md2n.shapes import Float, Tensor

SAMPLERS = Registry(
    "sampler",
    {
        "deterministic": "md2n.diffusion.sampler:Deterministic",
        "ancestral": "md2n.diffusion.sampler:Ancestral",
        "multistep": "md2n.diffusion.sampler:Multistep",
        "gaussian": "md2n.diffusion.gaussian_sampler:Gaussian",
    },
)

STRIDES = ("time", "angle")


class Sampler(abc.ABC):
    """The reverse process; a subclass says how much fresh noise a stride gets.

    Args:
        process: the forward process that is turned round.
        strides: equal in ``time``, which is t; or in the ``angle`` theta_t = atan(std_t / signal_t), which is pi/2
            where nothing is left of the unknown end and 0 at clean data.

    Raises:
        UsageError: unknown strides.
    """

    def __init__(self, process: DuplexProcess, strides: str = "time") -> None:
        if strides not in STRIDES:
            raise UsageError(f"no strides are equal in '{strides}'", did_you_mean(strides, STRIDES))
        self.process = process
        self.strides = strides

    @abc.abstractmethod
    def sigma(self, s: int, t: int) -> float:
        """Standard deviation of the fresh noise of the stride from t to s, 0 <= s < t; 0 at s = 0."""

    def gain(self, s: int, t: int, variance: float | Tensor | None) -> float | Tensor:
        """The k of (*): what becomes of the noise in the chain over the stride from t to s, 0 <= s < t."""
        v = self.process.variance
        return math.sqrt(max(float(v[s]) - self.sigma(s, t) ** 2, 0.0) / float(v[t]))

    def checked_variance(
        self, variance: float | Tensor | None, like: Float[Tensor, "batch *rest"]
    ) -> float | Tensor | None:
        """The variance that strides are to read, of the dtype and on the device of ``like``; None if they read none."""
        return None

    def step(
        self,
        x_t: Float[Tensor, "batch *rest"],
        x0: Float[Tensor, "batch *rest"],
        partner: Float[Tensor, "batch *rest"],
        t: int,
        s: int,
        noise: Float[Tensor, "batch *rest"] | None = None,
        variance: float | Tensor | None = None,
    ) -> Float[Tensor, "batch *rest"]:
        """x_s from x_t, by (*).

        Args:
            x_t: state of the chain.
            x0: x_0^m or its estimate.
            partner: x_0^a or its estimate.
            t: where the chain is, 1..T.
            s: where it goes, 0 <= s < t.
            noise: unit noise; read only if ``sigma(s, t) > 0``.
            variance: c^2 of the end that is looked for at t; read by ``Gaussian`` only.

        Paper: Eq. 10, 11, 12, 13, Sec. 3.3.
        """
        sigma = self.sigma(s, t)
        mu_t, mu_s = self.process.mean(x0, partner, t), self.process.mean(x0, partner, s)
        x_s: Tensor = mu_s + self.gain(s, t, variance) * (x_t - mu_t)
        return x_s if sigma == 0 or noise is None else x_s + sigma * noise

    def aim(self, now: Tensor, t: int, s: int, before: tuple[Tensor, int] | None) -> Tensor:
        """The estimate used for the stride from t to s; the latest one, unless a sampler says otherwise.

        Args:
            now: the estimate at t.
            t: where the chain is.
            s: where it goes.
            before: the estimate of the same end one stride ago, and its step; None in the first stride toward an end.
        """
        return now

    def path(self, steps: int, start: Start = "partner") -> tuple[int, ...]:
        """The steps visited: ``steps`` strides, from the first state down to 0.

        From noise, strides are shared out between the structure stage and the rest by their lengths in t, at least one
        each, and t2 is visited: past it the network looks for another end.

        Raises:
            ConfigError: too few steps, or more than the process has.
        """
        turn, top = self.process.handover, self.process.steps
        if start == "partner" or turn == top:
            return self.leg(turn, steps)
        if not 2 <= steps <= top:
            raise ConfigError(
                f"recovery from noise in {steps} sampling steps",
                f"choose between 2 (one before t2, one after) and {top}, or start = 'partner'",
            )
        structure = min(max(round(steps * (top - turn) / top), 1), steps - 1)
        return self.leg(top, structure, turn) + self.leg(turn, steps - structure)[1:]

    def leg(self, start: int, count: int, end: int = 0) -> tuple[int, ...]:
        """``timesteps`` within a stretch in which one end is looked for, equal as this sampler's strides are."""
        if self.strides == "time":
            return timesteps(start, count, end)
        return timesteps(start, count, end, self.process.angle(start).tolist())

    def sample(
        self,
        estimate: Estimate,
        partner: Float[Tensor, "batch *rest"],
        noise: Noise,
        steps: int,
        start: Start = "partner",
        structure: Estimate | None = None,
        first: Float[Tensor, "batch *rest"] | None = None,
        variance: float | Tensor | None = None,
    ) -> Float[Tensor, "batch *rest"]:
        """Recovered x_0^m, by ``steps`` network calls; differentiable.

        Args:
            estimate: ``(x_t, t)`` to the estimate of x_0^m (``ScoreNetwork.estimator``).
            partner: x_0^a.
            noise: of the rows of the partner.
            steps: network calls; 1 from the partner is ``one_step``.
            start: ``partner``, at t2; or ``noise``, at T, through all three stages.
            structure: ``(x_t, t)`` to the estimate of x_0^a, for steps past t2; ``estimate`` if not given, for a
                network trained with ``structure=True`` looks for x_0^a there.
            first: the estimate at the first state, where it is known already: one call less.
            variance: c^2, of x_0^m given everything the network knows before it sees the chain; one number, or a tensor
                that broadcasts to the partner (one number per latent number, or per row too).  Read by ``Gaussian``
                only, which has to have it.  Past t2 it is 0: the network knows the partner.

        Raises:
            ConfigError: see ``path``.
            UsageError: a variance is needed and there is none, or it is negative, not finite or of another shape.
        """
        path, c2 = self.path(steps, start), self.checked_variance(variance, partner)
        x: Tensor = self.process.first_state(partner, noise, start)
        before: tuple[Tensor, int] | None = None
        for t, s in pairwise(path):
            structuring = t > self.process.handover
            if before is None and first is not None and t == path[0]:
                now = first
            else:
                now = (structure or estimate)(x, t) if structuring else estimate(x, t)
            end = self.aim(now, t, s, before)
            before = None if s == self.process.handover else (now, t)  # past it another end is looked for
            fresh = noise.like(x, t) if self.sigma(s, t) > 0 else None
            ends = (partner, end) if structuring else (end, partner)
            x = self.step(x, *ends, t, s, fresh, 0.0 if structuring else c2)
        return x


class Deterministic(Sampler):
    """sigma = 0: all chance is in the first state (DDIM; Song et al. 2021)."""

    def sigma(self, s: int, t: int) -> float:
        return 0.0


class Ancestral(Sampler):
    """sigma^2 of q(x_s | x_t, x_0^m, x_0^a): ``(1 - abar_s) / (1 - abar_t) (1 - abar_t / abar_s)``.

    For any variance v_t of the noise: ``v_s / v_t (v_t - v_s abar_t / abar_s)``.  With stride one it is b_t but for the
    factor (1 - abar_{t-1}) / (1 - abar_t), by which Eq. 4 overstates it.

    Paper: Eq. 4, Sec. 3.1.
    """

    def sigma(self, s: int, t: int) -> float:
        v, abar = self.process.variance, self.process.schedule.abar
        return math.sqrt(v[s] / v[t] * (v[t] - v[s] * abar[t] / abar[s]))


class Multistep(Deterministic):
    """Deterministic, of second order: the estimate is extrapolated to the middle of the stride.

    The estimate drifts as the chain clears up.  From its last two values, as a function of the angle
    ``theta_t = atan(std_t / signal_t)`` of that end (of x_0^m: pi/2 at t2, 0 at clean data), its value halfway is

        now + (now - before) (theta_s - theta_t) / (theta_t - theta_before) / 2,

    the two-step Adams-Bashforth rule; it costs no network call.  The last stride ends in the network's own estimate.
    """

    def aim(self, now: Tensor, t: int, s: int, before: tuple[Tensor, int] | None) -> Tensor:
        if before is None or s == 0:
            return now
        estimate, u = before
        angle = self.process.angle(t).tolist()
        ratio = (angle[s] - angle[t]) / (angle[t] - angle[u])
        halfway: Tensor = now + (now - estimate) * (ratio / 2)
        return halfway


def make_sampler(name: str, process: DuplexProcess, strides: str = "time") -> Sampler:
    """``deterministic``, ``ancestral``, ``multistep`` or ``gaussian``, for a process.

    Raises:
        UsageError: unknown name or strides.
    """
    sampler: Sampler = SAMPLERS.get(name)(process, strides)
    return sampler


def one_step(
    estimate: Estimate, process: DuplexProcess, partner: Float[Tensor, "batch *rest"], noise: Noise
) -> Float[Tensor, "batch *rest"]:
    """The estimate of x_0^m at t2, by one network call: what fusion sees in training; differentiable.

    The state is drawn as for ``start="partner"``; without transfer it is unit noise at T.
    """
    return estimate(process.first_state(partner, noise), process.handover)
