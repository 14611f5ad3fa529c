"""Settings of how data come in; no arrays and no torch here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from md2n.errors import ConfigError


@dataclass(frozen=True)
class DataConfig:
    """Which data, which label, which modalities, and how they are normalised.

    Args:
        name: a ready name (``md2n data list``), a store, or a feature file.
        label: label column; the set's default if empty.
        modalities: which ones, in this order; all the set offers if empty.
        split: an alternative split column of the set (``original`` of ict_mmmo); the set's default if empty.
        fold: which of ``folds`` is the test split, from 0; the split of the set itself if absent.
        folds: into how many the rows are split anew, people and videos whole; of the rest a fifth is validation.
        normalise: ``auto`` is the set's own preference (``log`` for counts), else ``robust``.
            ``robust``: mean and deviation of values clipped to the 1st and 99th percentile of the training split;
            ``standard``: plain mean and deviation; ``log``: log(1 + x) first; ``none``: as they are.
        group: column whose members are normalised apart first (per actor, per subject): ``auto`` is the set's own
            preference, empty turns it off.
        limit: normalised values are clipped to +-limit.
        root: folder of the ready sets, where it is not found by itself.
        hide: modality -> rate at which it is hidden from training and validation samples for good, drawn once per
            sample by its id and the run's seed.
        cases: which training samples are learned from.  ``all``; ``complete``: those that have every modality;
            ``weighted``: those, each drawn as often as it takes to stand for the incomplete ones that are like it in
            the modalities that every sample has (``md2n.data.propensity``).
    """

    name: str = "digits"
    label: str = ""
    modalities: tuple[str, ...] = ()
    split: str = ""
    fold: Annotated[int, Ge(0)] | None = None
    folds: Annotated[int, Ge(2)] | None = None
    normalise: Literal["auto", "robust", "standard", "log", "none"] = "auto"
    group: str = "auto"
    limit: Annotated[float, Gt(0)] = 10.0
    root: str = ""
    # A table that is empty leaves no trace in a configuration's hash: runs of before there was it are the same.
    hide: Mapping[str, Annotated[float, Ge(0), Le(1)]] = field(default_factory=dict)
    cases: Literal["all", "complete", "weighted"] = "all"

    def __post_init__(self) -> None:
        if (self.fold is None) != (self.folds is None):
            alone = "fold" if self.folds is None else "folds"
            raise ConfigError(f"data.{alone} without the other", "give both, for instance data.fold=0 data.folds=5")
        if self.fold is not None and self.folds is not None and self.fold >= self.folds:
            raise ConfigError(f"there is no fold {self.fold} of {self.folds}", f"choose 0 to {self.folds - 1}")
