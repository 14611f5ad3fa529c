"""Neighbours: a missing modality takes values of the training samples nearest in the available modalities.

Nothing is fitted.  Point estimates and draws are measured values, so a trained recovery method should do better.
"""

from dataclasses import dataclass
from typing import ClassVar

from md2n.brief import brief
from md2n.methods.base import Card
from md2n.methods.parts.filling import RowFill
from md2n.methods.parts.nearest import Query
from md2n.methods.parts.rows import FLAT, ROWS, Answer
from md2n.shapes import Bool, Float, Int, Tensor

NEIGHBOURS = 20  # training rows that donate values


@dataclass(frozen=True)
class Donors:
    """Values of the target in the training rows nearest to a sample.

    Args:
        values: ``[N, q]`` target of N of the stored rows.
        usable: ``[N]`` indices of these rows.
    """

    values: Float[Tensor, "N q"]
    usable: Int[Tensor, " N"]

    __repr__ = brief

    def __call__(self, query: Query) -> Float[Tensor, "n q"]:
        """The mean of the neighbours."""
        return self.candidates(query)[0]

    def candidates(self, query: Query) -> tuple[Float[Tensor, "n q"], Float[Tensor, "n k q"]]:
        """The mean of the neighbours, and the values of each neighbour."""
        values = self.values[query.nearest(self.usable, NEIGHBOURS)]
        return values.mean(dim=1), values


class Neighbours(RowFill):
    """Nearest-neighbour hot-deck imputation: one donor per draw, the mean of all donors as point estimate."""

    card: ClassVar[Card] = Card(
        title="neighbours",
        paper="nearest-neighbour hot-deck imputation (Troyanskaya et al.: Bioinformatics 17(6), 2001, for the mean; "
        "Little, Rubin: Statistical Analysis with Missing Data. 1987, for the draws)",
        year=2001,
        family="reference",
        differences=f"Donors are the {NEIGHBOURS} nearest of at most {ROWS} training rows (a random sample if there "
        "are more), or all rows that hold the missing modality and one of the given, if they are fewer. The distance "
        "is the mean squared difference over the normalised features of the given modalities that the training row "
        "holds. All neighbours have the same weight. Missing modalities are drawn independently. A training sample "
        f"is its own neighbour. A sequence of more than {FLAT} numbers is compared by its mean over time, and the "
        "fill repeats one frame, so its draws vary less than frames do. In shorter sequences frames past the end are "
        "zeros. Unknown cells are always zeros. The predictor is the fusion Transformer trained on complete samples; "
        "natural gaps in these are filled as in use.",
        recovers=True,
    )

    def fit_answer(self, pattern: Bool[Tensor, " modality"], k: int, sharing: Bool[Tensor, " row"]) -> Answer:
        return Donors(self.target_of(k, self.rows[sharing]), sharing.nonzero()[:, 0])
