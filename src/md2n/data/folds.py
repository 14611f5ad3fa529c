"""Folds: the rows of a data set split anew, people and videos whole, each row once in the part that is judged.

The test split of a small set holds fifty to four hundred rows, of a dozen people: five test splits that share no row
tell five times as much.  Folds hang on names alone, those of groups or else of samples, so they are the same for every
method, seed and machine, and in whichever order the rows stand.
"""

import hashlib
import warnings
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from md2n.data.config import DataConfig
from md2n.data.leaks import identity_columns
from md2n.data.samples import UNASSIGNED, Array, Samples
from md2n.errors import DataError

VALIDATION = 5  # one part in so many of what is not test
FIXED = "fixed_split"  # key of ``Samples.source``: why these data may not be split anew

Codes = npt.NDArray[np.int64]


def group_names(samples: Samples) -> Array:
    """``[N]``; who or where each sample comes from (person before video), or its own id where that is not known."""
    ids = np.asarray(samples.ids, np.str_)
    column = next(iter(identity_columns(samples)), "")
    if not column:
        return ids
    names = np.asarray(samples.groups[column], np.str_)
    return np.where(names == "", np.char.add("row ", ids), names)


def folds_of(samples: Samples, rows: Codes, folds: int, label: str = "") -> Codes:
    """``[len(rows)]``; the fold of each of these rows, 0 to ``folds - 1``.

    No group is in two folds.  Sizes, and shares of classes where the label has them, are as even as groups permit
    (scikit-learn's ``GroupKFold`` and ``StratifiedGroupKFold``; without ``Group`` where each row is one).

    Args:
        samples: whose rows.
        rows: row numbers.
        folds: at least 2.
        label: column; the set's default if empty.

    Raises:
        DataError: fewer groups than folds.
        UsageError: no such label.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    names, code = np.unique(group_names(samples)[rows], return_inverse=True)
    if len(names) < folds:
        raise DataError(
            f"'{samples.name}' has {len(names)} groups to make {folds} folds of", f"give at most {len(names)} folds"
        )
    # In the order of a digest: names are often sorted by something that the label hangs on.
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names.tolist()]
    rank = np.argsort(np.argsort(np.asarray(digests)))[code.reshape(-1)]
    column = samples.label(label)
    values = np.asarray(column.values)[rows]
    order = np.argsort(rank, kind="stable")
    kinds = (StratifiedKFold, StratifiedGroupKFold) if column.task.classes else (KFold, GroupKFold)
    splitter = kinds[len(names) < len(rows)](folds)
    fold = np.empty(len(rows), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a class with fewer rows than there are folds
        for number, (_, part) in enumerate(splitter.split(order, values[order], rank[order])):
            fold[order[part]] = number
    return fold


def split_anew(samples: Samples, config: DataConfig) -> Samples:
    """The samples with fold ``config.fold`` of ``config.folds`` as test split and a fifth of the rest as validation.

    As they are where no fold is asked for.  Rows of no split stay of none.

    Raises:
        DataError: fewer groups than folds, or data whose protocol forbids another split.
        UsageError: no such label.
    """
    if config.fold is None or config.folds is None:
        return samples
    if reason := samples.source.get(FIXED):
        raise DataError(f"'{samples.name}' may not be split anew: {reason}", "leave data.fold and data.folds out")
    rows = np.flatnonzero(samples.split != UNASSIGNED)
    held = folds_of(samples, rows, config.folds, config.label) == config.fold
    split = samples.split.copy()
    split[rows[held]] = 2
    rest = rows[~held]
    parts = min(VALIDATION, len(np.unique(group_names(samples)[rest])))
    if parts < 2:
        raise DataError(
            f"'{samples.name}' has {parts + 1} groups: too few for a training, a validation and a test split",
            "leave data.fold and data.folds out",
        )
    split[rest] = folds_of(samples, rest, parts, config.label) == 0
    return replace(samples, split=split)
