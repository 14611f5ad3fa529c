"""Words in time from files that others made: tables, Praat TextGrid, GRID ``.align``.

``md2n data import --align words`` and ``md2n extract --words`` read them here, so that they give the same words.
Pauses (``pauses.is_pause``) are no words.  Of a TextGrid, and of a table with a column of tiers, the tier of words is
read: ``words``, or each that ends in it (``anna - words``, as the Montreal Forced Aligner names those of a speaker).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np

from md2n.data.readers.pauses import is_pause
from md2n.data.readers.text_table import comma_hint, open_table, read_text
from md2n.data.readers.tracks import ClipFrames, track_of
from md2n.errors import DataError, UsageError

SUFFIXES = (".csv", ".tsv", ".txt", ".textgrid", ".align")
GRID_TICKS = 25_000
"""GRID's unit of time, per second: 1000 for each of its 25 frames."""
COLUMNS = {
    "word": ("word", "text", "token", "label"),
    "start_s": ("start_s", "start", "begin", "xmin", "tmin"),
    "end_s": ("end_s", "end", "stop", "xmax", "tmax"),
}
TIERS = ("tier", "type")
"""Columns that say which tier a row belongs to, in tables that Praat and the Montreal Forced Aligner write."""
_MARKS = frozenset(COLUMNS["word"])
# Numbers are bounded, and begin where no other does, so that a search takes time in proportion to the text.
_LONG = re.compile(r'xmin\s*=\s*(\S{1,40})\s+xmax\s*=\s*(\S{1,40})\s+text\s*=\s*"((?:[^"]|"")*)"')
_TIME = r"(-?[\d.]{1,40}(?:[eE]-?\d{1,4})?)"
_SHORT = re.compile(rf'(?<![\d.]){_TIME}\s+{_TIME}\s+"((?:[^"]|"")*)"')
_TIER = re.compile(r'"IntervalTier"\s+(?:name\s*=\s*)?"((?:[^"]|"")*)"')
_OF_WORDS = re.compile(r"(.*[^a-z])?words?", re.IGNORECASE | re.DOTALL)


class _Label(NamedTuple):
    text: str
    start_s: float
    end_s: float


class _Labels(NamedTuple):
    """What a file holds before pauses are taken out, and what should be known of it."""

    labels: Sequence[_Label]
    notes: tuple[str, ...] = ()


