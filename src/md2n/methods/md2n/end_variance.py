r"""c^2 of the Gaussian sampler: how far the clean latent lies from its one-step estimate, on validation samples.

For target k and g given modalities, the mean squared error of the estimate of each latent number over the n_g
validation samples of that kind.  Where these are few it is drawn toward the error over all g, and that toward its mean
over latent numbers:

    c^2_{k,g} = (n_g mse_{k,g} + PRIOR c^2_k) / (n_g + PRIOR),      c^2_k = (n mse_k + PRIOR mean mse_k) / (n + PRIOR).

The number of given modalities stands for their set: there are M of the one and 2^M of the other.
"""

import torch
from torch import nn

from md2n.shapes import Bool, Float, Int, Tensor

PRIOR = 20  # samples


class EndVariance(nn.Module):
    """The table of c^2; 0, which is the deterministic sampler, before ``fit``.

    Args:
        modalities: M.
        tokens: L.
        width: D.
    """

    table: Tensor

    def __init__(self, modalities: int, tokens: int, width: int) -> None:
        super().__init__()
        shape = (modalities, modalities, tokens, width)  # target, number of given modalities
        self.register_buffer("table", torch.zeros(shape))
        self._sums = torch.zeros(shape, dtype=torch.float64)
        self._rows = torch.zeros(modalities, modalities, dtype=torch.float64)

    def add(
        self,
        estimate: Float[Tensor, "batch modality token width"],
        clean: Float[Tensor, "batch modality token width"],
        available: Bool[Tensor, "batch modality"],
        hidden: Bool[Tensor, "batch modality"],
    ) -> None:
        """Takes in the errors of a batch.

        Args:
            estimate: one-step estimates.
            clean: x_0; read where ``hidden``.
            available: what the estimates were made from.
            hidden: what they are estimates of, and the data hold.
        """
        row, target = hidden.nonzero(as_tuple=True)
        number = available.sum(dim=1)[row]
        error = (estimate[row, target] - clean[row, target]).square().double().cpu()
        place = (target.cpu(), number.cpu())
        self._sums.index_put_(place, error, accumulate=True)
        self._rows.index_put_(place, torch.ones(len(row), dtype=torch.float64), accumulate=True)

    def fit(self) -> None:
        """Fills the table from what was taken in; a target of no sample stays at 0."""
        count = self._rows[:, :, None, None]
        every, total = self._sums.sum(dim=1, keepdim=True), count.sum(dim=1, keepdim=True)
        level = every.mean(dim=(2, 3), keepdim=True) / total.clamp(min=1)
        own = (every + PRIOR * level) / (total + PRIOR)
        self.table.copy_((self._sums + PRIOR * own) / (count + PRIOR))
        self._sums.zero_()
        self._rows.zero_()

    def of(self, k: int, side: Bool[Tensor, "row modality"]) -> Float[Tensor, "row token width"]:
        """c^2 of modality k for samples that have ``side``; at least one modality each, and not k."""
        number: Int[Tensor, " row"] = side.sum(dim=1)
        values: Tensor = self.table[k, number]
        return values
