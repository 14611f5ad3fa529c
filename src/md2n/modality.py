"""Modalities and task of a data set, as a model sees them.  No arrays here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from md2n.errors import DataError, UsageError, did_you_mean

BLUR = 1e-3  # of a label's scale: rounding beyond it would be seen in a measure
FLOAT32_ROUNDING = 2.0**-24  # of a number, at most
FLOAT32_SCALES = (1e-30, 1e30)  # within them, labels of a few hundred deviations are normal numbers of float32
LOPSIDED = 5.0  # times as many samples as the rarest class has: beyond it the largest class outweighs the others


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
        centre: of the training labels, in their own units; methods learn ``(label - centre) / scale``.
        scale: deviation of the training labels around it, in their own units, > 0; with 0 and 1 (nothing was measured)
            methods learn the label as it is.
        counts: training samples of each class, in the order of ``classes``; empty where nothing was counted.

    Raises:
        DataError: fewer than two classes, counts of other classes, or a scale that nothing can be divided by.
    """

    kind: Literal["regression", "classification"]
    label: str = "y"
    classes: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    sentiment: bool = False
    centre: float = 0.0
    scale: float = 1.0
    counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "classification" and len(self.classes) < 2:
            raise DataError(f"label '{self.label}' has {len(self.classes)} class(es)", "two classes are the least")
        if not (math.isfinite(self.centre) and 0 < self.scale < math.inf):
            raise DataError(
                f"label '{self.label}' has centre {self.centre:g} and scale {self.scale:g}",
                "both are finite numbers, the scale above 0; the labels may be too far apart for a number",
            )
        if self.counts and len(self.counts) != len(self.classes):
            raise DataError(
                f"label '{self.label}' has {len(self.counts)} counts for {len(self.classes)} classes", "give one each"
            )

    @property
    def output_dim(self) -> int:
        """Numbers a head gives per sample: C for classes, 1 for regression."""
        return len(self.classes) if self.kind == "classification" else 1

    @property
    def double(self) -> bool:
        """Whether labels and predictions need float64, because float32 would blur them."""
        return needs_double(self.centre, self.scale)

    @property
    def lopsided(self) -> bool:
        """Whether the largest class has more than ``LOPSIDED`` times the training samples of the rarest that occurs."""
        occurring = [count for count in self.counts if count]
        return bool(occurring) and max(occurring) > LOPSIDED * min(occurring)


def needs_double(centre: float, scale: float) -> bool:
    """Whether rounding to float32 moves labels by more than ``BLUR`` of their scale, or loses them altogether."""
    least, most = FLOAT32_SCALES
    return abs(centre) * FLOAT32_ROUNDING > BLUR * scale or not least < scale < most


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