def read_word_file(path: Path, tier: str = "") -> ClipFrames:
    """The words of one clip in order of time, without pauses.

    Args:
        path: ``.csv``, ``.tsv`` or ``.txt`` with the columns word, start_s and end_s (seconds), ``.TextGrid`` (long or
            short form), or ``.align``.
        tier: the tier of words; ``*`` matches anything, and the words of several tiers are put in order of time.
            Without it the tier is ``words`` (or ``word``), else those that end in it, else the only one.

    Raises:
        DataError: nothing there, a layout that is not understood, or times that cannot be; the message names the line
            or the word.
        UsageError: no such tier, or none that is known to hold the words.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise DataError(
            f"'{path}' holds no words that are understood", f"give a file that ends in {', '.join(SUFFIXES)}"
        )
    content = read(path, tier)
    words = [label for label in content.labels if not is_pause(label.text)]
    _check(path, words)
    intervals = np.array([label[1:] for label in words], np.float64).reshape(-1, 2)
    track = track_of(np.array([label.text for label in words], np.str_), intervals)
    return ClipFrames(track, (), "words in time", notes=content.notes)


def _table(path: Path, tier: str) -> _Labels:
    table = open_table(path, _MARKS)
    if not table.header:
        raise table.no_header(", ".join(COLUMNS))
    places = {wanted: table.find(*names) for wanted, names in COLUMNS.items()}
    for wanted, place in places.items():
        if place is None:
            raise DataError(
                f"'{path}' has no column '{wanted}', only: {', '.join(table.header)}", f"name them {', '.join(COLUMNS)}"
            )
    word, start, end = (place for place in places.values() if place is not None)
    held = table.find(*TIERS)
    names = [""] if held is None else list(dict.fromkeys(row[held] for row in table.rows))
    chosen = [""] if held is None else _chosen(path, names, tier)
    labels = [
        _Label(row[word], _number(path, f"line {line}", row[start]), _number(path, f"line {line}", row[end]))
        for row, line in zip(table.rows, table.lines)
        if held is None or row[held] in chosen
    ]
    return _Labels(labels) if held is None else _merged(labels, chosen)


def _grid(path: Path, tier: str) -> _Labels:
    labels = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        parts = line.split(maxsplit=2)
        if not parts:
            continue
        if len(parts) != 3:
            raise DataError(f"'{path}', line {number}: '{line}' is not 'start end word'", "it is no GRID .align file")
        start, end = (_number(path, f"line {number}", part) / GRID_TICKS for part in parts[:2])
        labels.append(_Label(parts[2].strip(), start, end))
    return _Labels(labels)


def _textgrid(path: Path, tier: str) -> _Labels:
    text = read_text(path)
    # In the long form every value has a name: `class = "IntervalTier"`, `xmin = 0`.
    plain = re.sub(r"\bclass\s*=\s*", "", text)
    heads = list(_TIER.finditer(plain))
    if "ooTextFile" not in text or not heads:
        raise DataError(f"'{path}' is no TextGrid with an interval tier", "save it with Praat as a text file")
    names = [head[1].replace('""', '"').strip() for head in heads]
    chosen = _chosen(path, names, tier)
    ends = [*(head.start() for head in heads[1:]), len(plain)]
    bodies = [
        plain[head.end() : end].split('"TextTier"')[0] for head, end, name in zip(heads, ends, names) if name in chosen
    ]
    return _merged([label for body in bodies for label in _intervals(path, body)], chosen)


def _intervals(path: Path, body: str) -> list[_Label]:
    return [
        _Label(label.replace('""', '"').strip(), _number(path, f"'{label}'", low), _number(path, f"'{label}'", high))
        for low, high, label in _LONG.findall(body) or _SHORT.findall(body)
    ]


def _chosen(path: Path, names: Sequence[str], tier: str) -> list[str]:
    """The tiers of words among those of a file."""
    if tier:
        matched = [n for n in names if n == tier] or [n for n in names if fnmatchcase(n, tier)]
        if not matched:
            raise UsageError(f"'{path}' has no tier '{tier}'", f"it has: {', '.join(names)}")
        return matched
    plain = [n for n in names if n.lower() in ("words", "word")]
    likely = plain if len(plain) == 1 else [n for n in names if _OF_WORDS.fullmatch(n)]
    if likely or len(names) == 1:
        return likely or list(names)
    raise UsageError(
        f"'{path}' has {len(names)} tiers, none of which ends in 'words': {', '.join(names)}",
        f"name the one that holds the words: --tier '{names[0]}'",
    )


def _merged(labels: Iterable[_Label], tiers: Sequence[str]) -> _Labels:
    """The labels of these tiers in order of time."""
    note = "words of several tiers were put in order of time (--tier NAME takes one)"
    return _Labels(sorted(labels, key=lambda label: label[1:]), (note,) if len(tiers) > 1 else ())


def _number(path: Path, where: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise DataError(f"'{path}', {where}: '{text}' is no time", f"give seconds{comma_hint(text)}")
    return value


def _check(path: Path, words: Sequence[_Label]) -> None:
    for before, word in zip([None, *words], words):
        if word.start_s < 0 or word.end_s < word.start_s:
            raise DataError(
                f"'{path}': '{word.text}' is from {word.start_s:g} to {word.end_s:g} s",
                "a word begins at 0 s or later and does not end before it begins",
            )
        if before is not None and word.start_s < before.start_s:
            raise DataError(
                f"'{path}': '{word.text}' begins before '{before.text}', the word before it", "sort them by time"
            )


_READERS: dict[str, Callable[[Path, str], _Labels]] = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), _table),
    ".textgrid": _textgrid,
    ".align": _grid,
}
