"""What the whole condition says of the unknown end at once, before any attention.

Tokens of one modality need not correspond to tokens of another (a vector's are no positions in time), so what one says
of another is a map between whole latents.  Attention, whose weights are shared by all tokens, learns such a map slowly;
a perceptron over all of them finds the linear part, which is most of it, early.

Not in the paper; ``model.diffusion.first_guess = false``, as in its preset, does without.
"""

import torch
import torch.nn.functional as F
from torch import nn

from md2n.diffusion.condition import on_side
from md2n.shapes import Bool, Float, Tensor


class FirstGuess(nn.Module):
    """All given latents, flat, to one latent: ``W (z + gelu(z)) + b`` with ``z`` linear in them; zero before training.

    The rank of W, not L D, is its width, so that it stays small for long latents.

    Args:
        modalities: M.
        tokens: L.
        latent_width: D.
        width: of the context; z has twice as many numbers.
    """

    def __init__(self, modalities: int, tokens: int, latent_width: int, width: int) -> None:
        super().__init__()
        self.read = nn.Linear(modalities * tokens * latent_width, 2 * width)
        self.steer = nn.Linear(width, 2 * width, bias=False)
        self.tell = nn.Linear(2 * width, tokens * latent_width)
        nn.init.zeros_(self.tell.weight)
        nn.init.zeros_(self.tell.bias)

    def forward(
        self,
        latents: Float[Tensor, "batch modality token width"],
        side: Bool[Tensor, "batch modality"],
        context: Float[Tensor, "batch inner"],
        target: int,
    ) -> Float[Tensor, "batch token width"]:
        """The guess.

        Args:
            latents: of all modalities; off the side they are not read and may be NaN.
            side: the modalities that are given; ``target`` is never read.
            context: which are given and which is looked for.
            target: column of the modality that is looked for.
        """
        others = torch.arange(side.shape[1], device=side.device) != target
        z = self.read(on_side(latents, side & others).flatten(1)) + self.steer(context)
        guess: Tensor = self.tell(z + F.gelu(z))
        return guess.view(len(latents), *latents.shape[2:])
