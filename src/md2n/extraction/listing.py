r"""A folder of clips and its table: files, transcripts, labels.

The table is ``labels.csv`` or ``manifest.csv``, UTF-8 with a header.  Its columns:

- ``file``: path of the clip, relative to the folder; ``id``: its name, the file's path without its ending if there is
  no such column.  One of the two is needed; a line without a file is the media file of its name, or a transcript alone.
- ``transcript``: what is said; where it is empty, a ``.txt`` of the clip's name beside it.
- ``words``: a file with words in time (see ``data.readers.word_files``); where it is empty, one of the clip's name in
  the folder of words, or a ``.TextGrid`` or ``.align`` beside the clip.
- ``split``: train, valid, test, or empty; without the column splits are made (see ``splits``).
- **labels**: ``y``, ``label``, and every column that starts with ``y_`` or ``label_``, or those named by the caller; a
  column with fewer than two values is left out.
- **groups**: ``speaker``, ``actor``, ``subject``, ``video``, ``session``, or those named by the caller.

What a file name says can be made a column: ``{"emotion": r"^\d+-\d+-(\d+)"}``.  A folder without a table is a list
of its media files.  A line that cannot be used is listed with its reason, and the others go on.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from md2n.brief import brief
from md2n.data.declaration import Meaning, declare_columns
from md2n.data.readers.arrays import SPLIT_WORDS
from md2n.data.readers.labels import is_label_name, is_unknown, label_column
from md2n.data.readers.sample_table import read_table, target_of
from md2n.data.readers.text_table import read_text
from md2n.data.samples import SPLITS, LabelColumn
from md2n.errors import DataError, UsageError, did_you_mean
from md2n.extraction.base import Clip, Word
from md2n.extraction.splits import assign_splits
from md2n.extraction.word_files import WordSource
from md2n.reading import named, reading

TABLES = ("labels.csv", "manifest.csv")
GROUPS = ("speaker", "actor", "subject", "video", "session")
VIDEO = (".mp4", ".mkv", ".mpg", ".mpeg", ".avi", ".mov", ".webm", ".m4v", ".flv", ".wmv")
SOUND = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".aac", ".opus")
KNOWN = ("file", "id", "transcript", "words", "split")
LONGEST_TRANSCRIPT = 2000
"""Words; more of them in one clip give a note: they may be those of a whole recording."""


@dataclass(frozen=True)
class Listing:
    """Clips, and what is known of them besides.

    Args:
        clips: in the table's order.
        labels: label column -> a value per clip, as ``label_column`` takes it; the first is the default.
        classes: label column -> class names in order.
        groups: group column -> a member per clip.
        splits: a word per clip.
        notes: what a person should know.
        refused: lines that could not be used: what they are called, and why.
        meaning: what is said of the labels besides.
    """

    clips: tuple[Clip, ...]
    labels: Mapping[str, Any]
    classes: Mapping[str, Sequence[str]]
    groups: Mapping[str, Sequence[str]]
    splits: tuple[str, ...]
    notes: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    meaning: Meaning = field(default_factory=Meaning)

    def columns(self) -> dict[str, LabelColumn]:
        """The label columns with what they mean.

        Raises:
            DataError: labels outside the range declared, or words in its place.
            UsageError: something is said of a column that is not there.
        """
        unknown = self.meaning.unknown
        read = {k: label_column(v, k, classes=self.classes.get(k), unknown=unknown) for k, v in self.labels.items()}
        return declare_columns(
            read, self.meaning, data="the table", ids=np.array([c.id for c in self.clips], dtype=np.str_)
        )

    __repr__ = brief


def find_table(folder: Path) -> Path | None:
    """The table of a folder of clips; None where it has none.

    Raises:
        DataError: no folder.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "give the folder of the clips")
    return next((folder / name for name in TABLES if (folder / name).is_file()), None)


