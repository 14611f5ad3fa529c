"""Public facts of the field's data sets, to compare a file with.

These are checks, never settings: nothing is built with a dimension or a split size from this table.  A difference is a
warning, because people extract their own features and make their own splits.  Only the label range decides something:
the task that a reader declares.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from md2n.data.finding import Finding
from md2n.data.samples import SPLITS, Samples
from md2n.errors import UsageError, did_you_mean

Sizes = tuple[int, int, int]


@dataclass(frozen=True)
class Leak:
    """A known leak of released features: a modality of a certain size on the standard split.

    Args:
        modality: its name.
        dim: feature size by which the release is recognised.
        message: what is known.
        hint: the way around it.
    """

    modality: str
    dim: int
    message: str
    hint: str


@dataclass(frozen=True)
class KnownSet:
    """One published data set.

    Args:
        title: as papers write it.
        low: least label.
        high: greatest label.
        sentiment: the sign of the label carries the meaning.
        splits: (train, valid, test) sizes in use, with where each is found.
        dims: feature sizes of released files, modality by modality, with where each is found.
        labels: names of the label columns of the released label file, in order.
        classes: class names where labels are classes.
        intensities: range of the label columns after the first, where it is another one.
        clip: the released label file holds values beyond the range, which readers clip.
        folds: the standard folds are packaged under this name.
        leaks: leaks that are known.
    """

    title: str
    low: float = -math.inf
    high: float = math.inf
    sentiment: bool = False
    splits: Mapping[Sizes, str] = field(default_factory=dict)
    dims: tuple[tuple[Mapping[str, int], str], ...] = ()
    labels: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    intensities: tuple[float, float] = (-math.inf, math.inf)
    clip: bool = False
    folds: str = ""
    leaks: tuple[Leak, ...] = ()

    def label_range(self, column: int) -> tuple[float, float]:
        """Least and greatest value of a label column, by its position in the label file."""
        return (self.low, self.high) if column == 0 else self.intensities


KNOWN: Mapping[str, KnownSet] = {
    "mosi": KnownSet(
        title="CMU-MOSI",
        low=-3.0,
        high=3.0,
        sentiment=True,
        splits={(1284, 229, 686): "the standard folds"},
        dims=(
            (
                {"text": 768, "audio": 5, "vision": 20},
                "MMSA pickles (BERT, five COVAREP columns, twenty FACET columns)",
            ),
            ({"text": 300, "audio": 5, "vision": 20}, "MulT pickles (GloVe)"),
            ({"text": 300, "audio": 74, "vision": 47}, "CMU SDK files (GloVe, COVAREP, FACET)"),
        ),
        labels=("sentiment",),
        folds="mosi",
        leaks=(
            Leak(
                modality="vision",
                dim=100,
                message="these 100 features come from a 3D-CNN that was trained with sentiment labels on 24 of the 31 "
                "standard test videos: a linear probe reaches .92 ACC2 on those videos and .51 on the others",
                hint="use text and audio on this split, or 'mosi_clean', whose rows the network never saw",
            ),
        ),
    ),
    "mosei": KnownSet(
        title="CMU-MOSEI",
        low=-3.0,
        high=3.0,
        sentiment=True,
        splits={
            (16326, 1871, 4659): "the standard folds, as the released pickles count segments",
            (15290, 2291, 4832): "the standard folds, as a part of the literature counts segments",
        },
        dims=(
            ({"text": 768, "audio": 74, "vision": 35}, "MMSA pickles (BERT, COVAREP, FACET)"),
            ({"text": 300, "audio": 74, "vision": 35}, "MulT pickles and CMU SDK files (GloVe)"),
            ({"text": 300, "audio": 74, "vision": 713}, "CMU SDK files (GloVe, COVAREP, OpenFace 2)"),
        ),
        labels=("sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear"),
        intensities=(0.0, 3.0),
        clip=True,
        folds="mosei",
    ),
    "ch-sims": KnownSet(
        title="CH-SIMS",
        low=-1.0,
        high=1.0,
        sentiment=True,
        splits={(1368, 456, 457): "the published split"},
        dims=(({"text": 768, "audio": 33, "vision": 709}, "MMSA pickles (BERT, librosa, OpenFace 2)"),),
        labels=("regression_labels", "regression_labels_T", "regression_labels_A", "regression_labels_V"),
    ),
    "iemocap": KnownSet(
        title="IEMOCAP",
        splits={(2717, 798, 938): "MulT's split"},
        dims=(({"text": 300, "audio": 74, "vision": 35}, "MulT pickles (GloVe, COVAREP, FACET)"),),
        labels=("neutral", "happy", "sad", "angry"),
        classes=("neutral", "happy", "sad", "angry"),
    ),
}


def known_set(name: str) -> KnownSet:
    """A known data set by name.

    Raises:
        UsageError: no such name.
    """
    if name not in KNOWN:
        raise UsageError(f"no known data set is called '{name}'", did_you_mean(name, KNOWN))
    return KNOWN[name]


def recognise(sizes: Sizes) -> str:
    """The name of the known set with these split sizes, or ``""``."""
    return next((name for name, known in KNOWN.items() if sizes in known.splits), "")


def compare(samples: Samples, name: str) -> Iterator[Finding]:
    """Compares a data set with what is known of ``name``: split sizes, feature sizes, known leaks.

    Label ranges are not compared here: a reader declares them in the task, and ``check`` compares labels with their
    task.

    Raises:
        UsageError: no such name.
    """
    known, sizes = known_set(name), _sizes(samples)
    if known.splits and sizes not in known.splits and sum(sizes):
        theirs = " or ".join(f"{'/'.join(map(str, s))} ({where})" for s, where in known.splits.items())
        message = f"train/valid/test hold {'/'.join(map(str, sizes))} samples; {known.title} has {theirs}"
        hint = "results on another split cannot be compared with published ones; say which split you use"
        yield Finding("warning", "split-size", message, hint)
    strange = []
    for modality, ragged in samples.modalities.items():
        released = {dims[modality] for dims, _ in known.dims if modality in dims}
        if released and ragged.dim not in released:
            strange.append(f"{modality} has {ragged.dim} (released: {', '.join(map(str, sorted(released)))})")
    if strange:
        message = f"feature sizes are not those of released {known.title} files: {'; '.join(strange)}"
        hint = "fine for features of your own; otherwise check that it is the file you think it is"
        yield Finding("warning", "feature-size", message, hint)
    for leak in known.leaks if sizes in known.splits else ():
        if leak.modality in samples.modalities and samples.modalities[leak.modality].dim == leak.dim:
            yield Finding("error", "known-leak", f"{leak.modality}: {leak.message}", leak.hint)


def _sizes(samples: Samples) -> Sizes:
    train, valid, test = (int(np.sum(samples.split == code)) for code in range(len(SPLITS)))
    return train, valid, test
