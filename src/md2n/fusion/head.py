"""Heads: a fused vector to a prediction, and the task loss (L_task of Eq. 17).

The paper trains with cross-entropy on labels in [-3, 3] and reports ACC7, which fits a classifier over the seven
rounded values; its peers train with L1 and round.  Both are here, and plain classes.
"""

import abc
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from md2n.errors import ConfigError
from md2n.modality import Task
from md2n.shapes import Float, Int, Tensor

Labels = Float[Tensor, " batch"] | Int[Tensor, " batch"]
Output = Float[Tensor, " batch"] | Float[Tensor, "batch classes"]


class Head(nn.Module, abc.ABC):
    """Layers to raw outputs; ``output`` makes them predictions, ``loss`` compares them with labels.

    ``loss`` and ``distance`` give one value per sample, so that the caller decides which rows count.
    """

    def __init__(self, width: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, outputs)
        )

    def forward(self, fused: Float[Tensor, "batch width"]) -> Float[Tensor, "batch outputs"]:
        raw: Tensor = self.layers(fused)
        return raw

    @abc.abstractmethod
    def output(self, raw: Float[Tensor, "batch outputs"]) -> Output:
        """``[B]`` values or ``[B, C]`` probabilities."""

    @abc.abstractmethod
    def loss(self, raw: Float[Tensor, "batch outputs"], labels: Labels) -> Float[Tensor, " batch"]:
        """The task loss of each sample; at unknown labels it is finite and has no meaning."""

    @abc.abstractmethod
    def distance(
        self, raw: Float[Tensor, "batch outputs"], teacher: Float[Tensor, "batch outputs"]
    ) -> Float[Tensor, " batch"]:
        """How far a prediction is from a teacher's; zero where they agree up to the teacher's entropy."""

    @abc.abstractmethod
    def constant(self, labels: Labels) -> Float[Tensor, " outputs"]:
        """The raw outputs of least mean loss that are the same for every sample; zeros where no label is known."""

    def mean_loss(self, raw: Float[Tensor, "batch outputs"], labels: Labels) -> Float[Tensor, ""]:
        """Mean task loss over the samples whose label is known (zero if none is), each with its weight."""
        return (self.loss(raw, labels) * self.weight(labels)).sum() / self.known(labels).sum().clamp(min=1.0)

    def weight(self, labels: Labels) -> Float[Tensor, " batch"]:
        """What each sample counts in a mean loss: nothing where its label is unknown, else 1 or its class's weight."""
        return self.known(labels)

    @staticmethod
    def known(labels: Labels) -> Float[Tensor, " batch"]:
        """One where the label is known, zero where it is NaN or -1."""
        return (torch.isfinite(labels) if labels.is_floating_point() else labels >= 0).float()


class RegressionHead(Head):
    """One real value, L1.

    Raw outputs are in deviations from the centre of the training labels (``Task.centre``, ``Task.scale``), where they
    start; what it gives is in the label's own units.  So neither the unit nor the offset of a label changes what is
    learned.
    """

    def __init__(self, width: int, task: Task, dropout: float) -> None:
        super().__init__(width, 1, dropout)
        self.task = task

    def output(self, raw: Float[Tensor, "batch outputs"]) -> Output:
        return in_own_units(raw[:, 0], self.task)

    def loss(self, raw: Float[Tensor, "batch outputs"], labels: Labels) -> Float[Tensor, " batch"]:
        return (raw[:, 0] - standardised(labels, self.task).to(raw.dtype)).abs()

    def distance(
        self, raw: Float[Tensor, "batch outputs"], teacher: Float[Tensor, "batch outputs"]
    ) -> Float[Tensor, " batch"]:
        # Divergence of Laplace distributions of scale 1, whose likelihood L1 is: as the classes' is, it is flat where
        # they agree, so that it weighs less the nearer they are.  |gap| itself would outweigh the label to the last.
        gap = (raw[:, 0] - teacher[:, 0]).abs()
        return gap + torch.expm1(-gap)

    def constant(self, labels: Labels) -> Float[Tensor, " outputs"]:
        known = standardised(labels, self.task)[self.known(labels) > 0]
        return known.median()[None] if len(known) else labels.new_zeros(1)


def standardised(labels: Float[Tensor, " batch"], task: Task) -> Float[Tensor, " batch"]:
    """Real labels in deviations from their centre; zero where unknown."""
    known = torch.where(torch.isfinite(labels), labels, task.centre)
    return (known - task.centre) / task.scale


