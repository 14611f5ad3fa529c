"""Words found in time: the transcript's words aligned to the sound by PocketSphinx (English; the extra ``align``).

Any transcript is aligned, so a score says how well it fits: per frame, how much less likely the states
of its words are than the likeliest states of all, as a natural logarithm; the mean over words.  A fit without fault
would be 0.

Against the word file of a GRID clip (12 beginnings and ends) the error is 28 ms in the median, 58 ms at most.
"""

import functools
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.errors import DataError, UsageError, install_hint
from md2n.extraction import media
from md2n.extraction.base import Clip, ModalityAbsentError, Word
from md2n.extraction.media import RATE_HZ, Sound
from md2n.extraction.pronunciation import Pronunciation, pronounce
from md2n.extraction.transcripts import words_of

VERSION = 1
"""Raised when the same clip gives other words."""
FITS = -7.0
"""A transcript with a lower score gives a note.  Chosen on few clips, those on which it was tried:

12 clips (11 of GRID, 1 of RAVDESS) scored -6.1 to -3.9 with their own transcripts.  The 12 transcripts on the sound of
every other clip (144 pairs, one more clip among them; up to four words of six are the same) scored -13.2 to -6.6, half
of them below -10.1: 136 give a note, 6 could not be aligned, and 2 fit well enough to pass; the next is at -7.9.  With
white noise at 10 dB no own transcript gives one and 11 others pass, at 5 dB 1 and 16; cut to 4 kHz, as in a telephone,
2 own ones give one (-7.2 at least) and no other passes.  Guessed pronunciations lower the score: with every word of
three letters or more guessed, 4 own ones of 12 give one.
"""
LONGEST_S = 1800.0
"""The whole sound is searched at once: a minute of speech takes some 3 s and 12 MB."""
SILENT = 1e-4
"""-80 dB of full scale."""
BEAM = 1e-80
"""Far below the decoder's own, so that a wrong word or a noise does not lose the rest."""
FRAME_S, CENTRE_S = 0.01, 0.0078
"""Time from frame to frame; where one gives way to the next, halfway between the centres of their 25.6 ms."""
STATES = 3
"""Frames that a phone lasts at least."""
_LIKELIHOOD_SHIFT = 1024
"""The decoder scales logarithms of likelihoods down by it."""
_MOST_WORDS = 8
"""Words named in a note."""
_MOST_LETTERS = 40
"""Letters of a word in a note."""


@dataclass(frozen=True)
class Alignment:
    """The words of a transcript in time.

    Args:
        words: all of them, in order.
        score: 0 for a fit without fault; below ``FITS`` the transcript may be that of another clip.
        notes: what a person should know: a bad fit, guessed pronunciations.
    """

    words: tuple[Word, ...]
    score: float
    notes: tuple[str, ...] = ()


def align(transcript: str, sound: Sound) -> Alignment:
    """The words of a transcript where they are in the sound.

    The answer depends on transcript and sound alone, not on what was aligned before.

    Args:
        transcript: English; figures and abbreviations are said as ``transcripts.spoken`` has it, and pronunciations
            that are not in the dictionary are guessed (see ``pronunciation``).
        sound: 16 kHz, up to 30 minutes.

    Raises:
        ModalityAbsentError: the transcript has no word.
        DataError: the sound is silent, too short or too long, or the words are not in it.
        UsageError: PocketSphinx is not installed.
    """
    words = words_of(transcript)
    if not words:
        raise ModalityAbsentError("the transcript has no word", "the clip is kept without words in time")
    samples = _samples(sound)
    decoder = load_decoder()
    # Where all is in capitals, they do not mark what is spelled.
    shouted = len(words) > 1 and not any(c.islower() for word in words for c in word)
    pronunciations = [_pronunciation(word.lower() if shouted else word, decoder) for word in words]
    least_s = STATES * FRAME_S * sum(len(s.phones.split()) for s in pronunciations)
    if sound.duration_s < least_s:
        raise DataError(
            f"{sound.duration_s:.2f} s of sound are too short for {len(words)} words, "
            f"which take {least_s:.2f} s at least",
            "check that the transcript is that of this clip",
        )
    for one in pronunciations:
        if not one.known and decoder.lookup_word(one.key) is None:
            decoder.add_word(one.key, one.phones, False)  # the search is made anew below
    parts = _search(decoder, [s.key for s in pronunciations], samples)
    score = float(np.mean([log / (end + 1 - start) for start, end, log in parts]))
    placed = tuple(
        Word(word, _time(start), min(_time(end + 1), sound.duration_s), one.guessed)
        for word, one, (start, end, _) in zip(words, pronunciations, parts, strict=True)
    )
    return Alignment(placed, score, _notes(placed, score))


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
        alignment = align(clip.transcript, media.sound(clip.media))
        return alignment.words, alignment.notes


