"""Settings of DiCMoR.  No torch here."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from md2n.methods.parts.refined_config import RefinedConfig


@dataclass(frozen=True)
class DiCMoRConfig(RefinedConfig):
    """DiCMoR.

    Args:
        fusion: see ``RefinedConfig``, as all down to ``recover_draws``.
        refiner_blocks: the original has 20.
        recovery: lambda, the original's.
        decoding: of features, which the original does not give.
        pretraining: see there.
        train_encoders: see there.
        complete_view_distillation: see there.
        complete_task: see there.
        recover_draws: differ by the decoders' error alone.
        flow_steps: steps of each modality's flow; the original has 32.
        flow_hidden: width of the network inside a coupling.
        density: weight of the flows' negative log-likelihood, in bits per number.
        noise: deviation of the noise that latents get before their density is measured.
    """

    flow_steps: Annotated[int, Gt(0)] = 8
    flow_hidden: Annotated[int, Gt(0)] = 64
    density: Annotated[float, Ge(0)] = 0.1
    noise: Annotated[float, Ge(0)] = 0.1
