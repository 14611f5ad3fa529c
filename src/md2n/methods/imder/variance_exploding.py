r"""The variance-exploding process of IMDer, and the way back.

    dx = sigma^t dw,  t in [0, 1]:      x_t = x_0 + std(t) z,      std(t)^2 = (sigma^{2t} - 1) / (2 ln sigma)

Backwards by Euler and Maruyama in even steps dt, with the score  grad log p_t(x)  and fresh noise z:

    x_{t - dt} = x_t + sigma^{2t} dt score(x_t, t) + sigma^t sqrt(dt) z

No noise is added in the last step, which arrives at t = 1e-3.  Where noise is all there is, a step moves x toward the
answer by 2 ln(sigma) dt of the way: with fewer than 2 ln(sigma) steps (7 at sigma = 25) it would move past it.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch

from md2n.noise import Noise
from md2n.shapes import Float, Tensor

LAST = 1e-3  # where the way back ends
FIRST_TRAINED = 1e-5  # least t in training: at 0 there is no noise and no score

Score = Callable[[Tensor, Tensor], Tensor]


class VarianceExploding:
    """``dx = sigma^t dw``.

    Args:
        sigma: above 1.
    """

    def __init__(self, sigma: float) -> None:
        self.sigma = sigma

    def diffusion(self, t: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """``sigma^t``."""
        return self.sigma**t

    def std(self, t: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Standard deviation of x_t given x_0."""
        return (torch.expm1(2 * t * math.log(self.sigma)) / (2 * math.log(self.sigma))).sqrt()

    def sample(
        self, score: Score, start: Float[Tensor, "row *rest"], noise: Noise, steps: int
    ) -> Float[Tensor, "row *rest"]:
        """x_0, from the noise at t = 1 down.

        Args:
            score: of x_t and t, a tensor of one element.
            start: standard normal noise, which is scaled to std(1) here.
            noise: of the rows, on the way.
            steps: calls of ``score``.
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
