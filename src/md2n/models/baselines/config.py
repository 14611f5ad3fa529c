"""Settings of the baselines, each with its paper's values where one CPU thread can bear them.  No torch here."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from md2n.errors import ConfigError
from md2n.models.config import FusionConfig, LatentConfig, TransformerConfig


@dataclass(frozen=True)
class MajorityConfig:
    """Majority has no settings."""


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


@dataclass(frozen=True)
class GCNetConfig:
    """GCNet.

    Args:
        hidden: width of each direction of the LSTMs, and of the graph's layers.
        window: how many places before and after an utterance its neighbours may stand.
        reconstruction: weight of the squared error of what is missing, reconstructed.
        dropout: on the features, between the LSTMs' layers and in the head.
        head: as in ``FusionConfig``.
    """

    hidden: Annotated[int, Gt(0)] = 100
    window: Annotated[int, Gt(0)] = 2
    reconstruction: Annotated[float, Ge(0)] = 1.0
    dropout: Annotated[float, Ge(0), Le(0.9)] = 0.3
    head: Literal["auto", "l1", "cross_entropy", "seven_class"] = "auto"


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


@dataclass(frozen=True)
class ScoreNetConfig:
    """A score network of IMDer: a 1-D U-Net over the positions of a latent.

    Args:
        channels: of its levels; halving the positions at every level but the first.
        layers: of the cross-attention to the condition after each convolution.
        heads: of the attention; divides every number of channels.
        features: Gaussian Fourier features of the time, even.
    """

    channels: tuple[int, ...] = (64, 128)
    layers: Annotated[int, Gt(0)] = 1
    heads: Annotated[int, Gt(0)] = 4
    features: Annotated[int, Gt(0)] = 64

    def __post_init__(self) -> None:
        if not self.channels or any(c < 1 or c % self.heads for c in self.channels):
            raise ConfigError(
                f"{self.heads} heads do not divide the channels {list(self.channels)}",
                "give one or more numbers of channels, each a multiple of heads, e.g. 64, 128",
            )
        if self.features % 2:
            raise ConfigError(f"features = {self.features} is odd", "half of them are sines: give an even number")


@dataclass(frozen=True)
class IMDerConfig(RefinedConfig):
    """IMDer.

    Args:
        fusion: see ``RefinedConfig``, as all down to ``recover_draws``.
        refiner_blocks: the original has 20.
        recovery: lambda, the original's.
        decoding: of features, which the original does not give.
        pretraining: see there.
        train_encoders: see there.
        complete_view_distillation: see there.
        complete_task: see there.
        recover_draws: latents drawn for a recovery's mean and spread.
        network: of each score.
        sigma: of dx = sigma^t dw.
        score: weight of the score loss.
        score_reduction: of its squares over a latent: ``mean``, or the original's ``sum``, L D times as much.
        score_draws: times and noises that a latent's score is learned at in a step; the original draws one.
        condition_noise: what the condition is noised with: ``none``; ``own`` noise; ``shared``, the original's: that of
            the latent in training, its own when sampling.
        steps: calls of a network for one recovered latent.
        train_steps: the same inside a training step; the original has as many as in use.  Fewer than 2 ln(sigma)
            overshoot.
        predict_draws: recoveries behind a prediction.
    """

    network: ScoreNetConfig = field(default_factory=ScoreNetConfig)
    sigma: Annotated[float, Gt(1)] = 25.0
    score: Annotated[float, Ge(0)] = 0.1
    score_reduction: Literal["mean", "sum"] = "mean"
    score_draws: Annotated[int, Gt(0)] = 4
    condition_noise: Literal["none", "own", "shared"] = "none"
    steps: Annotated[int, Gt(0)] = 100
    train_steps: Annotated[int, Gt(0)] = 10
    predict_draws: Annotated[int, Gt(0)] = 1


@dataclass(frozen=True)
class MCTNConfig:
    """MCTN.

    Args:
        hidden: width of every LSTM, both directions of an encoder summed; also of the tokens they read.
        steps: most positions along time that a sequence is read and translated at.
        tokens: positions that a vector is split into where no modality is a sequence.
        translate: weight of the translation's squared error.
        cycle: weight of the squared error of the way back.
        second: weight of the second translation's squared error.
        dropout: on the features and in the head.
        head: as in ``FusionConfig``.
    """

    hidden: Annotated[int, Gt(0)] = 64
    steps: Annotated[int, Gt(0)] = 16
    tokens: Annotated[int, Gt(0)] = 4
    translate: Annotated[float, Ge(0)] = 0.1
    cycle: Annotated[float, Ge(0)] = 0.1
    second: Annotated[float, Ge(0)] = 0.1
    dropout: Annotated[float, Ge(0), Le(0.9)] = 0.3
    head: Literal["auto", "l1", "cross_entropy", "seven_class"] = "auto"


@dataclass(frozen=True)
class TransMConfig:
    """TransM.

    Args:
        width: residual width of every Transformer.
        layers: blocks of every encoder and of every decoder.
        heads: attention heads; divides ``width``.
        steps: most positions along time that a sequence is read and translated at.
        tokens: positions that a vector is split into.
        translation: weight of the squared errors of both directions.
        dropout: on the features and in the head; a third of it inside the Transformers.
        head: as in ``FusionConfig``.
    """

    width: Annotated[int, Gt(0)] = 32
    layers: Annotated[int, Gt(0)] = 2
    heads: Annotated[int, Gt(0)] = 8
    steps: Annotated[int, Gt(0)] = 16
    tokens: Annotated[int, Gt(0)] = 4
    translation: Annotated[float, Ge(0)] = 0.1
    dropout: Annotated[float, Ge(0), Le(0.9)] = 0.3
    head: Literal["auto", "l1", "cross_entropy", "seven_class"] = "auto"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"{self.heads} heads do not divide width {self.width}", "choose a divisor of the width")


@dataclass(frozen=True)
class ICDNConfig:
    """ICDN.

    Args:
        latent: encoders' output.
        transformer: size of each crossmodal Transformer.
        unimodal: width of a modality's own representation.
        difference: weight of the modalities' own tasks.
        head: as in ``FusionConfig``.
    """

    latent: LatentConfig = field(default_factory=LatentConfig)
    transformer: TransformerConfig = field(default_factory=lambda: TransformerConfig(width=32))
    unimodal: Annotated[int, Gt(0)] = 32
    difference: Annotated[float, Ge(0)] = 1.0
    head: Literal["auto", "l1", "cross_entropy", "seven_class"] = "auto"
