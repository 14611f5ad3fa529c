"""Settings of MD2N: recovery by diffusion, and the model around it.  No torch here."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from md2n.diffusion.stages import Stages
from md2n.methods.parts.config import CalibrationKind, FusionConfig
from md2n.nn.config import TransformerConfig

SMALL_SET = 1000  # training samples; larger sets predict worse with ``recovered_dropout`` (docs/log.md)
READ = 0.5  # share of the recovered modalities that fusion reads under ``recovered_dropout``


@dataclass(frozen=True)
class DiffusionConfig:
    """The multi-stage duplex diffusion process and its networks; see ``md2n.diffusion``.

    Args:
        steps: T, the steps of the diffusion.
        t1: last step of the refinement stage.
        t2: last step of the transfer stage, where recovery begins.
        schedule: the noise schedule b_t.
        transfer: how w_t rises from 0 at t1 to 1 at t2; ``none`` is plain conditional VP diffusion.
        duplex: train both directions; False trains only available -> missing (ablation row iii).
        variance: ``exact`` (1 - abar) or ``as_printed`` (1 - sqrt(abar), Eq. 5).
        prediction: what the networks give: the clean latent ``x0`` or the ``noise``.
        t_range: ``trained`` draws t from [1, t2] ([1, T] where start is ``noise`` or transfer is ``none``);
            ``as_printed`` from (t1, T].
        start: inference begins at the ``partner`` at t2, or from ``noise`` at T through all three stages.
        sampler: ``gaussian``, exact in any number of calls where latents are Gaussian (validation samples say how far
            they vary), ``multistep`` (deterministic, of second order), ``deterministic`` or ``ancestral``.
        strides: the sampler's strides are equal in ``time``, or in the ``angle`` between signal and noise.
        network: size of each score network.
        partner: ``mean`` of the available latents, or a ``learned`` mix.
        shared: one network for all targets (with a target embedding) instead of one each.
        cascade: recover missing modalities one after another, each conditioned on the ones before.
        first_guess: a perceptron over all given latents gives the network a first estimate; not in the paper.
    """

    steps: Annotated[int, Gt(1)] = 1000
    t1: Annotated[int, Ge(0)] = 200
    t2: Annotated[int, Gt(0)] = 800
    schedule: Literal["vp_linear", "scaled_linear", "cosine", "exploding"] = "scaled_linear"
    transfer: Literal["constant", "linear", "none"] = "constant"
    duplex: bool = True
    variance: Literal["exact", "as_printed"] = "exact"
    prediction: Literal["x0", "noise"] = "x0"
    t_range: Literal["trained", "as_printed"] = "trained"
    start: Literal["partner", "noise"] = "partner"
    sampler: Literal["multistep", "deterministic", "ancestral", "gaussian"] = "gaussian"
    strides: Literal["time", "angle"] = "time"
    network: TransformerConfig = field(default_factory=lambda: TransformerConfig(dropout=0.0))
    partner: Literal["mean", "learned"] = "mean"
    shared: bool = False
    cascade: bool = False
    first_guess: bool = True

    def __post_init__(self) -> None:
        Stages(self.t1, self.t2, self.steps)  # refuses what does not divide time


@dataclass(frozen=True)
class MD2NConfig:
    """MD2N.

    Args:
        fusion: encoders, fusion Transformer and head.
        diffusion: recovery.
        gamma: weight of L_rec in Eq. 17 (mean over elements, so the paper's sums do not swamp the task).
        complete_view_distillation: weight of drawing the prediction from recovered modalities toward the same
            model's prediction from the complete sample; 0 turns it off (beyond the paper).
        complete_task: weight of the task loss of the complete view, which distillation needs; 0 turns it off.
        complete_share: share of a step's incomplete samples, drawn anew, for which the two are computed.
        detach_target: the score loss moves the networks but not the latents they aim at.
        detach_recovered: the task moves the fusion that reads recovered latents, but not what recovered them, nor
            through it the encoders.
        recovered_dropout: whether fusion, in training, reads what is recovered from given latents with the encoders'
            dropout, and of what is recovered only ``READ`` (beyond the paper).  ``auto``: where fewer than
            ``SMALL_SET`` samples are learned from.
        encoders: False feeds linear projections of the raw features instead of E_k (Table 4).
        decoders: False trains without L_dec (Table 4); recovered features are then refused.
        predict_steps: network calls per missing modality for a prediction; 1 is the estimate that fusion meets in
            training.
        predict_draws: draws for the standard deviation of a prediction (and its mean, where predict_steps > 1); 1: no
            deviation.
        recover_steps: network calls for a faithful recovery.
        recover_draws: draws for a recovery's mean and standard deviation.
        calibration: how recovered features are made after training.  ``translation``: the decoded latent is combined
            with a closed-form translation, and draws come from its residuals on matched training samples; validation
            samples decide the weights.  ``walk``: decoded latents and draws, shrunk and scaled on validation samples.
            ``none``: as in the paper.
    """

    fusion: FusionConfig = field(default_factory=FusionConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    gamma: Annotated[float, Ge(0)] = 0.3
    complete_view_distillation: Annotated[float, Ge(0)] = 1.0
    complete_task: Annotated[float, Ge(0)] = 1.0
    complete_share: Annotated[float, Gt(0), Le(1)] = 0.9
    detach_target: bool = True
    detach_recovered: bool = True
    recovered_dropout: Literal["auto", "on", "off"] = "auto"
    encoders: bool = True
    decoders: bool = True
    predict_steps: Annotated[int, Gt(0)] = 1
    predict_draws: Annotated[int, Gt(0)] = 1
    recover_steps: Annotated[int, Gt(0)] = 2
    recover_draws: Annotated[int, Gt(0)] = 8
    calibration: CalibrationKind = "translation"

    def for_samples(self, samples: int) -> "MD2NConfig":
        """The settings of a training on so many samples: ``auto`` is decided."""
        if self.recovered_dropout != "auto":
            return self
        return replace(self, recovered_dropout="on" if samples < SMALL_SET else "off")
