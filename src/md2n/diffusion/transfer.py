"""The modality transfer: Phi of Eq. 8, and the weight w_t it gives x^a in the mean of the chain.

In the transfer stage t1 < t <= t2 the chain of x^m is pushed toward x^a at every step (Eq. 8; the tilde marks the
pushed chain, and x_{t-1} is always the pushed one too):

    x~_t = sqrt(a_t) x~_{t-1} + sqrt(b_t) e - Phi (x_0^m - x_0^a).                                          (8)

The paper leaves Phi to its supplement, "derived by aligning the model with Eq. (1)".  The derivation.  What was pushed
at step s has shrunk by sqrt(a_{s+1}) .. sqrt(a_t) = sqrt(abar_t / abar_s) at step t, so the mean of (8) unrolled is

    E x~_t = sqrt(abar_t) x_0^m - Phi H_t (x_0^m - x_0^a),      H_t = sum_{s = t1+1..t} sqrt(abar_t / abar_s),

which is the recursion ``H_{t1} = 0,  H_t = 1 + sqrt(a_t) H_{t-1}``.  Write ``w_t = Phi H_t / sqrt(abar_t)``; then

    E x~_t = sqrt(abar_t) [ (1 - w_t) x_0^m + w_t x_0^a ].

To align with Eq. (1) is to ask that from t2 on the chain be the plain chain (1) that began at x_0^a, for then the two
chains of the duplex have changed places.  That is w_{t2} = 1, hence

    Phi = sqrt(abar_{t2}) / H_{t2}     or, dividing by sqrt(abar_{t2}),     Phi = 1 / sum_{s = t1+1..t2} abar_s^(-1/2).

The noise is untouched by the push, so the variance stays 1 - abar_t.  Any other rising w_t with the same ends is a
transfer too, with the push of step t ``Phi_t = sqrt(abar_t) (w_t - w_{t-1})``: un-indexed Phi is the case in which all
Phi_t are equal.
"""

import torch

from md2n.diffusion.schedule import Schedule
from md2n.diffusion.stages import Stages
from md2n.registry import Registry
from md2n.shapes import Float, Tensor

TRANSFERS = Registry(
    "transfer",
    {
        "constant": "md2n.diffusion.transfer:constant",
        "linear": "md2n.diffusion.transfer:linear",
        "none": "md2n.diffusion.transfer:none",
    },
)


def constant(schedule: Schedule, stages: Stages) -> Float[Tensor, " _step"]:
    """w_t of the un-indexed Phi: ``w_t = Phi H_t / sqrt(abar_t)``, 0 up to t1, 1 from t2.

    Paper: Eq. 8, Sec. 3.3.
    """
    H = torch.zeros_like(schedule.abar)  # noqa: N806 - the symbols of the derivation above
    for t in range(stages.t1 + 1, stages.t2 + 1):
        H[t] = 1 + schedule.alpha[t].sqrt() * H[t - 1]
    Phi = schedule.abar[stages.t2].sqrt() / H[stages.t2]  # noqa: N806
    w = Phi * H / schedule.abar.sqrt()
    w[stages.t2 :] = 1
    return w


def constant_phi(schedule: Schedule, stages: Stages) -> float:
    """The un-indexed Phi in its other form, ``1 / sum_{s = t1+1..t2} abar_s^(-1/2)``."""
    return 1 / float(schedule.abar[stages.t1 + 1 : stages.t2 + 1].rsqrt().sum())


def linear(schedule: Schedule, stages: Stages) -> Float[Tensor, " _step"]:
    """w_t rising in equal steps: ``(t - t1) / (t2 - t1)`` between t1 and t2."""
    t = torch.arange(schedule.steps + 1, dtype=torch.float64)
    return ((t - stages.t1) / (stages.t2 - stages.t1)).clamp(0, 1)


def none(schedule: Schedule, stages: Stages) -> Float[Tensor, " _step"]:
    """w_t = 0: plain conditional VP diffusion, in which x^a acts through the network's condition alone."""
    return torch.zeros_like(schedule.abar)


def transfer_weight(kind: str, schedule: Schedule, stages: Stages) -> Float[Tensor, " _step"]:
    """w_t for t = 0..T, in float64.

    Args:
        kind: ``constant`` (the paper's Phi), ``linear`` or ``none``.
        schedule: b_t.
        stages: t1 and t2, of as many steps as the schedule.

    Raises:
        UsageError: unknown kind.
    """
    weight: Tensor = TRANSFERS.get(kind)(schedule, stages)
    return weight


def transfer_push(w: Float[Tensor, " step"], schedule: Schedule) -> Float[Tensor, " step"]:
    """Phi_t for t = 0..T: ``Phi_t = sqrt(abar_t) (w_t - w_{t-1})``, Phi_0 = 0; not zero only where t1 < t <= t2."""
    return schedule.abar.sqrt() * torch.cat([w[:1], w.diff()])
