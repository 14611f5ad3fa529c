"""What DiCMoR and IMDer make one latent of where several modalities are available: the original's 1x1 convolution."""

import torch
from torch import nn

from md2n.shapes import Bool, Float, Tensor


class Mix(nn.Module):
    """A single one as it is; of several, all side by side through a 1x1 convolution, zeros for those not available.

    Args:
        others: M - 1, the modalities that there can be.
        width: D.
    """

    def __init__(self, others: int, width: int) -> None:
        super().__init__()
        # With two modalities it is always the other one.
        self.mix = nn.Conv1d(others * width, width, 1) if others > 1 else None

    def forward(
        self, latents: Float[Tensor, "row other width token"], available: Bool[Tensor, "row other"]
    ) -> Float[Tensor, "row width token"]:
        """Reads latents only where available."""
        known = torch.where(available[:, :, None, None], latents, 0.0)
        single = known.sum(dim=1)
        if self.mix is None:
            return single
        alone = (available.sum(dim=1) == 1)[:, None, None]
        return torch.where(alone, single, self.mix(known.flatten(1, 2)))
