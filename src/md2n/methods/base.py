"""The contract every method keeps: a loss for training, predictions for use, and phases where it trains in several.

A method sees batches, never files, masks files or protocols.  It reads features only where ``batch.available``,
compares with features only where ``batch.present``, and takes its randomness from the generator it is given: in
training as it comes, in use by sample.
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
    """The terms of one step's loss, each already weighted; ``total`` is what is differentiated.

    Args:
        parts: term name -> scalar.  A term that is not a number stops training, and the message names it.
    """

    parts: Mapping[str, Tensor]

    __repr__ = brief

    @property
    def total(self) -> Tensor:
        """Sum of the parts."""
        return torch.stack([p.reshape(()) for p in self.parts.values()]).sum()


@dataclass(frozen=True)
class Prediction:
    """What the model says of each sample.

    Args:
        output: ``[B]`` values (regression) or ``[B, C]`` probabilities (classes); the mean over draws.
        spread: standard deviation over draws, same shape; zero for a complete sample, which nothing is drawn for.  None
            where there is no telling: of a single draw, and of a method that draws none.
    """

    output: Float[Tensor, " batch"] | Float[Tensor, "batch classes"]
    spread: Float[Tensor, " batch"] | Float[Tensor, "batch classes"] | None = None

    __repr__ = brief


@dataclass(frozen=True)
class Recovery:
    """Every modality of every sample: as given where available, generated where not.

    Args:
        features: name -> ``[B, T_k, d_k]``, the best point estimate where missing, in the units of the batch.
        spread: name -> ``[B, T_k, d_k]``, standard deviation over draws; zero where available.  Empty
            for a method that draws none.
        draws: name -> ``[S, B, T_k, d_k]``, the draws themselves.
        latents: name -> ``[B, L, D]``, point estimates where missing, for methods that recover in a latent space;
            empty otherwise.
    """

    features: Mapping[str, Float[Tensor, "batch _time _dim"]]
    spread: Mapping[str, Float[Tensor, "batch _time _dim"]]
    draws: Mapping[str, Float[Tensor, "draw batch _time _dim"]]
    latents: Mapping[str, Float[Tensor, "batch token width"]] = field(default_factory=dict)

    __repr__ = brief


@dataclass(frozen=True)
class Phase:
    """One stretch of training.

    Args:
        name: shown in the log; the model can ask ``self.phase`` which one it is in.
        share: its part of ``trainer.epochs``; shares are normalised by their sum.  Ignored where ``fit`` is given.
        trains: prefixes of the parameter names that are trained; the empty string trains all.
        fit: a closed-form fit over one pass of training batches instead of gradient steps; in evaluation mode, without
            gradients, on complete batches.
        selects: whether validation chooses the best checkpoint in this phase (the last phase must).
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
    """What a reader must know of a method before believing its row.

    Args:
        title: the name used in tables.
        paper: full citation, or how it came about.
        year: of the paper.
        family: ``recovery``, ``translation``, ``correlation``, ``graph``, ``reference``, ``upper bound``.
        differences: what ours does differently from the paper or its public code, and why.
        recovers: whether it gives recovered features.
        retracted: True marks the row wherever it is shown.
    """

    title: str
    paper: str
    year: int
    family: str
    differences: str
    recovers: bool
    retracted: bool = False


class MultimodalModel(nn.Module, abc.ABC):
    """A method: built from a schema and its own config, trained by the one loop, asked by the one evaluator.

    Args:
        schema: modalities and task, in the order of the batches' columns.

    ``conversational`` is True for a method that reads a sample's neighbours in its conversation: what trains and asks
    it then keeps conversations together in batches, where the data have any.
    """

    card: ClassVar[Card]
    conversational: ClassVar[bool] = False

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.phase = ""

    @abc.abstractmethod
    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        """The loss on a batch whose ``available`` was already drawn by the trainer (see ``Phase.patterns``)."""

    @abc.abstractmethod
    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        """Predictions from what is available.

        Args:
            batch: features are read only where available.
            generator: the seed of all draws; what is drawn for a sample goes by the sample (``batch.noise``), never by
                its place in the batch or by what else is in it.
            draws: overrides the config; deterministic methods ignore it.
        """

    @property
    def predict_draws(self) -> int:
        """Draws behind a prediction where ``predict`` is told no number; 0 for a method that draws none."""
        return 0

    def phases(self) -> Sequence[Phase]:
        """How training is divided; one phase over all parameters unless a method says otherwise."""
        return (Phase(),)

    def apart(self) -> Sequence[str]:
        """Beginnings of the names of parameters that are trained side by side and share nothing.

        The gradient of each such part is clipped by itself, as in a run of its own.
        """
        return ()

    def enter(self, phase: Phase) -> None:
        """Called by the trainer when a phase begins, and on resume before the checkpoint is loaded."""
        self.phase = phase.name


@runtime_checkable
class Recovers(Protocol):
    """A method that gives the missing modalities back."""

    def recover(
        self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None, steps: int | None = None
    ) -> Recovery:
        """Recovered features for every missing modality of every sample; ``steps`` is the number of network calls."""
        ...
