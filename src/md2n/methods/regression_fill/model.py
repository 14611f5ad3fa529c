"""Regression fill: ridge regression from the available to the missing modalities, then a model of complete data.

It is the linear reference for every recovery method.  Its draws are the prediction of the ridge plus leave-one-out
residuals of the training rows nearest to the sample.  So the draws vary as much as the ridge errs on similar samples.
"""

from dataclasses import dataclass
from typing import ClassVar

from md2n.brief import brief
from md2n.methods.base import Card
from md2n.methods.parts.filling import RowFill
from md2n.methods.parts.nearest import Query
from md2n.methods.parts.ridge import Ridge, fit_ridge
from md2n.methods.parts.rows import FLAT, ROWS, Answer
from md2n.shapes import Bool, Float, Int, Tensor

NEIGHBOURS = 40  # training rows whose residuals are drawn


@dataclass(frozen=True)
class LocalResiduals:
    """A ridge and its residuals on the training rows nearest to a sample.

    Args:
        ridge: fitted on ``n`` of the stored rows.
        usable: ``[n]`` indices of these rows.
    """

    ridge: Ridge
    usable: Int[Tensor, " n"]

    __repr__ = brief

    def __call__(self, query: Query) -> Float[Tensor, "n q"]:
        """The prediction of the ridge."""
        return self.ridge(query.inputs)

    def candidates(self, query: Query) -> tuple[Float[Tensor, "n q"], Float[Tensor, "n k q"]]:
        """The prediction of the ridge, and this prediction plus the residual of each neighbour."""
        mean = self(query)
        return mean, mean[:, None] + self.ridge.residuals[query.nearest(self.usable, NEIGHBOURS)]


class RegressionFill(RowFill):
    """Ridge regression from any available set to any missing modality, with draws of local leave-one-out residuals."""

    card: ClassVar[Card] = Card(
        title="regression fill",
        paper="ridge regression (Hoerl, Kennard: Technometrics 12(1), 1970) as single imputation; its draws are "
        "hot-deck imputation of residuals (Little, Rubin: Statistical Analysis with Missing Data. 1987)",
        year=1970,
        family="reference",
        differences="The strength is chosen by generalised cross-validation for each pattern and target, on at most "
        f"{ROWS} training rows (a random sample if there are more). A sequence of more than {FLAT} numbers is replaced "
        "by its mean over time, and the fill repeats one frame, so its draws vary less than frames do. In shorter "
        "sequences frames past the end are zeros. Unknown cells are always zeros. The point estimate is the prediction "
        f"of the ridge. Draws add leave-one-out residuals of the {NEIGHBOURS} training rows nearest in the given "
        "features (of all rows that hold both sides, if they are fewer), independently for each missing modality. The "
        "predictor is the fusion Transformer trained on complete samples; natural gaps in these are filled as in use.",
        recovers=True,
    )

    def fit_answer(self, pattern: Bool[Tensor, " modality"], k: int, sharing: Bool[Tensor, " row"]) -> Answer:
        usable = self.rows_for(pattern, sharing)
        rows = self.rows[usable]
        return LocalResiduals(fit_ridge(self.inputs_of(pattern, rows), self.target_of(k, rows)), usable)
