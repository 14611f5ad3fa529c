"""What a data set looks like to a model: its modalities and its task.  No arrays here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from md2n.errors import DataError, UsageError, did_you_mean


@dataclass(frozen=True)
class Modality:
    """One modality k: frames ``X_k [T_k, d_k]``.

    Args:
        name: a word without spaces, ``+`` or ``,``.
        dim: feature size d_k >= 1.
        length: the longest T_k in the data; 1 makes it a vector modality.
        gaps: True where single numbers of the training data are unknown: what reads the modality is then given one
            more number for each feature, 1 where the feature is unknown.
    """

    name: str
    dim: int
    length: int = 1
    gaps: bool = False

    def __post_init__(self) -> None:
        if not self.name or any(c in self.name for c in "+,/ \t\n"):
            raise DataError(
                f"'{self.name}' cannot name a modality", "use a word without spaces and without any of + , /"
            )
        if self.dim < 1 or self.length < 1:
            raise DataError(f"modality '{self.name}' has dim {self.dim} and length {self.length}", "both must be >= 1")

    @property
    def is_vector(self) -> bool:
        """True where every sample has exactly one frame."""
        return self.length == 1

    @property
    def input_dim(self) -> int:
        """Numbers per frame that an encoder reads: the features, and with ``gaps`` a flag for each."""
        return 2 * self.dim if self.gaps else self.dim


@dataclass(frozen=True)
class Task:
    """What is predicted.

    Args:
        kind: ``regression`` (one real value) or ``classification`` (one of ``classes``).
        label: name of the label column.
        classes: class names in the order of their codes 0..C-1; empty for regression.
        low: least value a regression label may take (``-inf``: not declared).
        high: greatest value a regression label may take.
        sentiment: True where zero is neutral and the sign carries the meaning (MOSI, MOSEI, CH-SIMS); switches ACC2,
            ACC7 and weighted F1 on.
    """

    kind: Literal["regression", "classification"]
    label: str = "y"
    classes: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    sentiment: bool = False

    def __post_init__(self) -> None:
        if self.kind == "classification" and len(self.classes) < 2:
            raise DataError(f"label '{self.label}' has {len(self.classes)} class(es)", "two classes are the least")

    @property
    def output_dim(self) -> int:
        """Numbers a head gives per sample: C for classes, 1 for regression."""
        return len(self.classes) if self.kind == "classification" else 1


@dataclass(frozen=True)
class Schema:
    """Modalities in their fixed order, and the task: all a model needs to know to be built.

    Raises:
        DataError: fewer than two modalities, or two of one name.
    """

    modalities: tuple[Modality, ...]
    task: Task

    def __post_init__(self) -> None:
        names = self.names
        if len(names) < 2:
            raise DataError(f"{len(names)} modality is not multimodal", "give at least two modalities")
        if len(set(names)) != len(names):
            raise DataError(f"two modalities share a name: {', '.join(names)}", "name each modality once")

    @property
    def names(self) -> tuple[str, ...]:
        """Modality names in order; the columns of ``present`` and ``available``."""
        return tuple(m.name for m in self.modalities)

    def index(self, name: str) -> int:
        """Column of modality ``name``.

        Raises:
            UsageError: no such modality; the hint names the nearest.
        """
        if name not in self.names:
            raise UsageError(f"no modality is called '{name}'", did_you_mean(name, self.names))
        return self.names.index(name)


def set_name(names: Sequence[str]) -> str:
    """How a set of modalities is written everywhere: ``audio+text``, in the order given."""
    return "+".join(names)
