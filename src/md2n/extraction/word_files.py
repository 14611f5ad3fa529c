"""Words in time of a clip: from the file that the table names, from a folder of words, or beside the clip."""

from pathlib import Path

from md2n.data.readers.text_table import TXT, is_table
from md2n.data.readers.tracks import Track
from md2n.data.readers.word_files import SUFFIXES, read_word_file
from md2n.errors import DataError, UsageError
from md2n.extraction.base import Word
from md2n.reading import named

BESIDE = (".textgrid", ".align")
"""A table beside a clip may be anything."""


@named(hint="check that it is a readable file of words in time")
def read_words(path: Path, tier: str = "") -> tuple[Word, ...]:
    """The words of one clip in order of time, as ``data.readers.word_files.read_word_file`` gives them.

    Raises:
        DataError: as there, or no word in it.
        UsageError: as there.
    """
    return _words(path, read_word_file(path, tier).track)


def _words(path: Path, track: Track) -> tuple[Word, ...]:
    times = track.intervals.tolist()
    words = tuple(Word(str(text), start, end) for text, (start, end) in zip(track.features, times, strict=True))
    if not words:
        raise DataError(f"'{path}' holds no word", "leave the file out, and the clip is kept without words in time")
    return words


class WordSource:
    """Files of words in time, by clip.

    Args:
        folder: of the clips; what the table names is relative to ``words``, or else to it.
        words: folder of files that bear the clips' ids or names; None where there is none.
        tier: of words, where files have several.

    Raises:
        DataError: ``words`` is no folder.
    """

    def __init__(self, folder: Path, words: Path | None = None, tier: str = "") -> None:
        if words is not None and not words.is_dir():
            raise DataError(f"there is no folder {words}", "give the folder of the files with words in time")
        self._folder, self._words, self._tier = folder, words, tier
        self._of_words = _by_name(words) if words is not None else {}
        self._near: dict[Path, dict[str, list[Path]]] = {}
        self._read = 0
        self._refused: UsageError | None = None

    def words(self, named: str, clip: str, beside: Path) -> tuple[tuple[Word, ...] | None, tuple[str, ...]]:
        """The words of a clip, None where it has no file of them, and what should be known of them.

        Args:
            named: what the table says; empty where it says nothing.
            clip: id.
            beside: where the clip lies, without the ending.

        Raises:
            DataError: the file cannot be read, or there are two.
            UsageError: it has no tier of that name, or none that is known to hold words.
        """
        path = (self._words or self._folder) / named if named else self._file(clip, beside)
        if path is None:
            return None, ()
        try:
            read = read_word_file(path, self._tier)
        except UsageError as error:
            self._refused = error
            raise
        self._read += 1
        return _words(path, read.track), read.notes

    def check_tier(self) -> None:
        """Refuses a tier that was asked for and is in no file.

        Raises:
            UsageError: as the last file had it.
        """
        if self._tier and self._refused is not None and not self._read:
            raise self._refused

    def _file(self, clip: str, beside: Path) -> Path | None:
        places = [p for name in dict.fromkeys((clip, beside.name)) for p in self._of_words.get(name, ())]
        # A .txt may be a transcript.
        places = [p for p in places if p.suffix.lower() != TXT] or [p for p in places if is_table(p)]
        if len(places) > 1:
            raise DataError(f"there are two files of words, {places[0].name} and {places[1].name}", "keep one")
        if places:
            return places[0]
        if beside.parent not in self._near:
            self._near[beside.parent] = _by_name(beside.parent, deep=False) if beside.parent.is_dir() else {}
        near = [p for p in self._near[beside.parent].get(beside.name, ()) if p.suffix.lower() in BESIDE]
        return min(near, key=lambda p: BESIDE.index(p.suffix.lower()), default=None)


def _by_name(folder: Path, deep: bool = True) -> dict[str, list[Path]]:
    """Files of words by their path in a folder, without the ending."""
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*") if deep else folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            files.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    return files
