"""Settings of MMIN.  No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from md2n.errors import ConfigError


@dataclass(frozen=True)
class MMINConfig:
    """MMIN.

    Args:
        width: width of a modality's embedding.
        blocks: number of residual autoencoders in the cascade.
        sizes: widths of an autoencoder's layers from its input to its code.  Its decoder has the same in reverse.
        text: modalities that are encoded by convolution over words.  Other sequences are encoded by an LSTM.
        imagination: weight of the squared error of the imagined embedding.
        cycle: weight of the squared error of the embedding mapped back.
        dropout: of the features and inside the heads.
        head: loss and output of the prediction, as in ``FusionConfig``.
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
                f"model.sizes = {list(self.sizes)}: every width of a layer must be 1 or more",
                "give one or more widths, e.g. 256, 128, 64",
            )
