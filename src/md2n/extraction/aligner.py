"""Words in time as a part of an extraction: transcripts laid on sound by pocketsphinx (the extra ``align``)."""

import importlib.util
from importlib.metadata import PackageNotFoundError, version

from md2n.extraction.alignment import VERSION, align, load_decoder, not_installed
from md2n.extraction.base import Clip, ModalityAbsentError, Word
from md2n.extraction.media import sound


class SpeechAligner:
    """Finds the words of a transcript in the sound.

    Attributes:
        fingerprint: version of the alignment and of pocketsphinx, with which its acoustic model and dictionary come:
            words found under another one are looked for again.
    """

    def __init__(self) -> None:
        try:
            self.fingerprint = f"words@{VERSION} pocketsphinx {version('pocketsphinx')}"
        except PackageNotFoundError:  # `prepare` will say so
            self.fingerprint = f"words@{VERSION}"

    def prepare(self) -> None:
        """Loads the acoustic model and the dictionary.

        Raises:
            UsageError: pocketsphinx is not installed.
        """
        if importlib.util.find_spec("pocketsphinx") is None:
            raise not_installed()
        load_decoder()

    def words(self, clip: Clip) -> tuple[tuple[Word, ...], tuple[str, ...]]:
        """The clip's words in time, and what a person should know of them.

        Raises:
            ModalityAbsentError: nothing is said, or there is no sound.
            DataError: the sound cannot be read, or the words are not in it.
            UsageError: pocketsphinx is not installed.
        """
        if not clip.transcript:
            raise ModalityAbsentError(f"clip '{clip.id}' has no transcript", "its words are not looked for")
        if clip.media is None:
            raise ModalityAbsentError(f"clip '{clip.id}' has no sound to look for words in", "give files of words")
        alignment = align(clip.transcript, sound(clip.media))
        return alignment.words, alignment.notes
