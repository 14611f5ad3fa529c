"""Multimodal Transformers that fuse M latents ``[L, D]``, given and recovered, into one vector (Sec. 3.4).

``JointTransformer`` puts all tokens into one sequence behind a summary token: light, any M.
``CrossmodalTransformer`` is the paper's reference [46]: every modality attends to the others, then to itself.

The state of each modality is an input, given, recovered or absent (``STATES``), so that they can learn how far to trust
a recovered one; an absent one is never read.
"""

import abc

import torch
from torch import nn

from md2n.nn.config import TransformerConfig
from md2n.nn.transformer import Transformer
from md2n.shapes import Bool, Float, Int, Tensor

STATES = ABSENT, GIVEN, RECOVERED = 0, 1, 2


class FusionTransformer(nn.Module, abc.ABC):
    """``[batch, modality, token, width]`` and the state of each modality to ``[batch, fused]``.

    Args:
        modalities: M.
        tokens: L.
        latent_width: D.
        size: of the Transformer.

    Attributes:
        fused_width: size of the result.

    Paper: Sec. 3.4.
    """

    fused_width: int

    def __init__(self, modalities: int, tokens: int, latent_width: int, size: TransformerConfig) -> None:
        super().__init__()
        width = size.width
        self.project = nn.ModuleList(nn.Linear(latent_width, width) for _ in range(modalities))
        self.place = nn.Parameter(torch.randn(modalities, tokens, width) * 0.1)
        self.state = nn.Embedding(len(STATES), width)
        nn.init.normal_(self.state.weight, std=0.1)

    def embed(
        self, latents: Float[Tensor, "batch modality token width"], state: Int[Tensor, "batch modality"]
    ) -> tuple[Float[Tensor, "batch modality token inner"], Bool[Tensor, "batch modality token"]]:
        """Tokens with modality, place and state added, zeros where absent; and which may be read."""
        readable = (state != ABSENT)[:, :, None].expand(-1, -1, latents.shape[2])
        clean = torch.where(readable[..., None], latents, 0.0)
        projected = torch.stack([p(clean[:, k]) for k, p in enumerate(self.project)], dim=1)
        embedded = projected + self.place + self.state(state)[:, :, None, :]
        return torch.where(readable[..., None], embedded, 0.0), readable

    @abc.abstractmethod
    def forward(
        self, latents: Float[Tensor, "batch modality token width"], state: Int[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch fused"]:
        """The fused vector; at least one modality of every row must not be absent."""


class JointTransformer(FusionTransformer):
    """One Transformer over a summary token and all M L tokens; the summary is the result.

    It begins as a linear reading of all given latents at once: attention shares its weights over tokens and is slow to
    learn what those of a vector, which are no positions in time, say together.  Recovered latents are read by attention
    alone, which can weigh them (docs/log.md has the numbers).
    """

    def __init__(self, modalities: int, tokens: int, latent_width: int, size: TransformerConfig) -> None:
        super().__init__(modalities, tokens, latent_width, size)
        width = self.fused_width = size.width
        self.summary = nn.Parameter(torch.randn(width) * 0.1)
        self.reading = nn.Linear(modalities * tokens * latent_width, width, bias=False)
        self.dropout = nn.Dropout(size.dropout)
        self.transformer = Transformer(width, size.heads, size.layers, size.dropout)

    def forward(
        self, latents: Float[Tensor, "batch modality token width"], state: Int[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch fused"]:
        tokens, readable = self.embed(latents, state)
        known = torch.where((state == GIVEN)[:, :, None, None], latents, 0.0)
        summary = (self.summary + self.reading(self.dropout(known.flatten(1))))[:, None]
        always = torch.ones(len(latents), 1, dtype=torch.bool, device=latents.device)
        sequence = torch.cat([summary, tokens.flatten(1, 2)], dim=1)
        fused: Tensor = self.transformer(sequence, torch.cat([always, readable.flatten(1)], dim=1), first=1)
        return fused[:, 0]


class CrossmodalTransformer(FusionTransformer):
    """Every modality's tokens attend to every other modality's in turn, then to themselves; means are concatenated.

    MulT (Tsai et al. 2019, Sec. 3.2): one crossmodal Transformer per ordered pair, whose results are joined and pass a
    self-attention Transformer per target.  The mean over positions replaces MulT's last position, which in padded
    sequences is padding.
    """

    def __init__(self, modalities: int, tokens: int, latent_width: int, size: TransformerConfig) -> None:
        super().__init__(modalities, tokens, latent_width, size)
        self.pairs = nn.ModuleDict(
            {
                f"{target}_{source}": Transformer(size.width, size.heads, size.layers, size.dropout, cross=True)
                for target in range(modalities)
                for source in range(modalities)
                if target != source
            }
        )
        joined = size.width * (modalities - 1)
        self.memories = nn.ModuleList(
            Transformer(joined, size.heads, size.layers, size.dropout) for _ in range(modalities)
        )
        self.fused_width = joined * modalities

    def forward(
        self, latents: Float[Tensor, "batch modality token width"], state: Int[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch fused"]:
        tokens, readable = self.embed(latents, state)
        present = state != ABSENT
        fused = []
        for target, memory in enumerate(self.memories):
            streams = [
                # A pair with an absent source leaves the target's own tokens: attention to nothing adds zero.
                self.pairs[f"{target}_{source}"](tokens[:, target], readable[:, source], tokens[:, source])
                for source in range(len(self.memories))
                if source != target
            ]
            mixed = memory(torch.cat(streams, dim=-1)).mean(dim=1)
            fused.append(torch.where(present[:, target, None], mixed, 0.0))
        return torch.cat(fused, dim=-1)


def make_fusion(
    kind: str, modalities: int, tokens: int, latent_width: int, size: TransformerConfig
) -> FusionTransformer:
    """``joint`` or ``crossmodal``; arguments as in ``FusionTransformer``."""
    chosen = CrossmodalTransformer if kind == "crossmodal" else JointTransformer
    return chosen(modalities, tokens, latent_width, size)