def in_own_units(values: Float[Tensor, " batch"], task: Task) -> Float[Tensor, " batch"]:
    """The inverse of ``standardised``; float64 where the task needs it."""
    return (values.double() if task.double else values) * task.scale + task.centre


class ClassHead(Head):
    """C classes, cross-entropy; each class with a weight of its own where ``weigh`` set one."""

    # No buffer: weights are of training alone, and no part of the state that predictions are made with.
    weights: Tensor | None = None

    def __init__(self, width: int, task: Task, dropout: float) -> None:
        super().__init__(width, task.output_dim, dropout)

    def weigh(self, weights: Sequence[float]) -> None:
        """Sets what a sample of each class counts in the mean loss; on the device where the head is."""
        self.weights = torch.tensor(weights, device=next(self.parameters()).device)

    def weight(self, labels: Labels) -> Float[Tensor, " batch"]:
        known = super().weight(labels)
        return known if self.weights is None else known * self.weights[self.codes(labels)]

    def output(self, raw: Float[Tensor, "batch outputs"]) -> Output:
        return raw.softmax(dim=1)

    def loss(self, raw: Float[Tensor, "batch outputs"], labels: Labels) -> Float[Tensor, " batch"]:
        return F.cross_entropy(raw, self.codes(labels), reduction="none")

    def distance(
        self, raw: Float[Tensor, "batch outputs"], teacher: Float[Tensor, "batch outputs"]
    ) -> Float[Tensor, " batch"]:
        return F.kl_div(raw.log_softmax(1), teacher.log_softmax(1), log_target=True, reduction="none").sum(dim=1)

    def constant(self, labels: Labels) -> Float[Tensor, " outputs"]:
        """Logarithms of the classes' (weighted) frequencies, one added to each count."""
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        counts = torch.bincount(self.codes(labels[self.known(labels) > 0]), minlength=last.out_features) + 1.0
        counts = counts if self.weights is None else counts * self.weights
        return (counts / counts.sum()).log()

    def codes(self, labels: Labels) -> Int[Tensor, " batch"]:
        """The class of every known label."""
        return labels.long().clamp(min=0)


class SevenClassHead(ClassHead):
    """Seven classes -3 .. 3 by rounding half to even, cross-entropy; the prediction is the expectation.

    At a sure classifier this is the class itself, at an unsure one the mean: ACC2 and ACC7 come from one value.
    """

    values: Tensor

    def __init__(self, width: int, task: Task, dropout: float) -> None:
        super(ClassHead, self).__init__(width, 7, dropout)
        self.register_buffer("values", torch.arange(-3.0, 4.0), persistent=False)

    def output(self, raw: Float[Tensor, "batch outputs"]) -> Output:
        return raw.softmax(dim=1) @ self.values.to(raw.dtype)

    def codes(self, labels: Labels) -> Int[Tensor, " batch"]:
        """The rounded value of every label, from 0."""
        return torch.nan_to_num(labels).clamp(-3, 3).round().long() + 3


def make_head(kind: str, width: int, task: Task, dropout: float) -> Head:
    """The head for a task.

    Args:
        kind: ``auto``, ``l1``, ``cross_entropy``, ``seven_class``, or ``classes``: cross-entropy where the label has
            classes or is a sentiment, L1 elsewhere.
        width: of the fused vector.
        task: what is predicted.
        dropout: in the perceptron.

    Raises:
        ConfigError: the kind cannot serve the task.
    """
    classes = task.kind == "classification"
    automatic = "cross_entropy" if classes else "seven_class" if kind == "classes" and task.sentiment else "l1"
    chosen = automatic if kind in ("auto", "classes") else kind
    if classes != (chosen == "cross_entropy"):
        raise ConfigError(
            f"head '{chosen}' cannot predict a {task.kind} label", "set fusion.head to 'auto', or choose another label"
        )
    if chosen == "seven_class":
        if not task.sentiment:
            raise ConfigError(
                f"head 'seven_class' is for sentiment in [-3, 3], which label '{task.label}' is not declared to be",
                "if it is one, say so: `md2n data import DATA --out STORE --known mosi`, and train on STORE; "
                "if not, set the method's head to 'l1' (of md2n: --set model.fusion.head=l1)",
            )
        return SevenClassHead(width, task, dropout)
    return ClassHead(width, task, dropout) if classes else RegressionHead(width, task, dropout)
