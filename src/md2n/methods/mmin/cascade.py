"""The cascaded residual autoencoder: each autoencoder corrects the sum of its input and all earlier outputs."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from md2n.shapes import Float, Tensor


class Cascade(nn.Module):
    r"""``z_b = x + sum_{j<b} d_j``,  ``c_b = encode_b(z_b)``,  ``d_b = decode_b(c_b)``,  output ``x + sum_b d_b``.

    If every ``d_b`` is zero, it is the identity (Tran, Liu, Zhou, Jin: Missing Modalities Imputation via Cascaded
    Residual Autoencoder. CVPR 2017).

    Args:
        width: width of x.
        blocks: B.
        sizes: widths of the encoder's layers, from the first to the code; the decoder has them in reverse.
    """

    def __init__(self, width: int, blocks: int, sizes: Sequence[int]) -> None:
        super().__init__()
        down, up = (width, *sizes), (*reversed(sizes), width)
        self.encoders = nn.ModuleList(_layers(down, last=True) for _ in range(blocks))
        self.decoders = nn.ModuleList(_layers(up, last=False) for _ in range(blocks))

    def forward(self, x: Float[Tensor, "batch width"]) -> tuple[Float[Tensor, "batch width"], Float[Tensor, "batch _"]]:
        """The output, and the concatenated codes of all blocks."""
        codes = []
        for encode, decode in zip(self.encoders, self.decoders):
            code = encode(x)
            x = x + decode(code)
            codes.append(code)
        return x, torch.cat(codes, dim=1)


def _layers(sizes: Sequence[int], last: bool) -> nn.Sequential:
    """Linear layers with a leaky ReLU after each; after the last one only if ``last`` is True."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.LeakyReLU()]
    return nn.Sequential(*(layers if last else layers[:-1]))
