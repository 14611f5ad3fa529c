"""What is a word, and how figures, signs and initials are said."""

import pytest

from md2n.extraction.transcripts import spoken, words_of


@pytest.mark.parametrize(
    ("transcript", "words"),
    [
        ("Well \u2014 it\u2019s [laughter] 5 o'clock, sp now.", "Well it's 5 o'clock, now."),
        ("really(2) <s> good </s>", "really good"),
        ("no...yes --maybe", "no... yes maybe"),
        ("caf\u0065\u0301 \u201cbar\u201d", 'caf\u00e9 "bar"'),
        ("  set\twhite\nwith ", "set white with"),
        ("rock & roll = loud - 5 %", "rock & roll = loud 5 %"),
        ("", ""),
        (" \u2026 - ?! [noise] sil <eps>", ""),
    ],
)
def test_words_keep_their_spelling_and_what_is_no_word_goes(transcript: str, words: str) -> None:
    assert words_of(transcript) == tuple(words.split())


def test_words_of_words_are_the_same() -> None:
    once = words_of("The U.S. has (about) 3.5% \u2014 of what\u2019s \u201cleft\u201d, sil really(2)!")
    assert words_of(" ".join(once)) == once


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("well-known", "well known"),
        ("o'clock,", "o'clock"),
        ("caf\u00e9!", "cafe"),
        ("U.S.", "U S"),
        ("MD2N", "MD two N"),
        ("R&D", "R and D"),
        ("0", "zero"),
        ("13", "thirteen"),
        ("80", "eighty"),
        ("101", "one hundred one"),
        ("2005", "two thousand five"),
        ("12,345", "twelve thousand three hundred forty five"),
        ("1000000", "one million"),
        ("007", "zero zero seven"),
        ("0123456789", "zero one two three four five six seven eight nine"),
        ("3.05", "three point zero five"),
        ("50%", "fifty percent"),
        ("10:30", "ten thirty"),
        ("$42", "forty two dollars"),
        ("\u00a31.50", "one pounds fifty"),
        ("\u20ac1,000.05", "one thousand euros five"),
        ("1987", "nineteen eighty seven"),
        ("1905", "nineteen oh five"),
        ("1900", "nineteen hundred"),
        ("1,987", "one thousand nine hundred eighty seven"),
        ("1990s", "nineteen nineties"),
        ("1st", "first"),
        ("42nd", "forty second"),
        ("12th", "twelfth"),
        ("20th", "twentieth"),
        ("100th", "one hundredth"),
        ("\u00bd", "one two"),
        ("\u0664\u0662", "forty two"),
        ("?!", ""),
    ],
)
def test_what_is_not_written_as_it_is_said(word: str, said: str) -> None:
    assert spoken(word) == tuple(said.split())


@pytest.mark.parametrize("word", ["9" * 5000, "$" + "9" * 5000, "$1." + "9" * 5000])
def test_a_number_without_end_is_said_figure_by_figure(word: str) -> None:
    assert spoken(word).count("nine") == 5000
