"""The 1x1 convolution by which DiCMoR and IMDer combine available latents into one, as in their public codes."""

import torch
from torch import nn

from md2n.shapes import Bool, Float, Tensor


class Mix(nn.Module):
    """Combines available latents of the other modalities.

    A single latent is unchanged.  Several are concatenated, with zeros for missing ones, and convolved.

    Args:
        others: M - 1, the number of other modalities.
        width: D.
    """

    def __init__(self, others: int, width: int) -> None:
        super().__init__()
        # With two modalities there is a single other one, so nothing is combined.
        self.mix = nn.Conv1d(others * width, width, 1) if others > 1 else None

    def forward(
        self, latents: Float[Tensor, "row other width token"], available: Bool[Tensor, "row other"]
    ) -> Float[Tensor, "row width token"]:
        """The combined latent.  Latents are read only where available."""
        known = torch.where(available[:, :, None, None], latents, 0.0)
        single = known.sum(dim=1)
        if self.mix is None:
            return single
        alone = (available.sum(dim=1) == 1)[:, None, None]
        return torch.where(alone, single, self.mix(known.flatten(1, 2)))
