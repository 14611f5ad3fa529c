"""Settings of MMIN.  No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from md2n.errors import ConfigError


@dataclass(frozen=True)
class MMINConfig:
    """MMIN.

    Args:
        width: of a modality's embedding.
        blocks: residual autoencoders in a cascade.
        sizes: widths of an autoencoder's layers down to its code; mirrored on the way back.
        text: modalities that are encoded by convolution over words; other sequences by an LSTM.
        imagination: weight of the imagined embedding's squared error.
        cycle: weight of the squared error of the embedding mapped back.
        dropout: on the features and in the heads.
        head: as in ``FusionConfig``.
    """

    width: Annotated[int, Gt(0)] = 128
    blocks: Annotated[int, Gt(0)] = 5
    sizes: tuple[int, ...] = (256, 128, 64)
    text: tuple[str, ...] = ("text",)
    imagination: Annotated[float, Ge(0)] = 4.0
    cycle: Annotated[float, Ge(0)] = 2.0
    dropout: Annotated[float, Ge(0), Le(0.9)] = 0.3
    head: Literal["auto", "l1", "cross_entropy", "seven_class"] = "auto"

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 1:
            raise ConfigError(
                f"sizes = {list(self.sizes)} are no widths of layers",
                "give one or more widths of 1 or more, e.g. 256, 128, 64",
            )
