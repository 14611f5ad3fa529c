"""Extracted pieces, kept file by file beside the store.

One file per clip and modality in ``.NAME.clips/``, named by a checksum of the clip's content, its words and the front
end.  So a second run finds what is done, and extracts what is new or has changed.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from md2n.brief import brief
from md2n.data.readers.npy import load_npz
from md2n.durable import write_bytes
from md2n.errors import DataError
from md2n.extraction.base import Clip, Extractor, Track, Word
from md2n.extraction.whole import check_whole
from md2n.reading import parse_json, reading

VERSION = 2
"""Of the kept files: raised when the same key would mean another content."""
EXTRACTED, ABSENT, FAILED = "extracted", "absent", "failed"
FROM_FILE = ("audio", "vision")
"""Modalities that are measured from the clip's file alone."""
WORDS = "words"
"""The name, among those of modalities, of the words in time that a clip was aligned to."""


@dataclass(frozen=True)
class Outcome:
    """What became of one modality of one clip.

    Args:
        clip: its id.
        modality: its name.
        state: ``extracted``, ``absent`` (the clip has none) or ``failed`` (its file cannot be read).
        reason: why it is not there.
        frames: how many.
        valid: how many of them could be measured.
        notes: what a person should know.
        anew: False where it was kept from before.
    """

    clip: str
    modality: str
    state: str
    reason: str = ""
    frames: int = 0
    valid: int = 0
    notes: tuple[str, ...] = ()
    anew: bool = True


@dataclass(frozen=True)
class Piece:
    """What one modality of one clip gave: frames, or words in time, or the reason why there are none."""

    state: str
    reason: str = ""
    track: Track | None = None
    words: tuple[Word, ...] = ()
    notes: tuple[str, ...] = ()

    __repr__ = brief

    def outcome(self, clip: str, modality: str, anew: bool) -> Outcome:
        """In figures."""
        if self.track is None:
            return Outcome(clip, modality, self.state, self.reason, len(self.words), len(self.words), self.notes, anew)
        valid = int(self.track.valid.sum())
        return Outcome(clip, modality, self.state, self.reason, len(self.track.values), valid, self.notes, anew)


def content_of(clip: Clip) -> str:
    """Checksum of a clip's file; empty without a file, or one that cannot be read (the front end says so).

    The result of ``check_whole`` is part of it: a clip that was extracted before its damage was recognised is done
    again.
    """
    if clip.media is None:
        return ""
    try:
        with clip.media.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        return " ".join((content, *check_whole(clip.media)))
    except OSError:
        return ""
    except DataError:
        return f"{content} cut off"


def words_key(clip: Clip, content: str, aligner: str) -> str:
    """Name of the kept words in time; ``aligner`` is empty where the clip's own words are all there is."""
    own_words = [[w.text, w.start_s, w.end_s] for w in clip.words or ()]
    return _name([VERSION, clip.id, WORDS, own_words, *([] if own_words else [aligner, clip.transcript, content])])


def key_of(clip: Clip, extractor: Extractor, content: str, words: str) -> str:
    """Name of the kept frames: a checksum of all that they depend on.

    A voice and a face are measured from the file alone, so that they are kept where a transcript is mended; whatever
    else there is may depend on what is said, and when.  The clip's id is part of reasons and notes.

    Args:
        clip: the clip.
        extractor: the front end.
        content: ``content_of(clip)``.
        words: ``words_key(...)``.
    """
    facts = [VERSION, clip.id, extractor.modality, extractor.fingerprint]
    facts += [] if extractor.modality in FROM_FILE else [clip.transcript, words]
    facts += [] if extractor.modality == "text" else [content]
    return _name(facts)


def _name(facts: Sequence[object]) -> str:
    return f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}.npz"


def write_piece(path: Path, piece: Piece) -> None:
    """Keeps a piece.

    Raises:
        StorageError: it cannot be written.
    """
    words = [[w.text, w.start_s, w.end_s, w.guessed] for w in piece.words]
    facts = {"state": piece.state, "reason": piece.reason, "words": words, "notes": piece.notes}
    arrays = {"facts": np.array(json.dumps(facts))}
    if piece.track is not None:
        arrays |= {"values": piece.track.values, "valid": piece.track.valid, "intervals_s": piece.track.intervals_s}
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    write_bytes(path, out.getvalue())


def read_piece(path: Path) -> Piece | None:
    """A kept piece; None where there is none, or where the file is damaged, which means the same: do it again."""
    try:
        with reading(path):
            held = load_npz(path)
            facts = parse_json(str(held["facts"]))
            words = tuple(Word(t, a, b, g) for t, a, b, g in facts["words"])
            notes = tuple(facts["notes"])
            track = Track(held["values"], held["valid"], held["intervals_s"], notes) if "values" in held else None
            return Piece(facts["state"], facts["reason"], track, words, notes)
    except DataError:
        return None


def has_piece(path: Path) -> bool:
    """Whether there is a whole file; one that is damaged or was cut off counts as none and is written again."""
    return read_piece(path) is not None
