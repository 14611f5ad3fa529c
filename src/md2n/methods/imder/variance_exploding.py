r"""The variance-exploding process of IMDer and its reversal.

    dx = sigma^t dw,  t in [0, 1]:      x_t = x_0 + std(t) z,      std(t)^2 = (sigma^{2t} - 1) / (2 ln sigma)

The Euler-Maruyama method reverses it in equal steps dt, with the score  grad log p_t(x)  and new noise z:

    x_{t - dt} = x_t + sigma^{2t} dt score(x_t, t) + sigma^t sqrt(dt) z

The last step ends at t = 1e-3 and adds no noise.  Near t = 1, where x_t is almost pure noise, a step moves x by the
fraction 2 ln(sigma) dt of the distance to x_0.  With fewer than 2 ln(sigma) steps (7 at sigma = 25) it overshoots.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch

from md2n.noise import Noise
from md2n.shapes import Float, Tensor

LAST = 1e-3  # t at the end of the reversal
FIRST_TRAINED = 1e-5  # least t in training: at t = 0 there is no noise, so the score is undefined

Score = Callable[[Tensor, Tensor], Tensor]


class VarianceExploding:
    """The process ``dx = sigma^t dw``.

    Args:
        sigma: greater than 1.
    """

    def __init__(self, sigma: float) -> None:
        self.sigma = sigma

    def diffusion(self, t: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The diffusion coefficient ``sigma^t``."""
        return self.sigma**t

    def std(self, t: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Standard deviation of x_t given x_0."""
        return (torch.expm1(2 * t * math.log(self.sigma)) / (2 * math.log(self.sigma))).sqrt()

    def sample(
        self, score: Score, start: Float[Tensor, "row *rest"], noise: Noise, steps: int
    ) -> Float[Tensor, "row *rest"]:
        """Samples x_0 by reversing the process from t = 1.

        Args:
            score: function of x_t and t, where t has one element.
            start: standard normal noise; it is multiplied by std(1).
            noise: noise of the rows, for the steps.
            steps: number of calls of ``score``.
        """
        times = torch.linspace(1.0, LAST, steps + 1, dtype=start.dtype, device=start.device)
        speed = self.diffusion(times)
        x = self.std(times[0]) * start
        for i, (t, s) in enumerate(pairwise(times)):
            moved = speed[i].square() * (t - s)
            x = x + moved * score(x, t[None])
            if i + 1 < steps:
                x = x + moved.sqrt() * noise.like(x, i)
        return x
