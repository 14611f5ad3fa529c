"""Regression fill: a ridge regression from the available features to each missing one, then a complete-data model.

The reference of every recovery: what explains less than a linear map does was not worth generating.  Its draws are the
ridge's answer plus leave-one-out residuals of the training rows nearest to the sample, so they are as wide as the ridge
was wrong about samples like this one.
"""

from dataclasses import dataclass
from typing import ClassVar

from md2n.brief import brief
from md2n.methods.base import Card
from md2n.methods.parts.filling import FLAT, ROWS, Answer, RowFill
from md2n.methods.parts.nearest import Query
from md2n.methods.parts.ridge import Ridge, fit_ridge
from md2n.shapes import Bool, Float, Int, Tensor

NEIGHBOURS = 40  # training rows whose residuals are drawn


@dataclass(frozen=True)
class LocalResiduals:
    """A ridge, and what it left of the rows nearest to a sample.

    Args:
        ridge: fitted on ``n`` of the kept rows.
        usable: ``[n]`` their places.
    """

    ridge: Ridge
    usable: Int[Tensor, " n"]

    __repr__ = brief

    def __call__(self, query: Query) -> Float[Tensor, "n q"]:
        """The ridge's answer."""
        return self.ridge(query.inputs)

    def candidates(self, query: Query) -> tuple[Float[Tensor, "n q"], Float[Tensor, "n k q"]]:
        """The ridge's answer, and that answer with the residual of each neighbour added."""
        mean = self(query)
        return mean, mean[:, None] + self.ridge.residuals[query.nearest(self.usable, NEIGHBOURS)]


class RegressionFill(RowFill):
    """Ridge from any available set to any missing modality, with draws from local leave-one-out residuals."""

    card: ClassVar[Card] = Card(
        title="regression fill",
        paper="ridge regression (Hoerl, Kennard: Technometrics 12(1), 1970) as single imputation; its draws are "
        "hot-deck imputation of residuals (Little, Rubin: Statistical Analysis with Missing Data. 1987)",
        year=1970,
        family="floor",
        differences="Strength by generalised cross-validation for each pattern and target, on at most "
        f"{ROWS} training rows, drawn where there are more; sequences of more than {FLAT} numbers are regressed by "
        "their mean over time, and filled with one frame, so that their draws vary less than frames do; in shorter "
        "ones frames past a sample's end are zeros, and unknown cells always; the recovery's point estimate is the "
        "ridge's answer, and its draws add leave-one-out "
        f"residuals of the {NEIGHBOURS} training rows nearest in the given features (of all where fewer hold "
        "both sides), each missing modality by itself; "
        "the predictor is the fusion Transformer trained on complete samples, gaps of their own filled as in use.",
        recovers=True,
    )

    def fit_answer(self, pattern: Bool[Tensor, " modality"], k: int, sharing: Bool[Tensor, " row"]) -> Answer:
        whole = sharing & (self.held | ~pattern).all(dim=1)
        # Where hardly a row holds all that is given, zeros are in place of what the others lack of it.
        usable = (whole if int(whole.sum()) >= 2 else sharing).nonzero()[:, 0]
        rows = self.rows[usable]
        return LocalResiduals(fit_ridge(self.inputs_of(pattern, rows), self.target_of(k, rows)), usable)
