"""Pronunciations of English words that a dictionary has not got, made of the dictionary's own.

In order: a word that is in the dictionary is said as there; what is written in capitals, or without a vowel,
is spelled; anything else is cut into the fewest parts that the dictionary has (``covarep``: cova, rep), with sounds of
single letters between them where there is no such part.  That is a guess, and is marked as one; for finding a word's
place in the sound, half the sounds right and the length about right do.
"""

from collections.abc import Callable
from dataclasses import dataclass

from md2n.extraction.transcripts import spoken

Lookup = Callable[[str], str | None]
"""Phones of a word in small letters, with a space between; None for a word that is not in the dictionary."""

SHORTEST_PART, LONGEST_PART, LONGEST_ACRONYM, LONGEST_GUESS = 3, 24, 5, 60
"""Letters; a piece that is longer than any word is spelled, for a guess takes the longer the longer it is."""
PART_COST, LETTER_COST = 1.0, 1.2
"""A part of the dictionary is worth more than single letters, however few they are."""
VOWELS = frozenset("aeiouy")
SOUNDS = {
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K",
    "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V",
    "w": "W", "x": "K S", "y": "IY", "z": "Z", "'": "",
    "ch": "CH", "ck": "K", "gh": "G", "kn": "N", "ng": "NG", "ph": "F", "qu": "K W", "sh": "SH", "th": "TH", "wh": "W",
    "wr": "R", "ai": "EY", "ay": "EY", "au": "AO", "aw": "AO", "ea": "IY", "ee": "IY", "ei": "EY", "ew": "UW",
    "ie": "IY", "oa": "OW", "oi": "OY", "oo": "UW", "ou": "AW", "ow": "OW", "oy": "OY", "er": "ER", "ir": "ER",
    "ur": "ER", "ar": "AA R", "or": "AO R",
    "bb": "B", "cc": "K", "dd": "D", "ff": "F", "gg": "G", "ll": "L", "mm": "M", "nn": "N", "pp": "P", "rr": "R",
    "ss": "S", "tt": "T", "zz": "Z",
}  # fmt: skip
"""Letters and pairs of letters as they mostly sound; phones are the CMU dictionary's."""


@dataclass(frozen=True)
class Pronunciation:
    """How a word is said.

    Args:
        key: its entry in the dictionary: the word itself if it is there, else a name made of its phones.
        phones: with a space between.
        known: the dictionary has the word itself, so that nothing needs to be added.
        guessed: not all of it is in the dictionary.
    """

    key: str
    phones: str
    known: bool
    guessed: bool


def pronounce(word: str, lookup: Lookup) -> Pronunciation | None:
    """The pronunciation of a word of a transcript; None where no letter of it has a sound in English.

    Args:
        word: as the transcript has it.
        lookup: the dictionary.
    """
    whole = word.lower().strip('.,;:!?"()')
    if "." in whole:  # initials: the dictionary has "u.s."
        whole += "."
    phones = lookup(whole) if _may_be_there(whole) else None
    if phones:
        return Pronunciation(whole, phones, known=True, guessed=False)
    pieces = [_piece(piece, lookup) for piece in spoken(word)]
    sounds = " ".join(phones for phones, _ in pieces if phones)
    if not sounds:
        return None
    # Made of the phones: the dictionary ignores case, and capitals may be said otherwise.
    key = f"/{sounds.replace(' ', '_')}"
    return Pronunciation(key, sounds, known=False, guessed=any(guessed for _, guessed in pieces))


def _may_be_there(whole: str) -> bool:
    """The dictionary is ASCII, and what it has in pointed brackets are pauses."""
    return bool(whole) and whole.isascii() and whole.isprintable() and whole[0] != "<"


def _piece(piece: str, lookup: Lookup) -> tuple[str, bool]:
    """Phones of one spoken piece, and whether they are a guess."""
    small = piece.lower()
    letters = [c for c in small if "a" <= c <= "z"]
    if small.isascii() and len(letters) <= LONGEST_GUESS:
        phones = lookup(small) or lookup(small.strip("'"))
        if phones:
            return phones, False
    if small.endswith("'s"):
        stem, guessed = _piece(piece[:-2], lookup)
        return f"{stem} {_ending(stem)}".strip(), guessed
    acronym = piece.isupper() and len(letters) <= LONGEST_ACRONYM
    if acronym or len(letters) > LONGEST_GUESS or not VOWELS & set(letters):
        return " ".join(lookup(c) or SOUNDS[c] for c in letters), True
    return _guess(small, lookup), True


def _ending(stem: str) -> str:
    """How the s of a genitive sounds."""
    last = stem.rsplit(" ", 1)[-1]
    if last in ("S", "Z", "SH", "CH", "ZH", "JH"):
        return "IH Z"
    return "S" if last in ("P", "T", "K", "F", "TH") else "Z"


def _guess(word: str, lookup: Lookup) -> str:
    """The cheapest cut of a word into parts of the dictionary and sounds of letters; of equals, the longest first."""
    best = {len(word): (0.0, "")}
    for start in reversed(range(len(word))):
        choices = []
        for end in range(min(len(word), start + LONGEST_PART), start, -1):
            part = word[start:end]
            phones = _part(part, lookup, last=start > 0 and end == len(word))
            if phones is not None:
                cost, rest = best[end]
                choices.append((cost + (PART_COST if len(part) >= SHORTEST_PART else LETTER_COST), f"{phones} {rest}"))
        best[start] = min(choices, key=lambda choice: choice[0])
    return " ".join(best[0][1].split())


def _part(part: str, lookup: Lookup, last: bool) -> str | None:
    if len(part) >= SHORTEST_PART:
        return lookup(part) if VOWELS & set(part) else None
    if part == "e" and last:
        return ""
    return SOUNDS.get(part, "" if len(part) == 1 else None)
