"""The words of a transcript, and how words are said that are not written as they are said.

Words keep their spelling and their punctuation, because a text model reads it; how they are said is needed to find them
in the sound.
"""

import re
import unicodedata

from md2n.data.readers.pauses import PAUSES

LONGEST_NUMBER = 9
"""Figures; longer ones are said figure by figure."""

_ANNOTATION = re.compile(r"\[[^\[\]]*\]|<[^<>]*>")
_ALTERNATE = re.compile(r"(?<=\w)\(\d+\)(?!\S)")
_BREAK = re.compile(r"[\u2014\u2015\u2026]|\.{2,}|-{2,}")
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2010": "-", "\u2011": "-"})
_PIECE = re.compile(
    r"(?P<letters>(?:[^\W\d_]\.){2,})"
    r"|(?P<sum>[$\u20ac\u00a3])?(?P<number>\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?P<end>st|nd|rd|th|s)?(?![^\W_])"
    r"|(?P<digits>\d+)"
    r"|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*'?)"
    r"|(?P<sign>[&%@+=])",
    re.IGNORECASE,
)
_SIGNS = {"&": "and", "%": "percent", "@": "at", "+": "plus", "=": "equals"}
_SUMS = {"$": "dollars", "\u20ac": "euros", "\u00a3": "pounds"}
_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_THOUSANDS = ((10**6, "million"), (1000, "thousand"))
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip


def words_of(transcript: str) -> tuple[str, ...]:
    """The words of a transcript in order, spelled as they stand there.

    Annotations in square or pointed brackets, signs for pauses, and punctuation alone are no words; quotes
    are made plain, and the numbers of alternate pronunciations (``really(2)``) are taken off.

    >>> words_of("Well \u2014 it\u2019s [laughter] 5 o'clock, sp now.")
    ('Well', "it's", '5', "o'clock,", 'now.')
    """
    plain = unicodedata.normalize("NFC", transcript).translate(_QUOTES)
    plain = _BREAK.sub(lambda match: f"{match.group()} ", _ALTERNATE.sub("", _ANNOTATION.sub(" ", plain)))
    return tuple(w for w in plain.split() if w in _SIGNS or (w not in PAUSES and any(c.isalnum() for c in w)))


def spoken(word: str) -> tuple[str, ...]:
    """How a word is said, as words of a dictionary: figures in words, signs by name, compounds and initials in pieces.

    A number from 1100 to 1999, and from 2010 to 2099, is said as a year; one that begins with 0, or has more than nine
    figures, figure by figure.  Capitals are kept: they may say that a word is spelled.

    >>> spoken("well-known"), spoken("$42"), spoken("1987"), spoken("3rd"), spoken("U.S."), spoken("caf\u00e9!")
    (('well', 'known'), ('forty', 'two', 'dollars'), ('nineteen', 'eighty', 'seven'), ('third',), ('U', 'S'), ('cafe',))
    """
    bare = unicodedata.normalize("NFKD", word.translate(_QUOTES))
    bare = "".join(c for c in bare if not unicodedata.combining(c))
    words: list[str] = []
    for match in _PIECE.finditer(bare):
        if match["letters"]:
            words += match["letters"].replace(".", "")
        elif match["number"]:
            words += _sum(match["number"], match["sum"]) if match["sum"] else _number(match["number"], _end(match))
        elif match["digits"]:
            words += _number(match["digits"], "")
        elif match["word"]:
            words.append(match["word"])
        else:
            words.append(_SIGNS[match["sign"]])
    return tuple(words)


def _end(match: re.Match[str]) -> str:
    return (match["end"] or "").lower()


def _sum(figures: str, sign: str) -> list[str]:
    whole, _, part = figures.replace(",", "").partition(".")
    return [*_whole(whole), _SUMS[sign], *(_whole(part.lstrip("0")) if part.strip("0") else [])]


def _number(figures: str, end: str) -> list[str]:
    whole, _, part = figures.replace(",", "").partition(".")
    if len(whole) == 4 and "," not in figures and not part and _is_year(int(whole)):
        words = _year(int(whole))
    else:
        words = _whole(whole)
    if part:
        words += ["point", *(_ONES[int(c)] for c in part)]
    if end == "s":  # the 1990s
        words[-1] = words[-1][:-1] + "ies" if words[-1].endswith("y") else words[-1] + "s"
    elif end:
        words[-1] = _ordinal(words[-1])
    return words


def _whole(figures: str) -> list[str]:
    """Figure by figure what begins with 0 or is longer than any number that is said."""
    if len(figures) > LONGEST_NUMBER or (len(figures) > 1 and int(figures[0]) == 0):
        return [_ONES[int(c)] for c in figures]
    return _cardinal(int(figures))


def _is_year(number: int) -> bool:
    return 1100 <= number <= 1999 or 2010 <= number <= 2099


def _year(number: int) -> list[str]:
    century, rest = divmod(number, 100)
    words = _cardinal(century)
    if rest == 0:
        return [*words, "hundred"]
    return [*words, *(["oh"] if rest < 10 else []), *_cardinal(rest)]


def _cardinal(number: int) -> list[str]:
    if number < 20:
        return [_ONES[number]]
    if number < 100:
        ten, one = divmod(number, 10)
        return [_TENS[ten - 2], *([_ONES[one]] if one else [])]
    if number < 1000:
        hundred, rest = divmod(number, 100)
        return [_ONES[hundred], "hundred", *(_cardinal(rest) if rest else [])]
    size, name = next((s, n) for s, n in _THOUSANDS if number >= s)
    count, rest = divmod(number, size)
    return [*_cardinal(count), name, *(_cardinal(rest) if rest else [])]


def _ordinal(word: str) -> str:
    if word in _ORDINALS:
        return _ORDINALS[word]
    return word[:-1] + "ieth" if word.endswith("y") else word + "th"
