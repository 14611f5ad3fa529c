"""Settings of DCCA and DCCAE.  No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True)
class DCCAConfig:
    """DCCA.

    Args:
        components: k, the size of a modality's code; a batch must hold several times as many samples, or any codes
            correlate.
        hidden: width of the perceptrons' hidden layers.
        layers: hidden layers.
        ridge: r, added to the codes' variances.
        dropout: on the pooled features in the first phase.
        head: as in ``FusionConfig``; a single linear layer here.
    """

    components: Annotated[int, Gt(0)] = 10
    hidden: Annotated[int, Gt(0)] = 256
    layers: Annotated[int, Gt(0)] = 3
    ridge: Annotated[float, Gt(0)] = 1e-3
    dropout: Annotated[float, Ge(0), Le(0.9)] = 0.3
    head: Literal["auto", "l1", "cross_entropy", "seven_class"] = "auto"


@dataclass(frozen=True)
class DCCAEConfig(DCCAConfig):
    """DCCAE.

    Args:
        components: see ``DCCAConfig``, as all but the last.
        hidden: also of the decoders.
        layers: also of the decoders.
        ridge: r.
        dropout: on the pooled features in the first phase.
        head: of one linear layer.
        reconstruction: lambda, weight of the decoded features' squared error, summed over them; 0 is DCCA.
    """

    reconstruction: Annotated[float, Ge(0)] = 1e-3
