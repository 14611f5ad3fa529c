"""Settings of ICDN.  No torch here."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from md2n.methods.parts.config import LatentConfig
from md2n.nn.config import TransformerConfig


@dataclass(frozen=True)
class ICDNConfig:
    """ICDN.

    Args:
        latent: size of the latents that the encoders give.
        transformer: size of each crossmodal Transformer.
        unimodal: width of a modality's own representation.
        difference: weight of the tasks of the single modalities.
        head: loss and output of the prediction, as in ``FusionConfig``.
    """

    latent: LatentConfig = field(default_factory=LatentConfig)
    transformer: TransformerConfig = field(default_factory=lambda: TransformerConfig(width=32))
    unimodal: Annotated[int, Gt(0)] = 32
    difference: Annotated[float, Ge(0)] = 1.0
    head: Literal["auto", "l1", "cross_entropy", "seven_class"] = "auto"
