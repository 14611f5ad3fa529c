"""Words in time from files that others made: CSV, Praat TextGrid, GRID ``.align``.

Pauses (``sil``, ``sp``, ``spn``, empty labels) are no words.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from md2n.errors import DataError, UsageError
from md2n.extraction.base import Word

PAUSES = frozenset({"", "sil", "sp", "spn", "<eps>", "<p:>"})
GRID_TICKS = 25_000
"""GRID's unit of time, per second: 1000 for each of its 25 frames."""
COLUMNS = {
    "word": ("word", "text", "token"),
    "start_s": ("start_s", "start", "begin", "xmin"),
    "end_s": ("end_s", "end", "stop", "xmax"),
}
_LONG = re.compile(r'xmin\s*=\s*(\S+)\s+xmax\s*=\s*(\S+)\s+text\s*=\s*"((?:[^"]|"")*)"')
_SHORT = re.compile(r'(-?[\d.]+(?:[eE]-?\d+)?)\s+(-?[\d.]+(?:[eE]-?\d+)?)\s+"((?:[^"]|"")*)"')
_TIER = re.compile(r'"IntervalTier"\s+(?:name\s*=\s*)?"((?:[^"]|"")*)"')


def read_words(path: Path, tier: str = "") -> tuple[Word, ...]:
    """Words of one clip in order of time.

    Args:
        path: ``.csv`` (columns word, start_s, end_s), ``.TextGrid`` (long or short form) or ``.align``.
        tier: of a TextGrid; the one called ``words`` (or ``word``), else the only one, if not given.

    Raises:
        DataError: nothing there, nothing in it, a layout that is not understood, or times that cannot be; the message
            names the line or the word.
        UsageError: no such tier.
    """
    kinds = {".csv": _csv, ".align": _align}
    kind = path.suffix.lower()
    if kind != ".textgrid" and kind not in kinds:
        raise DataError(f"{path} holds no words that are understood", "give a .csv, .TextGrid or .align file")
    text = _text(path)
    words = _textgrid(path, text, tier) if kind == ".textgrid" else kinds[kind](path, text)
    if not words:
        raise DataError(f"{path} holds no word", "leave the file out, and the clip is kept without words in time")
    return _checked(path, words)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}", "check the path") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", "check that it is a readable file") from error
    # Praat writes UTF-16 where a label is not ASCII.
    coding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(coding)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8 or UTF-16", "save it as UTF-8") from error


def _csv(path: Path, text: str) -> list[Word]:
    reader = csv.DictReader(io.StringIO(text))
    heads = {name.strip().lower(): name for name in reader.fieldnames or ()}
    found = {}
    for wanted, names in COLUMNS.items():
        held = next((heads[n] for n in names if n in heads), None)
        if held is None:
            raise DataError(
                f"{path} has no column '{wanted}', only: {', '.join(heads) or 'none'}",
                "name the columns word, start_s, end_s",
            )
        found[wanted] = held
    words = []
    for number, row in enumerate(reader, start=2):
        start, end = (_number(path, f"line {number}", row[found[c]] or "") for c in ("start_s", "end_s"))
        words.append(Word((row[found["word"]] or "").strip(), start, end))
    return _spoken(words)


def _align(path: Path, text: str) -> list[Word]:
    words = []
    for number, line in enumerate(text.splitlines(), start=1):
        parts = line.split(maxsplit=2)
        if not parts:
            continue
        if len(parts) != 3:
            raise DataError(f"{path}, line {number}: '{line}' is not 'start end word'", "it is no GRID .align file")
        start, end = (_number(path, f"line {number}", part) / GRID_TICKS for part in parts[:2])
        words.append(Word(parts[2].strip(), start, end))
    return _spoken(words)


def _textgrid(path: Path, text: str, tier: str) -> list[Word]:
    # In the long form every value has a name: `class = "IntervalTier"`, `xmin = 0`.
    plain = re.sub(r"\bclass\s*=\s*", "", text)
    starts = list(_TIER.finditer(plain))
    if "ooTextFile" not in text or not starts:
        raise DataError(f"{path} is no TextGrid with an interval tier", "save it with Praat as a text file")
    names = [m.group(1) for m in starts]
    chosen = _tier(path, names, tier)
    end = starts[chosen + 1].start() if chosen + 1 < len(starts) else len(plain)
    body = plain[starts[chosen].end() : end].split('"TextTier"')[0]
    marks = _LONG.findall(body) or _SHORT.findall(body)
    return _spoken(
        Word(label.replace('""', '"').strip(), _number(path, f"'{label}'", low), _number(path, f"'{label}'", high))
        for low, high, label in marks
    )


def _tier(path: Path, names: Sequence[str], tier: str) -> int:
    if tier:
        if tier not in names:
            raise UsageError(f"{path} has no tier '{tier}'", f"it has: {', '.join(names)}")
        return names.index(tier)
    likely = [i for i, name in enumerate(names) if name.lower() in ("words", "word")]
    if len(likely) == 1 or len(names) == 1:
        return likely[0] if likely else 0
    raise UsageError(f"{path} has {len(names)} tiers: {', '.join(names)}", "say which one holds the words")


def _number(path: Path, where: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path}, {where}: '{text}' is no time", "give seconds")
    return value


def _spoken(words: Iterable[Word]) -> list[Word]:
    return [w for w in words if w.text.lower() not in PAUSES]


def _checked(path: Path, words: Sequence[Word]) -> tuple[Word, ...]:
    for before, word in zip([None, *words], words):
        if word.start_s < 0 or word.end_s <= word.start_s:
            raise DataError(
                f"{path}: '{word.text}' is from {word.start_s:g} to {word.end_s:g} s", "a word ends after it begins"
            )
        if before is not None and word.start_s < before.start_s:
            raise DataError(f"{path}: '{word.text}' begins before '{before.text}', which stands before it", "sort them")
    return tuple(words)
