"""Which training samples are learned from: all, the complete ones, or the complete ones weighted."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.data.config import DataConfig
from md2n.data.dataset import MultimodalDataset, iterate
from md2n.data.folds import group_names
from md2n.data.propensity import GapWeights, gap_weights
from md2n.data.samples import Samples
from md2n.data.target import known_labels
from md2n.errors import DataError

ALWAYS = 0.99  # share of the samples that have a modality which weights may be made from


@dataclass(frozen=True, eq=False)
class Cases:
    """Training rows, and how often each is drawn.

    Args:
        rows: row numbers, rising.
        weights: ``[len(rows)]``, one on average; None where all count alike.
        notes: what a person should know of them.
    """

    rows: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()

    __repr__ = brief


def complete_rows(samples: Samples, config: DataConfig) -> npt.NDArray[np.int64]:
    """The training rows, or those of them that have every modality, as ``config.cases`` says.

    Raises:
        DataError: none of these has a label.
        UsageError: no such label.
    """
    rows = samples.rows("train")
    if config.cases == "all":
        return rows
    rows = rows[samples.present[rows].all(axis=1)]
    label = samples.label(config.label)
    if not known_labels(label.task, np.asarray(label.values))[rows].any():
        raise DataError(
            f"no training sample of '{samples.name}' with a label has every modality",
            f"leave data.cases = '{config.cases}' out, or leave out the modality with the most gaps (data.modalities)",
        )
    return rows


def cases_of(everyone: MultimodalDataset, config: DataConfig) -> Cases:
    """Training rows with their weights.

    Args:
        everyone: all training rows, normalised.
        config: ``cases``.

    Raises:
        DataError: weights were asked for, and no modality is in every training sample.
    """
    held = np.asarray(everyone.present.all(axis=1))
    if config.cases == "all" or held.all():
        return Cases(everyone.rows)
    rows, counts = everyone.rows[held], f"{int(held.sum())} of {len(held)} training samples are complete"
    if config.cases == "complete":
        return Cases(rows, notes=(f"{counts}: the others are left out",))
    whole = always_there(everyone)
    if not whole:
        raise DataError(
            f"data.cases = 'weighted', but no modality is in every training sample of '{everyone.samples.name}'",
            "weights have nothing to go by: choose data.cases = 'all' or 'complete'",
        )
    balance = weights_of(everyone, held)
    by = f"weighted by what {', '.join(whole)} say"
    even = f"which samples these are cannot be predicted from {', '.join(whole)}, so that all count alike"
    sentence = f"{by}; they tell as much as {balance.effective:.0f} equal ones" if balance.uneven else even
    return Cases(rows, balance.weights[held], (f"{counts}, {sentence}", *balance.notes("complete samples")))


def weights_of(dataset: MultimodalDataset, held: npt.NDArray[np.bool_], seed: int = 0) -> GapWeights:
    """``gap_weights`` of the samples of a data set, from the modalities that ``always_there`` names.

    Args:
        dataset: N samples.
        held: ``[N]``; True where a sample has what is needed.
        seed: of the folds.
    """
    groups = group_names(dataset.samples)[dataset.rows]
    return gap_weights(time_means(dataset, always_there(dataset)), held, groups, seed)


def always_there(dataset: MultimodalDataset) -> tuple[str, ...]:
    """The modalities that at least ``ALWAYS`` of the samples have."""
    share = dataset.present.mean(axis=0)
    return tuple(n for n, s in zip(dataset.samples.names, share) if s >= ALWAYS)


def time_means(dataset: MultimodalDataset, names: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """``[N, sum of d_k]``: means over time of the known numbers of these modalities; 0, the centre, where none is."""
    parts = []
    for batch in iterate(dataset, 1024) if names else ():
        sums = [batch.readable(n).double().sum(dim=1) for n in names]
        counts = [batch.known(n).sum(dim=1).clamp(min=1) for n in names]
        parts.append(np.concatenate([(s / c).numpy() for s, c in zip(sums, counts)], axis=1))
    return np.concatenate(parts) if parts else np.zeros((len(dataset), 0))
