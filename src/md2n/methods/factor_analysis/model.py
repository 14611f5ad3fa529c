"""Factor analysis: one Gaussian of all modalities with a shared latent, from which any missing one follows.

All that modalities say of one another goes through a few latent components.  One fit serves every set of modalities,
training samples with natural gaps take part, and missing modalities are drawn together: their draws share the latent.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar

import torch

from md2n.batch import SequenceBatch
from md2n.errors import DataError
from md2n.methods.base import Card
from md2n.methods.factor_analysis.gaussian import COMPONENTS, ITERATIONS, Blocks, Factors, choose_and_fit
from md2n.methods.parts.config import FusionConfig
from md2n.methods.parts.filling import Drawn, Fill, Point
from md2n.methods.parts.rows import FLAT, ROWS
from md2n.modality import Schema
from md2n.noise import SampleNoise
from md2n.shapes import Float, Tensor

MOST = max(COMPONENTS)


class FactorAnalysis(Fill):
    """Conditional means and joint draws of a latent Gaussian; the number of its components is chosen in the fit."""

    card: ClassVar[Card] = Card(
        title="factor analysis",
        paper="Rubin, Thayer: EM Algorithms for ML Factor Analysis. Psychometrika 47(1), 1982; with one noise for all "
        "numbers it is probabilistic PCA (Tipping, Bishop: J. R. Stat. Soc. B 61(3), 1999)",
        year=1982,
        family="reference",
        differences=f"Fitted on at most {ROWS} training rows (a random sample if there are more) by at most "
        f"{ITERATIONS} iterations of EM over the modalities that each row holds; no rotation, for none changes an "
        f"answer. The number of components is doubled, up to {MOST}, as long as the rows of a held-out fifth are "
        "likelier by two standard errors. The noise of a number is at least about a thousandth of its variance. A "
        f"sequence of more than {FLAT} numbers is its mean over time, and the fill repeats one frame, so its draws "
        "vary less than frames do. In shorter sequences frames past the end are zeros. Unknown cells are always zeros. "
        "The predictor is the fusion Transformer trained on complete samples; natural gaps in these are filled as in "
        "use. A fill costs a product of matrices for each set of modalities in a batch.",
        recovers=True,
    )

    mean: Float[Tensor, " all"]
    loading: Float[Tensor, "all component"]
    noise: Float[Tensor, " all"]

    def __init__(self, schema: Schema, config: FusionConfig) -> None:
        super().__init__(schema, config)
        numbers = sum(self.widths)
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("loading", torch.zeros(numbers, MOST))  # zeros in what is more than the chosen number
        self.register_buffer("noise", torch.ones(numbers))

    def fit(self, batches: Iterable[SequenceBatch]) -> None:
        """Fits the Gaussian.

        Raises:
            DataError: no training sample holds one of the modalities.
        """
        rows, held = (x.cpu() for x in self.sampled(batches))
        for name, holding in zip(self.schema.names, held.any(dim=0).tolist()):
            if not holding:
                raise DataError(
                    f"no training sample holds modality '{name}', so nothing can be filled in for it",
                    "leave the modality out, or train on samples that have it",
                )
        factors = choose_and_fit(Blocks(rows.double(), held, self.widths), MOST)
        self.mean.copy_(factors.mean)
        self.noise.copy_(factors.noise)
        self.loading.zero_()
        self.loading[:, : factors.loading.shape[1]] = factors.loading.to(self.loading)

    def factors(self) -> Factors:
        """The fitted Gaussian, in float64."""
        return Factors(self.mean.double(), self.loading.double(), self.noise.double())

    def points(self, batch: SequenceBatch) -> Iterator[Point]:
        for _, members, k, block, latent, _ in self._posteriors(batch):
            yield members, k, (block.mean + latent @ block.loading.T).to(self.mean)

    def drawn(self, batch: SequenceBatch, noise: SampleNoise, count: int) -> Iterator[Drawn]:
        """A draw has one latent for all missing modalities of a sample, and noise of its own for each number."""
        drawn: dict[int, Tensor] = {}
        for group, members, k, block, latent, covariance in self._posteriors(batch):
            own = noise.rows(members.nonzero()[:, 0])
            if group not in drawn:
                unit = own.fork("latent").draws(count).like(latent.repeat(count, 1)).view(count, *latent.shape)
                drawn[group] = latent + unit @ torch.linalg.cholesky(covariance).T
            mean = block.mean + latent @ block.loading.T
            variance = ((block.loading @ covariance) * block.loading).sum(dim=1) + block.noise
            unit = own.fork(k).draws(count).like(mean.repeat(count, 1)).view(count, *mean.shape)
            values = block.mean + drawn[group] @ block.loading.T + block.noise.sqrt() * unit
            std = variance.sqrt().expand_as(mean)
            yield members, k, mean.to(self.mean), std.to(self.mean), values.to(self.mean)

    def _posteriors(self, batch: SequenceBatch) -> Iterator[tuple[int, Tensor, int, Factors, Tensor, Tensor]]:
        """For every set of given modalities and every missing one: both, and posterior mean and covariance of z."""
        every = self.factors()
        widths = list(self.widths)
        blocks = [Factors(*x) for x in zip(*(torch.split(x, widths) for x in (every.mean, every.loading, every.noise)))]
        for group, (inputs, members, pattern) in enumerate(self.groups(batch)):
            if bool(pattern.all()):
                continue
            marginal = every.of(pattern.repeat_interleave(torch.tensor(widths, device=pattern.device)))
            covariance = marginal.covariance()
            latent = marginal.latent(inputs.double(), covariance)
            for k, _ in self.missing_of(pattern):
                yield group, members, k, blocks[k], latent, covariance
