"""A folder of clips and the table that tells of them: which files, what is said, which labels.

The table is ``labels.csv`` or ``manifest.csv``, UTF-8 with a header.  Its columns:

- ``file``: path of the clip, relative to the table; ``id``: its name, the file's stem if there is no such column.  One
  of the two is needed; a line without a file has a transcript alone.
- ``transcript``: what is said; without the column, a ``.txt`` of the clip's name beside it.
- ``split``: train, valid, test, or empty.
- **labels**: ``y``, ``label``, and every column that starts with ``y_`` or ``label_``, or those named by the caller; a
  column without any value is left out.
- everything else is a group column: speaker, video, note.

Words in time are looked for in a folder of their own, one file of the clip's name (see ``word_files``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from md2n.data.readers.folder import check_unique, read_table, target_of
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.extraction.base import Clip
from md2n.extraction.word_files import read_words

TABLES = ("labels.csv", "manifest.csv")
WORDS = (".csv", ".TextGrid", ".align")


@dataclass(frozen=True)
class Listing:
    """Clips, and what is known of them besides.

    Args:
        clips: in the table's order.
        labels: label column -> a value per clip, as ``from_arrays`` takes it.
        classes: label column -> class names in order.
        groups: group column -> a member per clip.
        splits: a word per clip.
        notes: what a person should know.
    """

    clips: tuple[Clip, ...]
    labels: Mapping[str, Any]
    classes: Mapping[str, Sequence[str]]
    groups: Mapping[str, Sequence[str]]
    splits: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


def find_table(folder: Path) -> Path:
    """The table of a folder of clips.

    Raises:
        DataError: no folder, or no table in it.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "give the folder of the clips")
    found = [folder / name for name in TABLES if (folder / name).is_file()]
    if not found:
        raise DataError(f"{folder} holds no {' or '.join(TABLES)}", "write one, or give --labels FILE")
    return found[0]


def read_clips(table: Path, *, labels: Sequence[str] = (), words: Path | None = None) -> Listing:
    """The clips of a table.

    Args:
        table: CSV.
        labels: names of the label columns, where the rule by name does not find them.
        words: folder of files with words in time.

    Raises:
        DataError: the table is missing or does not hold together, a clip's file is not there, or its words cannot be
            read; the message names the line.
        UsageError: no such label column.
    """
    columns = read_table(table)
    count = len(next(iter(columns.values())))
    for column in labels:
        if column not in columns:
            raise UsageError(f"{table} has no column '{column}'", did_you_mean(column, columns))
    files, ids = columns.pop("file", [""] * count), columns.pop("id", None)
    if ids is None:
        if not any(files):
            raise DataError(f"{table} has neither a column 'file' nor 'id'", "name the clips' files in 'file'")
        ids = [Path(file).stem for file in files]
    check_unique(ids, table)
    said = columns.pop("transcript", None)
    splits = tuple(columns.pop("split", [""] * count))
    clips = []
    for i, (one, file) in enumerate(zip(ids, files)):
        media = table.parent / file if file else None
        if media is not None and not media.is_file():
            raise DataError(f"{table}, line {i + 2}: there is no file {media}", "mend the line, or take it out")
        transcript = said[i] if said is not None else _beside(media)
        clips.append(Clip(one, media, transcript or None, _words(words, one)))
    chosen = list(labels) or [c for c in columns if c in ("y", "label") or c.startswith(("y_", "label_"))]
    empty = [c for c in chosen if not any(columns[c])]
    targets = {c: target_of(columns.pop(c), None, None) for c in chosen if c not in empty}
    groups = {c: values for c, values in columns.items() if any(values) and c not in empty}
    return Listing(
        tuple(clips),
        {c: values for c, (values, _) in targets.items()},
        {c: order for c, (_, order) in targets.items() if order is not None},
        groups,
        splits,
        tuple(f"label column '{c}' is empty and was left out" for c in empty),
    )


def _beside(media: Path | None) -> str | None:
    text = None if media is None else media.with_suffix(".txt")
    if text is None or not text.is_file():
        return None
    try:
        return text.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise DataError(f"{text} is no text in UTF-8", "save it as UTF-8") from error


def _words(folder: Path | None, one: str) -> Any:
    if folder is None:
        return None
    found = [folder / f"{one}{ending}" for ending in WORDS if (folder / f"{one}{ending}").is_file()]
    if len(found) > 1:
        raise DataError(f"clip '{one}' has two files of words: {found[0].name}, {found[1].name}", "keep one")
    return read_words(found[0]) if found else None
