"""Settings that DiCMoR and IMDer share.  No torch here."""

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Lt

from md2n.methods.parts.config import CalibrationKind, FusionConfig


@dataclass(frozen=True)
class RefinedConfig:
    """Settings that DiCMoR and IMDer share.

    Args:
        fusion: encoders, fusion Transformer and head.
        refiner_blocks: channel-attention blocks in the residual group of the refiner; 20 in the public code of both.
        recovery: lambda, weight of the squared error of the refined latent, a mean over its numbers.
        decoding: weight of the squared error of the decoded features, a mean over them.  The papers do not state it.
        pretraining: share of the epochs in which encoders and fusion are trained on complete samples.
        train_encoders: whether the encoders are trained after that, too.  In the public code they are not.
        complete_view_distillation: as in ``MD2NConfig``; 0 is the form of the papers.
        complete_task: as in ``MD2NConfig``; distillation needs it.
        recover_draws: number of draws behind the mean and the standard deviation of a recovery.
        calibration: as in ``MD2NConfig``, with the draws of the method; ``none`` is the form of the papers.
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
    calibration: CalibrationKind = "walk"
