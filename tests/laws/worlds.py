"""A Gaussian world, and the moments a sampler gives in it, worked out exactly: every step is affine in the state."""

from itertools import pairwise

import torch
from torch import Tensor

from md2n.diffusion.gaussian import GaussianPair
from md2n.diffusion.sampler import Sampler
from md2n.seeding import generator

DIM = 3


def make_world(seed: int = 0) -> tuple[GaussianPair, Tensor]:
    """A pair of correlated ends in three dimensions, and a partner."""
    g = generator(seed, "world")
    root = torch.randn(2 * DIM, 2 * DIM, generator=g).double()
    covariance = root @ root.T / (2 * DIM) + 0.1 * torch.eye(2 * DIM).double()
    world = GaussianPair(torch.randn(2, DIM, generator=g).double(), covariance.view(2, DIM, 2, DIM))
    return world, torch.randn(DIM, generator=g).double()


def make_diagonal_world(variance: Tensor) -> tuple[GaussianPair, Tensor]:
    """Ends of which one is, given the other, Gaussian of variance ``variance [dim]`` and independent; and a partner."""
    dim = len(variance)
    g = generator(dim, "diagonal world")
    gain, root = torch.randn(2, dim, dim, generator=g).double()
    other = root @ root.T / dim + 0.1 * torch.eye(dim).double()
    own, cross = gain @ other @ gain.T + variance.diag(), gain @ other
    covariance = torch.cat([torch.cat([own, cross], dim=1), torch.cat([cross.T, other], dim=1)])
    world = GaussianPair(torch.randn(2, dim, generator=g).double(), covariance.view(2, dim, 2, dim))
    return world, torch.randn(dim, generator=g).double()


def walk(
    sampler: Sampler,
    world: GaussianPair,
    partner: Tensor,
    path: tuple[int, ...],
    mean: Tensor,
    covariance: Tensor,
    variance: float | Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Mean and covariance at the end of ``path``, from those at its beginning, with the ideal network.

    The rows of a batch hold the image of the origin and of the unit vectors: together, the affine map so far.  Where a
    stride adds noise, the map is folded into the moments and begun again.  Past t2 the network knows the partner.
    ``variance`` is the c^2 of samplers that read one; the diagonal of the true covariance, if there is none.
    """
    process, dim = sampler.process, len(partner)
    c2 = world.given_partner(partner)[1].diagonal() if variance is None else variance
    unit = torch.cat([torch.zeros(1, dim), torch.eye(dim)]).double()
    rows = partner.expand(len(unit), -1)
    x, before = unit, None
    for t, s in pairwise(path):
        if t > process.handover:
            x = sampler.step(x, rows, rows, t, s, variance=0.0)
        else:
            now = world.estimate(process, x, rows, t)
            x = sampler.step(x, sampler.aim(now, t, s, before), rows, t, s, variance=c2)
            before = now, t
        fresh = sampler.sigma(s, t)
        if fresh or s == 0:
            shift, gain = x[0], (x[1:] - x[0]).T
            mean = gain @ mean + shift
            covariance = gain @ covariance @ gain.T + fresh**2 * torch.eye(dim).double()
            x = unit
    return mean, covariance


def recovered(sampler: Sampler, steps: int) -> tuple[float, float]:
    """Error of the mean (greatest), and of the covariance (relative, Frobenius), of recovery from the partner."""
    world, partner = make_world()
    path = sampler.path(steps)
    mean, covariance = walk(sampler, world, partner, path, *world.marginal(sampler.process, partner, path[0]))
    true_mean, true_covariance = world.given_partner(partner)
    lost = (covariance - true_covariance).norm() / true_covariance.norm()
    return float((mean - true_mean).abs().max()), float(lost)
