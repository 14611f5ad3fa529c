"""Settings of DiCMoR.  No torch here."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from md2n.methods.parts.refined_config import RefinedConfig


@dataclass(frozen=True)
class DiCMoRConfig(RefinedConfig):
    """DiCMoR.  Its draws differ by the error of the decoders alone.

    Args:
        flow_steps: number of steps of each modality's flow; 32 in the public code.
        flow_hidden: width of the network inside a coupling layer.
        density: weight of the negative log-likelihood of the flows, in bits per number.
        noise: standard deviation of the noise added to latents before their density is measured.
    """

    flow_steps: Annotated[int, Gt(0)] = 8
    flow_hidden: Annotated[int, Gt(0)] = 64
    density: Annotated[float, Ge(0)] = 0.1
    noise: Annotated[float, Ge(0)] = 0.1
