"""Settings of DCCA and DCCAE.  No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True)
class DCCAConfig:
    """DCCA.

    Args:
        components: k, size of a modality's code.  A batch must hold several times as many samples: with fewer, codes
            correlate by chance.
        hidden: width of the hidden layers of the perceptrons.
        layers: number of hidden layers.
        ridge: r, added to the variances of the codes.
        dropout: of the pooled features in the first phase.
        head: loss and output of the prediction, as in ``FusionConfig``.  Here it is one linear layer.
    """

    components: Annotated[int, Gt(0)] = 10
    hidden: Annotated[int, Gt(0)] = 256
    layers: Annotated[int, Gt(0)] = 3
    ridge: Annotated[float, Gt(0)] = 1e-3
    dropout: Annotated[float, Ge(0), Le(0.9)] = 0.3
    head: Literal["auto", "l1", "cross_entropy", "seven_class"] = "auto"


@dataclass(frozen=True)
class DCCAEConfig(DCCAConfig):
    """DCCAE: DCCA with decoders.  ``hidden`` and ``layers`` are those of the decoders too.

    Args:
        reconstruction: lambda, weight of the squared error of the decoded features, summed over features; 0 is DCCA.
    """

    reconstruction: Annotated[float, Ge(0)] = 1e-3
