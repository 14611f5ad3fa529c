"""One table with all modalities side by side: which of its columns belong to which modality.

A modality is named with its columns: a list of them, the name of one (a column of lists: a sequence or an embedding per
cell), a pattern (``acc_*``), or what their names begin with (``acc_``).  Without such names they are guessed from what
column names begin with, and a note says what was guessed.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from md2n.brief import first_few
from md2n.errors import DataError, UsageError, did_you_mean

Columns = Mapping[str, tuple[Any, ...]]
"""Modality -> its columns, in order."""
Wanted = Mapping[str, str | int | slice | Sequence[Any]]
"""Modality -> its columns, by name, number, pattern or first letters."""
COLUMNS = "columns"
"""The key of a data set's source, and of a run's facts, that has its ``Columns``."""
MOST_GUESSED = 12
_FIRST = re.compile(r"([^\W_]+?)(?:[_.:\- ]|\d*$)")


def chosen_columns(names: Sequence[Any], wanted: Wanted) -> dict[str, tuple[Any, ...]]:
    """Modality -> columns, as a person named them.

    Args:
        names: of all columns of the table, in order.
        wanted: modality -> columns.

    Raises:
        UsageError: no modality, one without a column, or a column in two.

    >>> chosen_columns(["acc_x", "acc_y", "hr", "y"], {"acc": "acc_*", "heart": "hr"})
    {'acc': ('acc_x', 'acc_y'), 'heart': ('hr',)}
    """
    if not wanted:
        raise UsageError("no modality is named", "name them: {'acc': 'acc_*', 'gyro': ['g1', 'g2']}")
    columns = {modality: _columns(names, modality, which) for modality, which in wanted.items()}
    owner: dict[Any, str] = {}
    for modality, own in columns.items():
        for name in own:
            if owner.setdefault(name, modality) != modality:
                raise UsageError(
                    f"column '{name}' is in the modalities '{owner[name]}' and '{modality}'",
                    "a column belongs to one modality: name the columns of one of them in a list",
                )
    return columns


def _columns(names: Sequence[Any], modality: str, which: Any) -> tuple[Any, ...]:
    if isinstance(which, slice):
        own = tuple(names[which])
    elif isinstance(which, str):
        own = (which,) if which in names else tuple(n for n in names if _fits(str(n), which))
    else:
        listed = [which] if isinstance(which, int) else list(which)
        own = tuple(dict.fromkeys(_one(names, modality, one) for one in listed))
    if not own:
        raise UsageError(
            f"no column belongs to the modality '{modality}': {which!r} fits none",
            f"give names, a pattern ('acc_*') or first letters; {did_you_mean(str(which), map(str, names))}",
        )
    return own


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) if set(pattern) & set("*?[") else name.startswith(pattern)


def _one(names: Sequence[Any], modality: str, which: Any) -> Any:
    if which in names:
        return which
    if isinstance(which, int | np.integer) and -len(names) <= which < len(names):
        return names[int(which)]
    raise UsageError(
        f"there is no column {which!r} for the modality '{modality}'", did_you_mean(str(which), map(str, names))
    )


def guessed_columns(names: Iterable[Any], lists: Collection[Any] = ()) -> tuple[dict[str, tuple[Any, ...]], str]:
    """Modality -> columns by what names begin with (``acc`` of ``acc_x``, ``acc.x`` and ``acc1``), and a note.

    Args:
        names: of the columns that hold numbers or lists of numbers.
        lists: those that hold lists; each is a modality of its own.

    Raises:
        DataError: fewer than two modalities come of it, or more than anybody would give names to.

    >>> guessed_columns(["acc_x", "acc_y", "hr1", "hr2"])[0]
    {'acc': ('acc_x', 'acc_y'), 'hr': ('hr1', 'hr2')}
    """
    groups: dict[str, list[Any]] = {}
    for name in names:
        match = _FIRST.match(str(name))
        groups.setdefault(str(name) if name in lists or match is None else match[1], []).append(name)
    if not 2 <= len(groups) <= MOST_GUESSED:
        raise DataError(
            f"the columns make {len(groups)} modalities by what their names begin with: {first_few(groups, 6)}",
            "say which columns belong together: --modality 'acc=acc_*' --modality gyro=g1,g2, or in Python "
            "modalities={'acc': 'acc_*', 'gyro': ['g1', 'g2']}",
        )
    shown = "; ".join(f"{modality}: {_counted(own)}" for modality, own in groups.items())
    note = f"modalities were guessed from the names of columns ({shown}); name them yourself where that is wrong"
    return {modality: tuple(own) for modality, own in groups.items()}, note


def _counted(own: Sequence[Any]) -> str:
    return str(own[0]) if len(own) == 1 else f"{own[0]} to {own[-1]}, {len(own)} columns"