@functools.cache
def load_decoder() -> Any:
    """The decoder with its acoustic model and dictionary, one per process.

    Raises:
        UsageError: PocketSphinx is not installed.
    """
    try:
        sphinx = importlib.import_module("pocketsphinx")  # it brings no types
    except ImportError as error:
        raise UsageError(
            "pocketsphinx, which finds words in speech, is not installed",
            f"{install_hint('align')}; or give files of words: --words FOLDER",
        ) from error
    # Its search for the best path through a lattice may leave words out at the end; without it, all are there.  All
    # states are computed in every frame, for the score is relative to the likeliest.
    beams = dict.fromkeys(("beam", "wbeam", "pbeam", "lpbeam", "lponlybeam"), BEAM)
    return sphinx.Decoder(lm=None, loglevel="FATAL", samprate=RATE_HZ, compallsen=True, bestpath=False, **beams)


def _samples(sound: Sound) -> npt.NDArray[np.int16]:
    """16 bits, the loudest at half of full scale: what is quiet is not drowned by rounding."""
    if sound.rate_hz != RATE_HZ:
        raise DataError(f"the sound has {sound.rate_hz} samples a second", f"resample it to {RATE_HZ}")
    if sound.duration_s > LONGEST_S:
        raise DataError(
            f"{sound.duration_s / 60:.0f} minutes of sound are too long to find words in",
            f"cut the clip into pieces of up to {LONGEST_S / 60:.0f} minutes, or give a file with its words in time",
        )
    peak = float(np.abs(sound.signal).max(initial=0.0))
    if not np.isfinite(peak):
        raise DataError("the sound holds samples that are no numbers", "export it again")
    if peak < SILENT:
        raise DataError("the sound is silent, so there is no word in it", "check the recording")
    return np.round(sound.signal * (2**14 / peak)).astype("<i2")


def _pronunciation(word: str, decoder: Any) -> Pronunciation:
    pronunciation = pronounce(word, decoder.lookup_word)
    if pronunciation is None:
        raise DataError(
            f"it is not known how '{word[:_MOST_LETTERS]}' is said: words are found in English alone",
            "give a file with its words in time: --words FOLDER",
        )
    return pronunciation


def _search(decoder: Any, keys: Sequence[str], samples: npt.NDArray[np.int16]) -> list[tuple[int, int, float]]:
    """First frame, last frame and logarithm of the relative likelihood of every word."""
    decoder.reinit_feat()  # what it learnt of the noise in the clip before
    try:
        decoder.set_align_text(" ".join(keys))
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), full_utt=True)
        decoder.end_utt()
    except RuntimeError as error:
        load_decoder.cache_clear()  # it may be stuck within the clip
        raise DataError(f"the words could not be looked for: {error}", "give a file with words in time") from error
    logs = decoder.get_logmath()
    parts = [
        (part.word, part.start_frame, part.end_frame, _LIKELIHOOD_SHIFT * logs.log_to_ln(logs.log(part.ascore)))
        for part in (decoder.seg() if decoder.hyp() else ())
        if part.word[0] not in "<["  # pauses and noises
    ]
    if [_plain(word) for word, *_ in parts] != list(keys):
        raise DataError(
            f"the {len(keys)} words are not in the sound: the search did not come to the last of them",
            "check that the transcript is that of this clip, all of it and no more",
        )
    return [(start, end, log) for _, start, end, log in parts]


def _plain(word: str) -> str:
    """Without the number of an alternate pronunciation: ``really(2)``."""
    return word.partition("(")[0]


def _time(frame: int) -> float:
    return round(frame * FRAME_S + (CENTRE_S if frame else 0.0), 4)


def _notes(words: Sequence[Word], score: float) -> tuple[str, ...]:
    notes = []
    if score < FITS:
        notes.append(
            f"this may be the transcript of another clip: it fits the sound badly (score {score:.1f}, below {FITS:g})"
        )
    guessed = list(dict.fromkeys(w.text for w in words if w.guessed))
    if guessed:
        more = f" and {len(guessed) - _MOST_WORDS} more" if len(guessed) > _MOST_WORDS else ""
        notes.append(f"pronunciation guessed: {', '.join(w[:_MOST_LETTERS] for w in guessed[:_MOST_WORDS])}{more}")
    return tuple(notes)