@named()
def read_clips(
    folder: Path,
    table: Path | None = None,
    *,
    labels: Sequence[str] = (),
    groups: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    words: Path | None = None,
    tier: str = "",
    seed: int = 0,
    meaning: Meaning | None = None,
) -> Listing:
    """The clips of a folder.

    Args:
        folder: of the clips; files in the table are relative to it.
        table: CSV; the folder's own if not given.
        labels: names of the label columns, where the rule by name does not find them.
        groups: names of the group columns, likewise.
        columns: further columns out of file names: name -> a pattern whose first group is the value; empty where it
            does not match.
        words: folder of files with words in time.
        tier: that of the words, where files have several.
        seed: of splits that are made.
        meaning: what is said of the labels: their range, whether they are a sentiment, which values are unknown.

    Raises:
        DataError: the folder or the table is missing, the table does not hold together, or no line can be used; labels
            outside their range.
        UsageError: no such label or group column, a pattern that is none, or a tier that is in no file.
    """
    own_table = find_table(folder)
    table = table or own_table
    cells = _media_files(folder) if table is None else read_table(table)
    if not {"file", "id"} & set(cells):
        raise DataError(f"{table} has neither a column 'file' nor 'id'", "name the clips' files in 'file'")
    for column in ("file", "words"):
        if column in cells:
            cells[column] = [_path(cell, folder) for cell in cells[column]]
    count = len(next(iter(cells.values())))
    files = [_file(folder, cells, i) for i in range(count)]
    ids = cells.get("id") or [str(Path(f).with_suffix("").as_posix()) if f else "" for f in cells["file"]]
    cells |= _from_names(columns or {}, cells.get("file") or ids)
    for what, names in (("label", labels), ("group", groups)):
        for column in names:
            if column not in cells:
                raise UsageError(f"there is no {what} column '{column}'", did_you_mean(column, set(cells) - set(KNOWN)))
    refused = _refused(ids, cells.get("split"), table)
    rows = [i for i in range(count) if i not in refused]
    if not rows:
        raise DataError(f"no line of {table} can be used: {next(iter(refused.values()))}", "mend the table")
    notes: list[str] = [f"{folder} has no {' or '.join(TABLES)}: every media file is a clip"] if table is None else []
    source = WordSource(folder, words, tier)
    clips = [_clip(folder, ids[i], files[i], cells, i, source, notes) for i in rows]
    source.check_tier()
    chosen = list(labels) or [c for c in cells if is_label_name(c)]
    meaning = meaning or Meaning()
    held = {c: sorted({cells[c][i] for i in rows if not is_unknown(cells[c][i], meaning.unknown)}) for c in chosen}
    # A column that was not asked for and teaches nothing; what is asked for and teaches nothing, `data check` reports.
    empty = [c for c in chosen if len(held[c]) < (1 if labels else 2)]
    for c in empty:
        defect = f"holds nothing but '{held[c][0]}'" if held[c] else "is empty"
        notes.append(f"label column '{c}' {defect} and was left out")
    targets = {c: target_of([cells[c][i] for i in rows], None, None, meaning.unknown) for c in chosen if c not in empty}
    members = {
        # Who is not known is a group of one, not one of a group of unknowns.
        c: [cells[c][i] or ids[i] for i in rows]
        for c in (groups or [c for c in GROUPS if c in cells and c not in chosen])
        if any(cells[c][i] for i in rows)
    }
    names = [ids[i] for i in rows]
    if "split" in cells:
        splits = tuple(_split(cells["split"][i]) for i in rows)
    else:
        splits, rule = assign_splits(names, next(iter(members.items()), None), seed)
        notes.append(rule)
    listing = Listing(
        tuple(clips),
        {c: values for c, (values, _) in targets.items()},
        {c: order for c, (_, order) in targets.items() if order is not None},
        members,
        splits,
        tuple(notes),
        tuple((ids[i] or f"line {i + 2}", why) for i, why in refused.items()),
        meaning,
    )
    listing.columns()  # what is wrong with labels is said before hours of extraction, not after
    return listing


def _media_files(folder: Path) -> dict[str, list[str]]:
    files = [p.relative_to(folder) for p in folder.rglob("*") if p.suffix.lower() in VIDEO + SOUND and p.is_file()]
    if not files:
        raise DataError(f"{folder} holds no {' or '.join(TABLES)} and no media file", "give the folder of the clips")
    return {"file": sorted(p.as_posix() for p in files)}


