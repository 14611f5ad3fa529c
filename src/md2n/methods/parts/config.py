"""Settings of encoders and fusion, which methods share.  No torch here, so that help is fast."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from md2n.nn.config import TransformerConfig

# How recovered features are made after training; ``MD2NConfig`` says what each is.
CalibrationKind = Literal["none", "walk", "translation"]


@dataclass(frozen=True)
class LatentConfig:
    """The latent space of all modalities: ``[L, D]`` for each.

    Args:
        length: L, number of tokens of a latent.
        width: D, width of a token.
        encoder: ``convolution`` (the paper's peers: kernel 3 along time), ``query`` (learned queries attend to the
            frames; for sequences of different lengths), ``auto`` (a vector is split into tokens; a sequence has
            queries).
        hidden: width of the hidden layer that turns a vector into tokens.
        dropout: of the features that enter the encoder, and inside its attention.
    """

    length: Annotated[int, Gt(0)] = 8
    width: Annotated[int, Gt(0)] = 32
    encoder: Literal["auto", "convolution", "query"] = "auto"
    hidden: Annotated[int, Gt(0)] = 128
    dropout: Annotated[float, Ge(0), Le(0.9)] = 0.3


@dataclass(frozen=True)
class FusionConfig:
    """Encoders, fusion Transformer and head.  Most reference methods have no other settings.

    Args:
        latent: size of the latents that the encoders give.
        kind: ``joint`` (one Transformer over all tokens) or ``crossmodal`` (each modality attends to the others).
        transformer: size of the fusion Transformer.
        head: ``auto`` is L1 for real labels and cross-entropy for classes; ``seven_class`` predicts a sentiment in
            [-3, 3] by cross-entropy over its seven rounded values, with their expectation as the value; ``classes`` is
            ``seven_class`` for such a sentiment and ``auto`` for any other label.
    """

    latent: LatentConfig = field(default_factory=LatentConfig)
    kind: Literal["joint", "crossmodal"] = "joint"
    transformer: TransformerConfig = field(default_factory=TransformerConfig)
    head: Literal["auto", "l1", "cross_entropy", "seven_class", "classes"] = "auto"
