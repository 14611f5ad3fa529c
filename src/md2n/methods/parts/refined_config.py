"""Settings that DiCMoR and IMDer share.  No torch here."""

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Lt

from md2n.methods.parts.config import FusionConfig


@dataclass(frozen=True)
class RefinedConfig:
    """What DiCMoR and IMDer have in common.

    Args:
        fusion: encoders, fusion Transformer and head.
        refiner_blocks: channel-attention blocks in the refiner's residual group.
        recovery: weight of the refined latent's squared error (mean over elements).
        decoding: weight of the decoders' squared error (mean over elements).
        pretraining: part of the epochs in which encoders and fusion are trained on complete samples.
        train_encoders: whether encoders are trained afterwards, too; the originals leave them as they are.
        complete_view_distillation: as in ``MD2NConfig``; 0 is the paper's form.
        complete_task: as in ``MD2NConfig``; distillation needs it.
        recover_draws: draws for the spread of a recovery.
    """

    fusion: FusionConfig = field(default_factory=FusionConfig)
    refiner_blocks: Annotated[int, Gt(0)] = 4
    recovery: Annotated[float, Ge(0)] = 0.1
    decoding: Annotated[float, Ge(0)] = 0.1
    pretraining: Annotated[float, Gt(0), Lt(1)] = 0.25
    train_encoders: bool = True
    complete_view_distillation: Annotated[float, Ge(0)] = 0.0
    complete_task: Annotated[float, Ge(0)] = 0.0
    recover_draws: Annotated[int, Gt(0)] = 8
