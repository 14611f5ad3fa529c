r"""Factor analysis of rows in which whole blocks of numbers are missing.

    x = m + W z + e,        z ~ N(0, I_K),        e ~ N(0, diag(v)),        so  x ~ N(m, W W^T + diag(v)).

For the numbers G that a row has, with ``A = W_G / v_G``, the latent has the posterior

    z | x_G ~ N(C A^T (x_G - m_G), C),        C = (I + W_G^T A)^-1,

from which what is missing follows in closed form.  EM (Rubin, Thayer: Psychometrika 47(1), 1982) takes its sums over
the rows that have the block, which is right where blocks are missing at random.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from md2n.brief import brief
from md2n.shapes import Bool, Float, Tensor

ITERATIONS = 50  # of EM, at most
ENOUGH = 1e-4  # gain of the log-likelihood per row and number at which EM ends
LEAST = 1e-3  # variance of e, in units of the features' own
COMPONENTS = (1, 2, 4, 8, 16, 32, 64)
HELD_OUT = 5  # one of so many rows chooses the number of components
CLEARLY = 2.0  # standard errors


@dataclass(frozen=True)
class Factors:
    """A joint Gaussian of D numbers with K latent components.

    Args:
        mean: m.
        loading: W.
        noise: v.
    """

    mean: Float[Tensor, " all"]
    loading: Float[Tensor, "all component"]
    noise: Float[Tensor, " all"]

    __repr__ = brief

    def of(self, columns: Bool[Tensor, " all"]) -> "Factors":
        """The marginal of some of the numbers."""
        return Factors(self.mean[columns], self.loading[columns], self.noise[columns])

    def covariance(self) -> Float[Tensor, "component component"]:
        """C, if all the numbers are given."""
        inner = self.loading.T @ (self.loading / self.noise[:, None])
        covariance: Tensor = torch.linalg.inv(torch.eye(len(inner), dtype=inner.dtype, device=inner.device) + inner)
        return covariance

    def latent(
        self, x: Float[Tensor, "n all"], covariance: Float[Tensor, "component component"]
    ) -> Float[Tensor, "n component"]:
        """Posterior means of z, if all the numbers are given."""
        return (x - self.mean) @ (self.loading / self.noise[:, None]) @ covariance

    def log_density(
        self, x: Float[Tensor, "n all"], covariance: Float[Tensor, "component component"]
    ) -> Float[Tensor, " n"]:
        """Log-densities of rows, by the lemmas of Woodbury and Sylvester."""
        apart = x - self.mean
        projected = apart @ (self.loading / self.noise[:, None])
        square = (apart.square() / self.noise).sum(dim=1) - ((projected @ covariance) * projected).sum(dim=1)
        volume = self.noise.log().sum() - torch.linalg.slogdet(covariance).logabsdet
        density: Tensor = -0.5 * (square + volume + x.shape[1] * math.log(2 * math.pi))
        return density


@dataclass(frozen=True)
class Blocks:
    """Rows in which blocks are missing.

    Args:
        rows: ``[n, D]``; what a row does not have is not read.
        held: ``[n, M]``, True where a row has a block.
        widths: numbers of each block.
    """

    rows: Float[Tensor, "n all"]
    held: Bool[Tensor, "n block"]
    widths: Sequence[int]

    __repr__ = brief

    def columns(self, pattern: Bool[Tensor, " block"]) -> Bool[Tensor, " all"]:
        """True at the numbers of the blocks of a pattern."""
        return pattern.repeat_interleave(torch.tensor(self.widths, device=pattern.device))

    @cached_property
    def groups(self) -> list[tuple[Float[Tensor, "_n _numbers"], Bool[Tensor, " block"], Bool[Tensor, " all"]]]:
        """For each set of blocks that rows have: their numbers, the blocks, and the places of the numbers."""
        patterns, which = torch.unique(self.held, dim=0, return_inverse=True)
        chosen = ((which == p, pattern, self.columns(pattern)) for p, pattern in enumerate(patterns))
        return [(self.rows[of][:, columns], pattern, columns) for of, pattern, columns in chosen]

    def where(self, chosen: Bool[Tensor, " n"]) -> "Blocks":
        """The chosen rows."""
        return Blocks(self.rows[chosen], self.held[chosen], self.widths)

    def count(self) -> int:
        """Numbers that the rows have."""
        return int((self.held * torch.tensor(self.widths, device=self.held.device)).sum())

    def log_densities(self, factors: Factors) -> Float[Tensor, " n"]:
        """Log-densities of what each row has, in the order of ``groups``."""
        marginals = ((x, factors.of(columns)) for x, _, columns in self.groups)
        return torch.cat([part.log_density(x, part.covariance()) for x, part in marginals])


def choose_and_fit(data: Blocks, most: int) -> Factors:
    """Factors fitted on all rows, with as many components as held-out rows are clearly likelier for.

    The number is doubled as long as the mean gain in log-density is more than ``CLEARLY`` standard errors.

    Args:
        data: float64; each block is held by a row.
        most: components that there may be.
    """
    aside = torch.arange(len(data.rows)) % HELD_OUT == HELD_OUT - 1
    train, held = data.where(~aside), data.where(aside)
    if not bool(train.held.any(dim=0).all()):
        return fit(data, 1)
    best, densities = 1, held.log_densities(fit(train, 1))
    for components in (c for c in COMPONENTS[1:] if c <= min(most, len(train.rows) // 2)):
        now = held.log_densities(fit(train, components))
        gain = now - densities
        if float(gain.mean()) <= CLEARLY * float(gain.std(correction=0)) / math.sqrt(len(gain)):
            break
        best, densities = components, now
    return fit(data, best)


def fit(data: Blocks, components: int) -> Factors:
    """Maximises the likelihood by EM, from the principal components of the rows with means for what is missing.

    Args:
        data: float64; each block is held by a row.
        components: K.
    """
    factors, floor = _start(data, components)
    before = -math.inf
    for _ in range(ITERATIONS):
        factors, likelihood = improved(data, factors, floor)
        if likelihood - before < ENOUGH * data.count():
            break
        before = likelihood
    return factors


def _start(data: Blocks, components: int) -> tuple[Factors, Float[Tensor, " all"]]:
    """Factors to start from, and the least noise of each number."""
    held = torch.stack([data.columns(row) for row in data.held])
    count = held.sum(dim=0)
    mean = torch.where(held, data.rows, 0.0).sum(dim=0) / count
    apart = torch.where(held, data.rows - mean, 0.0)
    variance = apart.square().sum(dim=0) / count
    floor = LEAST * variance + LEAST * variance.mean().clamp(min=LEAST)
    _, singular, vectors = torch.linalg.svd(apart, full_matrices=False)
    squares = singular.square() / len(apart)
    used = min(components, len(squares))
    rest = (squares.sum() - squares[:used].sum()) / max(1, apart.shape[1] - used)
    loading = apart.new_zeros(apart.shape[1], components)
    loading[:, :used] = vectors[:used].T * (squares[:used] - rest).clamp(min=0).sqrt()
    return Factors(mean, loading, torch.maximum(variance - loading.square().sum(dim=1), floor)), floor


def improved(data: Blocks, factors: Factors, floor: Float[Tensor, " all"]) -> tuple[Factors, float]:
    """One iteration of EM: factors no less likely than before, and how likely it was before.

    Args:
        data: float64; each block is held by a row.
        factors: so far.
        floor: least noise of each number.
    """
    numbers, k = factors.loading.shape
    latents = data.rows.new_zeros(
        len(data.widths), k + 1, k + 1
    )  # sums of E [z 1]^T [z 1] over the rows that have a block
    mixed, squares = data.rows.new_zeros(numbers, k + 1), data.rows.new_zeros(numbers)  # of x [z 1], and of x^2
    likelihood = 0.0
    for x, pattern, columns in data.groups:
        marginal = factors.of(columns)
        covariance = marginal.covariance()
        likelihood += float(marginal.log_density(x, covariance).sum())
        z = torch.nn.functional.pad(marginal.latent(x, covariance), (0, 1), value=1.0)
        own = z.T @ z
        own[:k, :k] += len(x) * covariance
        latents[pattern] += own
        mixed[columns] += x.T @ z
        squares[columns] += x.square().sum(dim=0)
    solved, noise = [], []
    crosses, totals = (torch.split(x, list(data.widths)) for x in (mixed, squares))
    for sums, cross, square, count in zip(latents, crosses, totals, data.held.sum(dim=0)):
        weights = torch.linalg.solve(sums, cross.T).T
        solved.append(weights)
        noise.append((square - (weights * cross).sum(dim=1)) / count)
    weights = torch.cat(solved)
    return Factors(weights[:, k], weights[:, :k], torch.maximum(torch.cat(noise), floor)), likelihood
