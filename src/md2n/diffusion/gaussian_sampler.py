"""A reverse step that is exact where the unknown end is Gaussian, in any number of network calls (beyond the paper).

A sampler that puts the estimate end^_t in place of the end takes it for certain: draws by few calls vary too little.
Let the end be known to N(m, c^2) from everything but the chain.  Then, with s_t the factor of the end and n_t that of
the noise (``process``),

    r_t = s_t end + n_t e  ~  N(s_t m, v_t),      v_t = s_t^2 c^2 + n_t^2,

and the monotone map of one such marginal into another is

    r_s = s_s m + sqrt(v_s / v_t) (r_t - s_t m).                                                                (1)

The best estimate is linear in r_t, ``end^_t = m + (c^2 s_t / v_t) (r_t - s_t m)``, and gives m back:

    m = [end^_t - (c^2 s_t / v_t) r_t] / (1 - c^2 s_t^2 / v_t) = end^_t - c^2 (s_t / n_t^2) (r_t - s_t end^_t).  (2)

(2) in (1), with known_t added on both sides, is the step (*) of ``sampler`` without fresh noise, and with

    k = [sqrt(v_s v_t) - c^2 s_s s_t] / n_t^2 = [v_s + c^2 s_t^2 n_s^2 / n_t^2] / [sqrt(v_s v_t) + c^2 s_s s_t],

of which the second form subtracts nothing and divides by zero only where k is 0 (s = 0, c = 0).  It becomes

- ``n_s / n_t`` for c = 0: ``Deterministic``;
- c in one stride from t2, where s_t = 0 and n_t e is all there is: x_0 = m + c e;
- for a wrong c^2, or an end that is not Gaussian, the deterministic step plus terms of second order in the stride: the
  estimates along the way carry the rest, and the limit of many calls is the true process whatever c^2 is.

In the scalar world x_0^m ~ N(m, c^2), from t2, in the default process (1000, 200, 800, ``scaled_linear``,
``constant``), the variance of draws over the true one is, with strides equal in time and in the angle,

    sampler    c^2   true  strides     2     4     6    10    50  calls
    multistep  -     1     time      .22   .73   .86   .93   .99
    multistep  -     1     angle     .25   .75   .90   .97  1.00
    multistep  -     .5    time      .16   .57   .72   .84   .97
    multistep  -     .5    angle     .22   .66   .83   .94  1.00
    multistep  -     .2    time      .08   .36   .51   .68   .93
    multistep  -     .2    angle     .14   .48   .68   .86  1.00
    multistep  -     .05   time      .02   .13   .22   .35   .77
    multistep  -     .05   angle     .05   .21   .38   .62   .98
    gaussian   1     .5    time     1.46  1.23  1.15  1.09  1.02
    gaussian   1     .5    angle    1.49  1.24  1.15  1.09  1.02
    gaussian   .5    1     time      .73   .85   .89   .93   .99
    gaussian   .5    1     angle     .70   .84   .89   .93   .99
    gaussian   .2    .05   time     2.77  1.87  1.57  1.33  1.06
    gaussian   .2    .05   angle    2.52  1.68  1.42  1.25  1.05

and 1 for the Gaussian sampler with the true c^2, in any number of calls.
"""

import torch

from md2n.diffusion.sampler import Deterministic
from md2n.errors import UsageError
from md2n.shapes import Float, Tensor

HINT = "give c^2, the variance of the unknown end given what the network knows: the mean squared error of its estimate"


class Gaussian(Deterministic):
    """Deterministic, and exact in any number of calls where the end is Gaussian with variance c^2 around its mean.

    c^2 is per latent number: exact for any covariance that is diagonal in the latents.
    """

    def checked_variance(self, variance: float | Tensor | None, like: Float[Tensor, "batch *rest"]) -> float | Tensor:
        """c^2, fit for every stride.

        Raises:
            UsageError: there is none; or it is negative, not finite or does not broadcast to ``like``.
        """
        if variance is None:
            raise UsageError("the gaussian sampler has no variance", HINT)
        c2 = torch.as_tensor(variance)
        if not bool((c2.isfinite() & (c2 >= 0)).all()):
            raise UsageError("the variance of the gaussian sampler is negative or not finite", HINT)
        sizes = zip(reversed(c2.shape), reversed(like.shape))
        if c2.dim() > like.dim() or any(size not in (1, whole) for size, whole in sizes):
            raise UsageError(
                f"a variance of shape {list(c2.shape)} does not fit latents of shape {list(like.shape)}",
                "give one number, one per latent number, or one per row and latent number",
            )
        return variance.to(like) if isinstance(variance, Tensor) else variance

    def gain(self, s: int, t: int, variance: float | Tensor | None) -> Tensor:
        if variance is None:
            raise UsageError("the gaussian sampler has no variance", HINT)
        c2 = variance if isinstance(variance, Tensor) else torch.tensor(variance, dtype=torch.float64)
        n2, signal = self.process.variance, self.process.signal_from(t)
        v_s, v_t = (float(signal[u]) ** 2 * c2 + float(n2[u]) for u in (s, t))
        over = v_s + c2 * float(signal[t].square() * n2[s] / n2[t])
        under = (v_s * v_t).sqrt() + c2 * float(signal[s] * signal[t])
        k: Tensor = over / under.clamp(min=torch.finfo(c2.dtype).tiny)
        return k
