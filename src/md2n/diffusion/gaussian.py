"""A world in which every answer is known: clean ends that are jointly Gaussian.

With (x_0^m, x_0^a) jointly Gaussian everything about the chain is Gaussian too, and the ideal network, E[x_0^m | x_t,
x_0^a], is a formula.  Samplers and conversions are proved against it; whoever writes a new one should do the same.
"""

from dataclasses import dataclass

import torch

from md2n.brief import brief
from md2n.diffusion.process import DuplexProcess, Estimate
from md2n.shapes import Float, Tensor


@dataclass(frozen=True)
class GaussianPair:
    """x_0^m and x_0^a in ``dim`` dimensions each, jointly Gaussian.

    Args:
        mean: ``[2, dim]``, of x_0^m and x_0^a.
        covariance: ``[2, dim, 2, dim]``, symmetric and positive definite as a ``2 dim x 2 dim`` matrix.
    """

    mean: Float[Tensor, "2 dim"]
    covariance: Float[Tensor, "2 dim 2 dim"]

    __repr__ = brief

    def draw(
        self, size: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "_size dim"], Float[Tensor, "_size dim"]]:
        """``size`` pairs (x_0^m, x_0^a)."""
        dim = self.mean.shape[1]
        root = torch.linalg.cholesky(self.covariance.reshape(2 * dim, 2 * dim))
        z = torch.randn(size, 2 * dim, generator=generator, dtype=root.dtype)
        pair = (self.mean.flatten() + z @ root.T).unflatten(1, (2, dim))
        return pair[:, 0], pair[:, 1]

    def given_partner(
        self, partner: Float[Tensor, "*batch dim"]
    ) -> tuple[Float[Tensor, "*batch dim"], Float[Tensor, "dim dim"]]:
        """Mean and covariance of x_0^m given x_0^a: what a perfect recovery draws from."""
        own, cross, other = self.covariance[0, :, 0], self.covariance[0, :, 1], self.covariance[1, :, 1]
        gain = torch.linalg.solve(other, cross.T).T
        return self.mean[0] + (partner - self.mean[1]) @ gain.T, own - gain @ cross.T

    def marginal(
        self, process: DuplexProcess, partner: Float[Tensor, "*batch dim"], t: int
    ) -> tuple[Float[Tensor, "*batch dim"], Float[Tensor, "dim dim"]]:
        """Mean and covariance of x~_t given x_0^a."""
        mean, covariance = self.given_partner(partner)
        own, moved = process.own[t], process.moved[t]
        unit = torch.eye(len(covariance), dtype=covariance.dtype)
        return own * mean + moved * partner, own**2 * covariance + process.variance[t] * unit

    def estimate(
        self, process: DuplexProcess, x_t: Float[Tensor, "*batch dim"], partner: Float[Tensor, "*batch dim"], t: int
    ) -> Float[Tensor, "*batch dim"]:
        """E[x_0^m | x_t, x_0^a]: the ideal network."""
        mean, covariance = self.given_partner(partner)
        middle, variance = self.marginal(process, partner, t)
        gain = torch.linalg.solve(variance, process.own[t] * covariance).T
        expected: Tensor = mean + (x_t - middle) @ gain.T
        return expected

    def partner_estimate(
        self, process: DuplexProcess, x_t: Float[Tensor, "*batch dim"], t: int
    ) -> Float[Tensor, "*batch dim"]:
        """E[x_0^a | x_t] past t2, where the chain is the partner's: the ideal network of the structure stage."""
        root = process.schedule.abar[t].sqrt()
        mean, covariance = self.mean[1], self.covariance[1, :, 1]
        unit = torch.eye(len(covariance), dtype=covariance.dtype)
        gain = torch.linalg.solve(root**2 * covariance + process.variance[t] * unit, root * covariance).T
        expected: Tensor = mean + (x_t - root * mean) @ gain.T
        return expected

    def estimator(self, process: DuplexProcess, partner: Float[Tensor, "*batch dim"]) -> Estimate:
        """``estimate`` with the partner filled in: what a sampler asks."""
        return lambda x_t, t: self.estimate(process, x_t, partner, t)
