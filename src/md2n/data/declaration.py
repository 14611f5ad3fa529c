"""What a label means, declared after it was read: its range, whether zero is neutral, which values are unknown.

A reader sees numbers; that they are a sentiment in [-3, 3] only a person or a known data set can say.  It decides which
measures and heads a label has, and can be declared for any data, also for a store that was written before.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from md2n.brief import first_few
from md2n.data.known_sets import known_set
from md2n.data.readers.labels import UNUSED, is_unknown, label_column
from md2n.data.samples import Array, LabelColumn, Samples
from md2n.data.target import check_range
from md2n.errors import DataError, UsageError, did_you_mean

Range = tuple[float, float]


@dataclass(frozen=True)
class Meaning:
    """A declaration of what labels mean.  The name "" is that of the default column.

    Args:
        known: a data set of ``md2n.data.known_sets``: the default column, and columns with the names of its labels,
            take their ranges.
        ranges: label column -> least and greatest value; these go before ``known``.
        sentiment: label columns whose sign carries the meaning and whose zero is neutral; they need a range.
        unknown: label values that mean "not known".
    """

    known: str = ""
    ranges: Mapping[str, Range] = field(default_factory=dict)
    sentiment: Sequence[str] = ()
    unknown: Sequence[Any] = ()


def declare(samples: Samples, meaning: Meaning) -> Samples:
    """The same samples with declared labels; ``md2n data check`` compares them with the known set.

    Raises:
        DataError, UsageError: as ``declare_columns``.
    """
    columns = declare_columns(
        samples.labels, meaning, default=samples.default_label, data=samples.name, ids=samples.ids
    )
    source = {**samples.source, "schema": meaning.known} if meaning.known else samples.source
    return replace(samples, labels=columns, source=source)


def declare_columns(
    columns: Mapping[str, LabelColumn], meaning: Meaning, *, default: str = "", data: str, ids: Array
) -> dict[str, LabelColumn]:
    """The same label columns, declared; classes that are whole numbers become real values where a range is declared.

    Args:
        columns: as read.
        meaning: the declaration.
        default: name of the default column; the first if empty.
        data: name of the data, for messages.
        ids: ``[N]`` of the samples.

    Raises:
        DataError: labels outside their range, named by their samples; words where a range is declared.
        UsageError: no such known set or label column, an invalid range, a sentiment without a range around zero.
    """
    meant = _meant(columns, meaning, default or next(iter(columns), ""))
    new_columns = {}
    for name, column in columns.items():
        if name not in meant and not len(meaning.unknown):
            new_columns[name] = column
            continue
        low, high, signed = meant.get(name, (column.task.low, column.task.high, column.task.sentiment))
        new_columns[name] = _again(column, name, meaning.unknown, low, high, signed, ranged=name in meant)
        check_range(new_columns[name].task, new_columns[name].values, data, ids)
    return new_columns


def keep_meaning(samples: Samples, older: Samples) -> tuple[Samples, list[str]]:
    """The samples with what was declared when the same data were imported before, and a note for each such column.

    Args:
        samples: as read now.
        older: the store that is replaced; data of another name say nothing.
    """
    notes = []
    for name, column in samples.labels.items() if older.name == samples.name else ():
        before = older.labels[name].task if name in older.labels else column.task
        if not (math.isfinite(before.low) and math.isfinite(before.high)) or math.isfinite(column.task.low):
            continue
        claim = f"label '{name}': {'sentiment' if before.sentiment else 'range'} [{before.low:g}, {before.high:g}]"
        try:
            signed = (name,) if before.sentiment else ()
            declared = declare(samples, Meaning(ranges={name: (before.low, before.high)}, sentiment=signed))
        except DataError:
            notes.append(f"{claim}, declared when it was imported before, does not hold any more and was dropped")
            continue
        known = str(older.source.get("schema", ""))
        samples = replace(declared, source={**samples.source, "schema": known}) if known else declared
        notes.append(f"{claim} is as declared when it was imported before; --known none drops it")
    return samples, notes


def _meant(columns: Mapping[str, LabelColumn], meaning: Meaning, default: str) -> dict[str, tuple[float, float, bool]]:
    """Label column -> low, high, sentiment, of the columns of which something is said."""
    scales: dict[str, tuple[float, float, bool]] = {}
    if meaning.known:
        facts = known_set(meaning.known)
        places = {name: facts.labels.index(name) for name in columns if name in facts.labels}
        for name, place in ({default: 0} | places).items() if default else ():
            low, high = facts.label_range(place)
            if math.isfinite(low):
                scales[name] = (low, high, facts.sentiment and place == 0)
    for column, (low, high) in meaning.ranges.items():
        name = _column(columns, column or default)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise UsageError(f"label '{name}': [{low:g}, {high:g}] is no range", "two numbers, the lower first: -3,3")
        signed = scales[name][2] if name in scales else columns[name].task.sentiment
        scales[name] = (float(low), float(high), signed)
    for column in meaning.sentiment:
        name = _column(columns, column or default)
        low, high = scales[name][:2] if name in scales else (columns[name].task.low, columns[name].task.high)
        if not (math.isfinite(low) and math.isfinite(high) and low < 0 < high):
            raise UsageError(
                f"label '{name}': a sentiment needs a range with zero inside, not [{low:g}, {high:g}]",
                f"declare it as well: --range {name}=-3,3",
            )
        scales[name] = (low, high, True)
    return scales


def _column(columns: Mapping[str, LabelColumn], name: str) -> str:
    if name not in columns:
        message = f"there is no label column '{name}'" if name else "there are no labels of which to say anything"
        raise UsageError(message, did_you_mean(name, columns))
    return name


def _again(
    column: LabelColumn, name: str, unknown: Sequence[Any], low: float, high: float, sentiment: bool, ranged: bool
) -> LabelColumn:
    """The column as it would have been read with this known."""
    task, words = column.task, None
    if task.kind == "classification":
        codes = np.asarray(column.values, np.int64)
        words = np.array([*task.classes, ""], dtype=object)[codes].astype(np.str_)
        if not ranged:
            left = [c for c in task.classes if not c.startswith(UNUSED) and not is_unknown(c, unknown)]
            return label_column(words, name, classes=left, unknown=unknown)
    values = column.values if words is None else words
    try:
        return label_column(values, name, kind="regression", unknown=unknown, low=low, high=high, sentiment=sentiment)
    except DataError as error:
        if words is None:
            raise
        raise DataError(
            f"label '{name}' has a range declared, but its values are words: {first_few(task.classes, 5)}",
            f"name the column that holds numbers: --range NAME={low:g},{high:g}, or --label NAME",
        ) from error
