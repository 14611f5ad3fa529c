"""The training rows nearest to a sample in what both hold: whose residuals, or whose own values, a recovery draws.

The distance of sample x and row y over the modalities G that are given to x and that y holds, of d_m features each, is

    D(x, y) = sum_{m in G} |x_m - y_m|^2 / sum_{m in G} d_m,

a mean over shared features, so that rows which lack some of G compare with rows which lack none.  What each modality
adds is computed once for a batch, and serves every set of given modalities and every target.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from md2n.brief import brief
from md2n.shapes import Bool, Float, Int, Tensor

DECIMALS = 6  # of distances: the order of equals must not hang on how a product of matrices was cut up


@dataclass(frozen=True)
class Distances:
    """Distances of B samples to N rows.

    Args:
        samples: ``[B, all]`` flattened modalities, zeros where nothing is given.
        rows: ``[N, all]`` likewise, zeros where nothing is held.
        held: ``[N, M]``, True where a row holds a modality.
        widths: features of each modality.
    """

    samples: Float[Tensor, "batch all"]
    rows: Float[Tensor, "n all"]
    held: Bool[Tensor, "n modality"]
    widths: Sequence[int]

    __repr__ = brief

    @cached_property
    def squares(self) -> Float[Tensor, "modality batch n"]:
        """``|x_m - y_m|^2``; in float64, for it is a difference of large squares."""
        widths = list(self.widths)
        pairs = zip(*(torch.split(x.double(), widths, dim=1) for x in (self.samples, self.rows)))
        return torch.stack([x.square().sum(1)[:, None] - 2 * (x @ y.T) + y.square().sum(1)[None, :] for x, y in pairs])

    def between(
        self, members: Bool[Tensor, " batch"], available: Bool[Tensor, " modality"], usable: Int[Tensor, " usable"]
    ) -> Float[Tensor, "members usable"]:
        """D of each of the members to each of the usable rows.

        Args:
            members: samples to find neighbours of.
            available: modalities that all of them have.
            usable: places of rows; each holds one of the given modalities at least.
        """
        shared = (self.held[usable] & available).double()
        features = shared @ torch.tensor(self.widths, dtype=torch.float64, device=shared.device)
        distance = torch.zeros(int(members.sum()), len(usable), dtype=torch.float64, device=shared.device)
        for m in available.nonzero()[:, 0].tolist():
            distance += self.squares[m][members][:, usable] * shared[:, m]
        return distance / features


def closest(distance: Float[Tensor, "n usable"], count: int) -> Int[Tensor, "n k"]:
    """For each row the places of its ``count`` smallest distances, or of all where they are fewer, in ascending order.

    Args:
        distance: ``[n, usable]``.
        count: at least 1.
    """
    rounded = distance.round(decimals=DECIMALS)
    return rounded.topk(min(count, distance.shape[1]), dim=1, largest=False).indices.sort(dim=1).values


@dataclass(frozen=True)
class Query:
    """Samples of a batch that have the same modalities.

    Args:
        inputs: ``[n, p]`` what is given.
        members: ``[B]``, True at these samples.
        available: ``[M]``, True at their modalities.
        distances: of the whole batch.
    """

    inputs: Float[Tensor, "n p"]
    members: Bool[Tensor, " batch"]
    available: Bool[Tensor, " modality"]
    distances: Distances

    __repr__ = brief

    def nearest(self, usable: Int[Tensor, " usable"], count: int) -> Int[Tensor, "n k"]:
        """The places in ``usable`` of the ``count`` nearest rows; see ``closest``."""
        return closest(self.between(usable), count)

    def between(self, usable: Int[Tensor, " usable"]) -> Float[Tensor, "n usable"]:
        """See ``Distances.between``."""
        return self.distances.between(self.members, self.available, usable)