def _path(cell: str, folder: Path) -> str:
    """Windows parts folders by backslashes; a file that has one in its name keeps it."""
    return cell if "\\" not in cell or (folder / cell).exists() else cell.replace("\\", "/")


def _file(folder: Path, cells: Mapping[str, Sequence[str]], row: int) -> Path | None:
    """The clip's file, be it there or not; without a name, that of its id, if there is one."""
    cell = cells["file"][row] if "file" in cells else ""
    if cell:
        return folder / cell
    one = cells["id"][row] if "id" in cells else ""
    return next((p for e in VIDEO + SOUND if one and (p := folder / f"{one}{e}").is_file()), None)


def _from_names(patterns: Mapping[str, str], names: Sequence[str]) -> dict[str, list[str]]:
    columns = {}
    for column, pattern in patterns.items():
        if column in KNOWN:
            raise UsageError(f"a column '{column}' cannot be made of file names", "give it another name")
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise UsageError(
                f"'{pattern}' is no pattern: {error}", "write it as Python's `re` does, for instance '^(s[0-9]+)'"
            ) from error
        if not compiled.groups:
            raise UsageError(f"the pattern '{pattern}' has no group", "put brackets round the value: 'clip_(.)'")
        matches = [compiled.search(name) for name in names]
        columns[column] = [(m.group(1) or "").strip() if m else "" for m in matches]
        if not any(columns[column]):
            raise UsageError(f"the pattern '{pattern}' is in no file name", f"names are like '{names[0]}'")
    return columns


def _refused(ids: Sequence[str], splits: Sequence[str] | None, table: Path | None) -> dict[int, str]:
    """Rows that cannot be used, and why."""
    rows: dict[str, list[int]] = {}
    for i, one in enumerate(ids):
        rows.setdefault(one, []).append(i)
    reasons = {}
    for i, one in enumerate(ids):
        if not one:
            reasons[i] = f"{table}, line {i + 2} has neither id nor file"
        elif len(rows[one]) > 1:
            where = f"lines {', '.join(str(k + 2) for k in rows[one])} of {table}" if table else "several files"
            reasons[i] = f"id '{one}' is that of {where}: none of them was taken"
        elif splits is not None and splits[i].strip().lower() not in SPLIT_WORDS:
            hint = did_you_mean(splits[i], SPLITS)
            reasons[i] = f"{table}, line {i + 2}: '{splits[i]}' is no split; {hint}"
    return reasons


def _split(word: str) -> str:
    code = SPLIT_WORDS[word.strip().lower()]
    return SPLITS[code] if code < len(SPLITS) else ""


def _clip(
    folder: Path,
    one: str,
    media: Path | None,
    cells: Mapping[str, Sequence[str]],
    row: int,
    source: WordSource,
    notes: list[str],
) -> Clip:
    beside = media or folder / one
    stem = beside.name if media is None else beside.stem  # an id may have a dot in it
    transcript = cells["transcript"][row] if "transcript" in cells else ""
    words: tuple[Word, ...] | None = None
    try:
        transcript = transcript or _text(beside.with_name(f"{stem}.txt"))
        words, more = source.words(cells["words"][row] if "words" in cells else "", one, beside.with_name(stem))
        notes += [f"clip '{one}': {note}" for note in more]
    except (DataError, UsageError) as error:
        notes.append(f"clip '{one}': {error.message}" + (f" ({error.hint})" if error.hint else ""))
    if words and not transcript:
        transcript = " ".join(w.text for w in words)
    if len(transcript.split()) > LONGEST_TRANSCRIPT:
        notes.append(
            f"clip '{one}' has a transcript of {len(transcript.split())} words: is it that of a longer recording?"
        )
    return Clip(one, media, transcript.strip() or None, words)


def _text(path: Path) -> str:
    with reading(path, hint="save it as UTF-8"):
        return read_text(path).strip() if path.is_file() and path.stat().st_size else ""
