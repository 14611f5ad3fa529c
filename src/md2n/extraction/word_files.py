"""Words in time from files that others made, as extraction takes them; what a file holds is read in ``data``."""

from pathlib import Path

from md2n.data.readers.csd import Track
from md2n.data.readers.word_files import read_word_file
from md2n.errors import DataError
from md2n.extraction.base import Word
from md2n.reading import named


@named(hint="check that it is a readable file of words in time")
def read_words(path: Path, tier: str = "") -> tuple[Word, ...]:
    """Words of one clip in order of time, as ``md2n.data.readers.word_files.read_word_file`` gives them.

    Args:
        path: ``.csv``, ``.tsv``, ``.txt``, ``.TextGrid`` or ``.align``.
        tier: that of the words, where the file has several.

    Raises:
        DataError: nothing there, no word in it, a layout that is not understood, or times that cannot be.
        UsageError: no such tier, or none that is known to hold the words.
    """
    return words_in(path, read_word_file(path, tier).track)


def words_in(path: Path, track: Track) -> tuple[Word, ...]:
    """The words of a file that was read.

    Raises:
        DataError: there is none.
    """
    words = tuple(Word(str(t), a, b) for t, (a, b) in zip(track.features, track.intervals.tolist(), strict=True))
    if not words:
        raise DataError(f"'{path}' holds no word", "leave the file out, and the clip is kept without words in time")
    return words
