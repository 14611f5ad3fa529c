"""What one side of a sample says of the other: the partner x^a, and the condition y.

A *side* is a set of modalities per sample.  From the latents of the modalities on it come

- the partner: one latent ``[L, D]`` that the chain of the other side is transferred to and starts from.  Several
  modalities are mixed into one, and the mix is normalised again to zero mean and unit scale per token: without this the
  mean of three modalities would be a weaker signal than one, and the stages would mean something else for each set;
- the condition: the latents themselves, clean, as one sequence of tokens.

Latents off the side are never read: they may be NaN.
"""

import torch
import torch.nn.functional as F
from torch import nn

from md2n.registry import Registry
from md2n.shapes import Bool, Float, Tensor

PARTNERS = Registry(
    "partner",
    {
        "mean": "md2n.diffusion.condition:MeanPartner",
        "learned": "md2n.diffusion.condition:LearnedPartner",
    },
)


def on_side(
    latents: Float[Tensor, "batch modality token width"], side: Bool[Tensor, "batch modality"]
) -> Float[Tensor, "batch modality token width"]:
    """The latents with zeros wherever the modality is not on the side."""
    return torch.where(side[:, :, None, None], latents, 0.0)


def partner(
    latents: Float[Tensor, "batch modality token width"], side: Bool[Tensor, "batch modality"]
) -> Float[Tensor, "batch token width"]:
    """Mean of the latents on the side, normalised to zero mean and unit scale per token.

    One modality alone, normalised as all latents are, is its own partner.  An empty side gives zeros.
    """
    count = side.sum(dim=1).clamp(min=1)[:, None, None]
    return F.layer_norm(on_side(latents, side).sum(dim=1) / count, latents.shape[-1:])


def condition_tokens(
    latents: Float[Tensor, "batch modality token width"], side: Bool[Tensor, "batch modality"]
) -> tuple[Float[Tensor, "batch condition width"], Bool[Tensor, "batch condition"]]:
    """The latents as one sequence, modality after modality, and which of its tokens may be read.

    Returns:
        Tokens ``[batch, modality * token, width]``, zeros off the side, and their ``readable`` flags.
    """
    readable = side[:, :, None].expand(-1, -1, latents.shape[2])
    return on_side(latents, side).flatten(1, 2), readable.flatten(1)


class MeanPartner(nn.Module):
    """``partner`` as a module without parameters."""

    def __init__(self, modalities: int, width: int) -> None:
        super().__init__()

    def forward(
        self, latents: Float[Tensor, "batch modality token width"], side: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch token width"]:
        return partner(latents, side)


class LearnedPartner(nn.Module):
    """A learned mix: each modality is mapped to a common space and weighs in, token by token, as it deserves.

        x^a = normalise( sum_{k on the side} softmax_k(g_k . x^k + c_k) A_k x^k )

    It begins as the mean: A_k is the identity, g_k and c_k are zero.

    Args:
        modalities: M.
        width: D.
    """

    def __init__(self, modalities: int, width: int) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.eye(width).repeat(modalities, 1, 1))
        self.gate = nn.Parameter(torch.zeros(modalities, width))
        self.gate_bias = nn.Parameter(torch.zeros(modalities))

    def forward(
        self, latents: Float[Tensor, "batch modality token width"], side: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch token width"]:
        clean = on_side(latents, side)
        logit = torch.einsum("bmld,md->bml", clean, self.gate) + self.gate_bias[:, None]
        # The softmax runs over the side; where that is empty, over everything, and the zeros in ``clean`` remain.
        counted = side | ~side.any(dim=1, keepdim=True)
        weight = logit.masked_fill(~counted[:, :, None], -torch.inf).softmax(dim=1)
        mix = torch.einsum("bml,bmld,mde->ble", weight, clean, self.map)
        return F.layer_norm(mix, mix.shape[-1:])


def make_partner(kind: str, modalities: int, width: int) -> MeanPartner | LearnedPartner:
    """The module that mixes a side into one latent.

    Args:
        kind: ``mean`` or ``learned``.
        modalities: M.
        width: D.

    Raises:
        UsageError: unknown kind.
    """
    module: MeanPartner | LearnedPartner = PARTNERS.get(kind)(modalities, width)
    return module
