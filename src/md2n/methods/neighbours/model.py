"""Neighbours: a missing modality is what the training samples nearest in the available ones hold.

It fits nothing: what it recovers, and how sure it is, are values that were measured.  A recovery whose draws are worse
than these was not worth training.
"""

from dataclasses import dataclass
from typing import ClassVar

from md2n.brief import brief
from md2n.methods.base import Card
from md2n.methods.parts.filling import FLAT, ROWS, Answer, RowFill
from md2n.methods.parts.nearest import Query
from md2n.shapes import Bool, Float, Int, Tensor

NEIGHBOURS = 20  # training rows that are drawn from


@dataclass(frozen=True)
class Donors:
    """The target's values in the rows nearest to a sample.

    Args:
        values: ``[N, q]`` of N of the kept rows.
        usable: ``[N]`` their places.
    """

    values: Float[Tensor, "N q"]
    usable: Int[Tensor, " N"]

    __repr__ = brief

    def __call__(self, query: Query) -> Float[Tensor, "n q"]:
        """The mean of the neighbours."""
        return self.candidates(query)[0]

    def candidates(self, query: Query) -> tuple[Float[Tensor, "n q"], Float[Tensor, "n k q"]]:
        """The mean of the neighbours, and the neighbours."""
        values = self.values[query.nearest(self.usable, NEIGHBOURS)]
        return values.mean(dim=1), values


class Neighbours(RowFill):
    """Nearest-neighbour hot deck, one donor per draw; the donors' mean is the point estimate."""

    card: ClassVar[Card] = Card(
        title="neighbours",
        paper="nearest-neighbour hot-deck imputation (Troyanskaya et al.: Bioinformatics 17(6), 2001, for the mean; "
        "Little, Rubin: Statistical Analysis with Missing Data. 1987, for the draws)",
        year=2001,
        family="floor",
        differences=f"The {NEIGHBOURS} nearest of at most {ROWS} training rows, drawn where there are more, or all of "
        "them where fewer hold the missing modality and one of the given; distance is the mean squared difference over "
        "the normalised features of the given modalities that the training row holds, all neighbours count alike; "
        "every missing modality draws by itself; on training samples a row is its own neighbour; "
        f"sequences of more than {FLAT} numbers are compared by their mean over time, and filled with one frame, so "
        "that their draws vary less than frames do; in shorter ones frames past a sample's end are zeros, and unknown "
        "cells always; "
        "the predictor is the fusion Transformer trained on complete samples, gaps of their own filled as in use.",
        recovers=True,
    )

    def fit_answer(self, pattern: Bool[Tensor, " modality"], k: int, sharing: Bool[Tensor, " row"]) -> Answer:
        return Donors(self.target_of(k, self.rows[sharing]), sharing.nonzero()[:, 0])
