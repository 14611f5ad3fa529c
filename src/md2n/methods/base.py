"""The interface of every method: a loss for training, predictions for use, and the phases of its training.

A method receives batches.  It never sees files, masks or protocols.  It reads features only where ``batch.available``
and compares with features only where ``batch.present``.  All randomness comes from the generator argument: in training
in order, in use by sample (``batch.noise``).
"""

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.brief import brief
from md2n.modality import Schema
from md2n.shapes import Float, Tensor


@dataclass(frozen=True)
class Losses:
    """The weighted terms of the loss of one step; the trainer differentiates their ``total``.

    Args:
        parts: term name -> scalar.  If a term is NaN or infinite, training stops with a message that names the term.
    """

    parts: Mapping[str, Tensor]

    __repr__ = brief

    @property
    def total(self) -> Tensor:
        """Sum of the parts."""
        return torch.stack([p.reshape(()) for p in self.parts.values()]).sum()


@dataclass(frozen=True)
class Prediction:
    """Predictions for the samples of a batch.

    Args:
        output: ``[B]`` values (regression) or ``[B, C]`` probabilities (classification); the mean over draws.
        std: standard deviation over draws, in the shape of ``output``; zero for a complete sample.  None for a
            single draw and for a method without draws.
    """

    output: Float[Tensor, " batch"] | Float[Tensor, "batch classes"]
    std: Float[Tensor, " batch"] | Float[Tensor, "batch classes"] | None = None

    __repr__ = brief


@dataclass(frozen=True)
class Recovery:
    """All modalities of all samples: the input where available, a recovery where missing.

    Args:
        features: name -> ``[B, T_k, d_k]``, the point estimate where missing, in the units of the batch.
        std: name -> ``[B, T_k, d_k]``, standard deviation over draws; zero where available.  Empty for a method
            without draws.
        draws: name -> ``[S, B, T_k, d_k]``, S draws.
        latents: name -> ``[B, L, D]``, point estimates where missing.  Empty for a method without a latent space.
    """

    features: Mapping[str, Float[Tensor, "batch _time _dim"]]
    std: Mapping[str, Float[Tensor, "batch _time _dim"]]
    draws: Mapping[str, Float[Tensor, "draw batch _time _dim"]]
    latents: Mapping[str, Float[Tensor, "batch token width"]] = field(default_factory=dict)

    __repr__ = brief


@dataclass(frozen=True)
class Phase:
    """One phase of training.

    Args:
        name: shown in the log.  The model finds the name of the current phase in ``self.phase``.
        share: share of ``trainer.epochs``, or of steps, by the sum of all shares.  Ignored if ``fit`` is not None.
        trains: prefixes of the names of the trained parameters; the empty string trains all.
        fit: a closed-form fit that replaces the gradient steps.  It receives one pass of complete training batches, in
            evaluation mode and without gradients.
        selects: whether validation chooses the best checkpoint of this phase; must be True for the last phase.
        patterns: how the trainer hides modalities: ``drawn`` (one pattern per sample and step) or ``complete``.
    """

    name: str = "train"
    share: float = 1.0
    trains: tuple[str, ...] = ("",)
    fit: Callable[[Iterable[SequenceBatch]], None] | None = None
    selects: bool = True
    patterns: str = "drawn"


@dataclass(frozen=True)
class Card:
    """Facts about a method that a reader of its results needs.

    Args:
        title: the name in tables.
        paper: full citation, or the origin of a method without a paper.
        year: year of the paper.
        family: ``recovery``, ``translation``, ``correlation``, ``graph``, ``reference``, ``upper bound``.
        differences: how this implementation differs from the paper or its public code, and why.
        recovers: whether the method returns recovered features.
        retracted: whether the paper was retracted; reports mark the method.
    """

    title: str
    paper: str
    year: int
    family: str
    differences: str
    recovers: bool
    retracted: bool = False


class MultimodalModel(nn.Module, abc.ABC):
    """A method.  It is built from a schema and its own config; all methods share one training loop and one evaluator.

    Args:
        schema: modalities, in the order of the columns of a batch, and task.

    ``conversational`` is True for a method that reads other utterances of the same conversation.  Training and
    evaluation then keep the conversations of the data together in batches.
    """

    card: ClassVar[Card]
    conversational: ClassVar[bool] = False

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.phase = ""

    @abc.abstractmethod
    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        """The loss of a batch.  The trainer has already drawn ``batch.available`` (see ``Phase.patterns``)."""

    @abc.abstractmethod
    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        """Predictions from the available modalities.

        Args:
            batch: features are read only where available.
            generator: seed of all draws.  The draws of a sample depend on the sample (``batch.noise``), not on its
                position in the batch or on the other samples.
            draws: overrides the number of draws in the config; deterministic methods ignore it.
        """

    @property
    def predict_draws(self) -> int:
        """Default number of draws of ``predict``; 0 for a deterministic method."""
        return 0

    def phases(self) -> Sequence[Phase]:
        """The phases of training; by default one phase that trains all parameters."""
        return (Phase(),)

    def independent_parts(self) -> Sequence[str]:
        """Prefixes of the names of parameters, one for each part of the model that shares nothing with the others.

        The gradient of each part is clipped separately, as in a separate run.
        """
        return ()

    def enter(self, phase: Phase) -> None:
        """Begins a phase.  On resumption the trainer calls it before it loads the checkpoint."""
        self.phase = phase.name


@runtime_checkable
class Recovers(Protocol):
    """A method that recovers missing modalities."""

    def recover(
        self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None, steps: int | None = None
    ) -> Recovery:
        """Recovers every missing modality of every sample; ``steps`` is the number of network calls per recovery."""
        ...


@runtime_checkable
class Calibrates(Protocol):
    """A method that learns from held-out samples how sure it may be, once its weights are chosen."""

    def calibrate(self, training: Iterable[SequenceBatch], validation: Iterable[SequenceBatch]) -> Sequence[str]:
        """Sets buffers from complete batches of the two splits; a function of these and of the weights.

        Called once, with the chosen weights, in evaluation mode and without gradients.

        Returns:
            Sentences for the user: what could not be calibrated.
        """
        ...
