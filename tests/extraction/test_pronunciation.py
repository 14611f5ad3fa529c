"""Words that a dictionary has not got are said with what it has; this one has a few words only."""

import time

import pytest

from md2n.extraction.pronunciation import SOUNDS, Pronunciation, pronounce

DICTIONARY = {
    "set": "S EH T", "white": "W AY T", "two": "T UW", "b": "B IY", "m": "EH M", "t": "T IY", "v": "V IY", "n": "EH N",
    "kitchen": "K IH CH AH N", "bus": "B AH S", "cat": "K AE T", "u.s.": "Y UW EH S", "well": "W EH L", "p": "P IY",
    "known": "N OW N", "it's": "IH T S", "forty": "F AO R T IY", "dollars": "D AA L ER Z", "aa": "EY EY", "a": "AH",
    "</s>": "SIL", "<sil>": "SIL",
}  # fmt: skip


def say(word: str) -> Pronunciation:
    found = pronounce(word, DICTIONARY.get)
    assert found is not None
    return found


@pytest.mark.parametrize("word", ["white", "White,", '"WHITE!"', "(white)"])
def test_a_word_of_the_dictionary_is_said_as_it_stands_there(word: str) -> None:
    assert say(word) == Pronunciation("white", "W AY T", known=True, guessed=False)


def test_initials_of_the_dictionary_are_found_with_their_last_stop() -> None:
    assert say("U.S.") == say("u.s.,") == Pronunciation("u.s.", "Y UW EH S", known=True, guessed=False)


@pytest.mark.parametrize(
    ("word", "phones"),
    [("well-known", "W EH L N OW N"), ("$42", "F AO R T IY T UW D AA L ER Z"), ("'white'", "W AY T")],
)
def test_what_is_made_of_words_of_the_dictionary_is_no_guess(word: str, phones: str) -> None:
    found = say(word)
    assert (found.phones, found.known, found.guessed) == (phones, False, False)


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("MTV", "EH M T IY V IY"),  # capitals are spelled
        ("ptt", "P IY T IY T IY"),  # and what has no vowel
        ("catkitchen", "K AE T K IH CH AH N"),  # two words of the dictionary
        ("whitebu", "W AY T B AH"),  # one, and letters
        ("shoch", "SH AA CH"),  # pairs of letters before single ones
        ("zine", "Z IH N"),  # a last e is silent
    ],
)
def test_what_the_dictionary_has_not_is_guessed_and_says_so(word: str, phones: str) -> None:
    found = say(word)
    assert (found.phones, found.known, found.guessed) == (phones, False, True)


@pytest.mark.parametrize(("word", "end"), [("cat's", "S"), ("kitchen's", "Z"), ("bus's", "IH Z"), ("whites'", "T S")])
def test_a_genitive_sounds_as_its_stem_does(word: str, end: str) -> None:
    assert say(word).phones.endswith(f" {end}")


def test_the_key_says_how_it_is_said() -> None:
    """The decoder's dictionary does not tell small letters from capitals."""
    assert say("MTV").key == say("M.T.V.").key == "/EH_M_T_IY_V_IY"
    assert say("bab").key != say("BAB").key and say("bab").key == "/B_AE_B"


@pytest.mark.parametrize("word", ["\u65e5\u672c", "?!", "", "''", "\u0416"])
def test_what_has_no_sound_in_english_is_told(word: str) -> None:
    assert pronounce(word, DICTIONARY.get) is None


@pytest.mark.parametrize("word", ["</s>", "<sil>"])
def test_pauses_of_the_dictionary_are_no_words(word: str) -> None:
    found = pronounce(word, DICTIONARY.get)
    assert found is None or "SIL" not in found.phones


@pytest.mark.parametrize("word", ["\0set", "se\udc80t", "set\u00e9", "s\u0131t"])
def test_a_dictionary_of_ascii_is_not_asked_for_more(word: str) -> None:
    def lookup(asked: str) -> str | None:
        assert asked.isascii() and asked.isprintable()
        return DICTIONARY.get(asked)

    assert pronounce(word, lookup) is not None


def test_every_guess_is_made_of_phones_of_the_dictionary() -> None:
    phones = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
    said = say("the quick brown fox jumps over the lazy dog'".replace(" ", "")).phones.split()
    assert set(said) | {p for s in SOUNDS.values() for p in s.split()} <= set(phones.split())


def test_a_word_without_end_takes_no_time_without_end() -> None:
    begun = time.process_time()
    assert say("ab" * 5000).guessed
    assert say("abcdefghi" * 6).guessed
    assert time.process_time() - begun < 2
