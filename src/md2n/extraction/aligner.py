"""Words in time as a part of an extraction: transcripts laid on sound by pocketsphinx (the extra ``align``)."""

import importlib
import importlib.util
from importlib.metadata import PackageNotFoundError, version

from md2n.errors import UsageError
from md2n.extraction.base import Clip, ModalityAbsentError, Word
from md2n.extraction.media import sound

VERSION = 1
"""Raised when the same clip gives other words."""


class SpeechAligner:
    """Finds the words of a transcript in the sound."""

    def __init__(self) -> None:
        try:  # its acoustic model and dictionary come with the package
            self.fingerprint = f"words@{VERSION} pocketsphinx {version('pocketsphinx')}"
        except PackageNotFoundError:  # `prepare` will say so
            self.fingerprint = f"words@{VERSION}"

    def prepare(self) -> None:
        """Looks for the package.

        Raises:
            UsageError: it is not installed.
        """
        if importlib.util.find_spec("pocketsphinx") is None:
            raise UsageError(
                "pocketsphinx, which finds words in speech, is not installed",
                "pip install 'md2n[align]', or give files of words: --words FOLDER",
            )

    def words(self, clip: Clip) -> tuple[tuple[Word, ...], tuple[str, ...]]:
        """The clip's words in time, and what a person should know of them.

        Raises:
            ModalityAbsentError: nothing is said, or there is no sound.
            DataError: the sound cannot be read, or the words are not in it.
        """
        if not clip.transcript:
            raise ModalityAbsentError(f"clip '{clip.id}' has no transcript", "its words are not looked for")
        if clip.media is None:
            raise ModalityAbsentError(f"clip '{clip.id}' has no sound to look for words in", "give files of words")
        alignment = importlib.import_module("md2n.extraction.alignment")
        found = alignment.align(clip.transcript, sound(clip.media))
        return tuple(found.words), tuple(found.notes)
