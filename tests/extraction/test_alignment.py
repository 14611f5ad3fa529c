"""Words in time: where they are in a clip of GRID, and laws that hold for any words in any sound.

The laws that need no speech are tried on noise, and those of the search with a decoder that is pretended.
"""

import importlib.metadata
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from md2n.data.ready import data_root
from md2n.errors import DataError, UsageError
from md2n.extraction import alignment
from md2n.extraction.alignment import FITS, SpeechAligner, align
from md2n.extraction.base import Clip, ModalityAbsentError, Word
from md2n.extraction.media import Sound, sound
from md2n.extraction.word_files import read_words

SAID = "set white with p two soon"


def noise(seconds: float, loud: float = 0.1) -> Sound:
    samples = np.random.default_rng(0).standard_normal(round(16_000 * seconds)).clip(-3, 3)
    return Sound((loud * samples / 3).astype(np.float32), 16_000)


# What needs neither speech nor PocketSphinx.


@dataclass
class Pretended:
    """A decoder that gives every word 0.2 s and the likelihood ``log`` a frame, and leaves out the last ``missing``."""

    log: float = -5.0
    missing: int = 0
    broken: bool = False

    def __post_init__(self) -> None:
        self.held = dict.fromkeys((*SAID.split(), "really", "forty"), "AH N")
        self.keys: list[str] = []

    def lookup_word(self, word: str) -> str | None:
        return self.held.get(word)

    def add_word(self, word: str, phones: str, update: bool) -> None:
        assert word not in self.held and phones
        self.held[word] = phones

    def set_align_text(self, text: str) -> None:
        self.keys = text.split()
        assert all(key in self.held for key in self.keys)

    def reinit_feat(self) -> None: ...

    def start_utt(self) -> None: ...

    def end_utt(self) -> None: ...

    def process_raw(self, samples: bytes, full_utt: bool) -> None:
        if self.broken:
            raise RuntimeError("out of order")
        self.peak = int(np.abs(np.frombuffer(samples, np.int16).astype(np.int64)).max())

    def hyp(self) -> bool:
        return True

    def get_logmath(self) -> Any:
        return SimpleNamespace(log=lambda x: x, log_to_ln=lambda x: x)

    def seg(self) -> Iterator[Any]:
        yield SimpleNamespace(word="<sil>", start_frame=0, end_frame=9, ascore=0.0)
        for i, key in enumerate(self.keys[: len(self.keys) - self.missing]):
            first = 10 + 20 * i
            word = f"{key}(2)" if i % 2 else key
            yield SimpleNamespace(word=word, start_frame=first, end_frame=first + 19, ascore=self.log * 20 / 1024)


def pretend(monkeypatch: pytest.MonkeyPatch, **said: Any) -> Pretended:
    made = Pretended(**said)
    held = lambda: made  # noqa: E731
    held.cache_clear = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setattr(alignment, "load_decoder", held)
    return made


def test_words_are_spelled_as_in_the_transcript_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    found = align("Set \u2014 WHITE, [noise] \u201cwith\u201d really(2) soon!", noise(3))
    assert [w.text for w in found.words] == ["Set", "WHITE,", '"with"', "really", "soon!"]
    times = [t for w in found.words for t in (w.start_s, w.end_s)]
    assert times == sorted(times) and times[:2] == [0.1078, 0.3078]
    assert found.score == pytest.approx(-5.0) and found.notes == ()


def test_no_word_ends_after_the_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    assert align("set white", noise(0.505)).words[-1].end_s == 0.505


@pytest.mark.parametrize(("log", "told"), [(FITS - 0.1, True), (FITS + 0.1, False)])
def test_a_fit_below_the_threshold_is_told(log: float, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, log=log)
    found = align(SAID, noise(3))
    assert found.score == pytest.approx(log) and len(found.words) == 6
    assert [n.startswith("this may be the transcript of another clip") for n in found.notes] == [True] * told


def test_guessed_words_are_marked_and_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    found = align("set Zwiebel 40 soon Zwiebel", noise(3))
    assert [w.guessed for w in found.words] == [False, True, False, False, True]
    assert found.notes == ("pronunciation guessed: Zwiebel",)
    many = align(" ".join(f"zwieb{c}l" for c in "abcdefghij") + " o" + "zo" * 20, noise(10))
    assert len(many.words) == 11
    assert many.notes == (
        "pronunciation guessed: zwiebal, zwiebbl, zwiebcl, zwiebdl, zwiebel, zwiebfl, zwiebgl, zwiebhl and 3 more",
    )


def test_capitals_spell_a_word_unless_all_is_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    made = pretend(monkeypatch)
    align("set ZAB soon", noise(3))
    assert "/Z_AE_B" in made.held
    made = pretend(monkeypatch)
    made.held |= {"z": "Z IY", "a": "EY", "b": "B IY"}
    align("set ZAB soon", noise(3))
    assert made.keys[1] == "/Z_IY_EY_B_IY"
    found = align("SET ZAB SOON", noise(3))
    assert made.keys[1] == "/Z_AE_B" and [w.text for w in found.words] == ["SET", "ZAB", "SOON"]


def test_a_quiet_sound_is_made_loud_and_a_loud_one_is_not_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    made = pretend(monkeypatch)
    for loud in (0.001, 1.0, 8.0):
        align(SAID, noise(3, loud))
        assert made.peak == 2**14


def test_a_search_that_does_not_come_to_the_end_is_no_alignment(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, missing=1)
    with pytest.raises(DataError, match="the 6 words are not in the sound"):
        align(SAID, noise(3))
    pretend(monkeypatch, broken=True)
    with pytest.raises(DataError, match="the words could not be looked for: out of order"):
        align(SAID, noise(3))


@pytest.mark.parametrize("transcript", ["", " \n", "... [laughter] \u2014"])
def test_a_transcript_without_a_word_is_absent(transcript: str) -> None:
    with pytest.raises(ModalityAbsentError, match="the transcript has no word"):
        align(transcript, noise(1))


def test_ten_thousand_words_do_not_go_into_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    with pytest.raises(DataError, match=r"3\.00 s of sound are too short for 10000 words, which take 600\.00 s"):
        align("white " * 10_000, noise(3))


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        (Sound(np.zeros(16_000, np.float32), 16_000), "the sound is silent"),
        (Sound(np.zeros(0, np.float32), 16_000), "the sound is silent"),
        (Sound(np.full(16_000, np.nan, np.float32), 16_000), "samples that are no numbers"),
        (Sound(np.ones(16_000, np.float32), 8_000), "the sound has 8000 samples a second"),
        (Sound(np.broadcast_to(np.float32(0.1), 16_000 * 1801), 16_000), "30 minutes of sound are too long"),
    ],
)
def test_sound_in_which_no_word_can_be_found_is_named(heard: Sound, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    with pytest.raises(DataError, match=said):
        align(SAID, heard)


def test_a_word_that_is_not_english_is_named_and_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    with pytest.raises(DataError, match=r"it is not known how '\u65e5{40}' is said"):
        align("set " + "\u65e5" * 1000, noise(3))


def test_where_the_package_is_not_there_its_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    alignment.load_decoder.cache_clear()
    with pytest.raises(UsageError, match="pocketsphinx, which finds words in speech, is not installed") as caught:
        align(SAID, noise(3))
    assert "pip install 'md2n[align]'" in caught.value.hint


def test_words_are_looked_for_again_by_a_new_pocketsphinx(monkeypatch: pytest.MonkeyPatch) -> None:
    prints = []
    for number in ("5.1.1", "5.2.0"):
        monkeypatch.setattr("md2n.extraction.alignment.version", lambda name, number=number: f"{name}-{number}")
        prints.append(SpeechAligner().fingerprint)
    assert prints[0] != prints[1] and all("pocketsphinx" in p for p in prints)


def test_without_pocketsphinx_there_is_a_fingerprint_still(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("md2n.extraction.alignment.version", none)
    assert SpeechAligner().fingerprint == f"words@{alignment.VERSION}"


# What needs PocketSphinx.


@pytest.fixture
def sphinx() -> None:
    pytest.importorskip("pocketsphinx", reason="pocketsphinx (the extra align) is not installed")


@pytest.mark.usefixtures("sphinx")
def test_in_noise_there_are_no_words_or_they_fit_badly() -> None:
    heard = noise(4)
    with pytest.raises(DataError, match="the 6 words are not in the sound"):
        align(SAID, heard)
    found = align("really", heard)
    (word,) = found.words
    assert 0 <= word.start_s < word.end_s <= heard.duration_s
    assert found.score < FITS and "transcript of another clip" in found.notes[0]


@pytest.mark.usefixtures("sphinx")
def test_no_transcript_upsets_the_decoder() -> None:
    for odd in ("a\0b set", "se\udc80t white", "</s> set", "set(2) white(9)", "<sil white", "++noise++ set", "/S_EH_T"):
        try:
            found = align(odd, noise(3))
        except DataError:
            continue
        assert len(found.words) >= 1


# What needs a clip of GRID as well.


def clip(name: str) -> Path:
    root = data_root()
    path = None if root is None else root / "raw_clips" / name
    if path is None or not path.is_file():
        pytest.skip(f"{name} is not there (MD2N_DATA_ROOT)")
    return path


@pytest.fixture
def grid(sphinx: None) -> tuple[Sound, tuple[Word, ...]]:
    pytest.importorskip("av", reason="PyAV (the extra video) is not installed")
    return sound(clip("grid_id2_vcd_swwp2s.mpg")), read_words(clip("grid_swwp2s.align"))


def test_words_are_where_the_word_file_has_them(grid: tuple[Sound, tuple[Word, ...]]) -> None:
    heard, true = grid
    found = align(SAID, heard)
    assert [w.text for w in found.words] == [w.text for w in true] and found.notes == ()
    errors = [
        abs(a - b)
        for w, t in zip(found.words, true, strict=True)
        for a, b in ((w.start_s, t.start_s), (w.end_s, t.end_s))
    ]
    assert np.median(errors) < 0.035 and max(errors) < 0.07
    assert found.score == pytest.approx(-4.2, abs=0.5)


def test_the_answer_does_not_depend_on_what_came_before(grid: tuple[Sound, tuple[Word, ...]]) -> None:
    heard, _ = grid
    alignment.load_decoder.cache_clear()
    first = align(SAID, heard)
    with pytest.raises(DataError, match="are not in the sound"):
        align("covarep, set white", noise(4))
    align("whyte suhn", heard)
    align("set white", Sound(heard.signal[::-1].copy(), heard.rate_hz))
    assert align(SAID, heard) == first


@pytest.mark.parametrize(
    "transcript", ["really", "set whyte MTV & 2nd zoon's!", "set WHITE w/ p 2 soon", "1987", SAID.upper()]
)
def test_words_are_in_order_and_inside_whatever_is_said(transcript: str, grid: tuple[Sound, tuple[Word, ...]]) -> None:
    heard, _ = grid
    found = align(transcript, heard)
    assert " ".join(w.text for w in found.words) == transcript
    times = [t for w in found.words for t in (w.start_s, w.end_s)]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= heard.duration_s
    assert all(w.end_s > w.start_s for w in found.words)


@pytest.mark.parametrize("loud", [0.01, 4.0])
def test_loudness_changes_nothing_to_be_heard(loud: float, grid: tuple[Sound, tuple[Word, ...]]) -> None:
    heard, _ = grid
    as_it_is, other = align(SAID, heard), align(SAID, Sound((loud * heard.signal), heard.rate_hz))
    assert [w.start_s for w in other.words] == pytest.approx([w.start_s for w in as_it_is.words], abs=0.011)


def test_the_transcript_of_another_clip_is_told(grid: tuple[Sound, tuple[Word, ...]]) -> None:
    heard, _ = grid
    told = []
    for other in ("kids are talking by the door", "place blue at f nine again", "lay red by j eight please"):
        found = align(other, heard)
        told.append(found.score < FITS and any("transcript of another clip" in n for n in found.notes))
    assert all(told)


def test_a_word_outside_the_dictionary_takes_the_place_of_one_within(grid: tuple[Sound, tuple[Word, ...]]) -> None:
    heard, true = grid
    found = align("set whyte with p 2 suhn", heard)
    assert [w.text for w in found.words] == ["set", "whyte", "with", "p", "2", "suhn"]
    assert found.words[5].guessed and not found.words[4].guessed
    assert any(n.startswith("pronunciation guessed") and "suhn" in n for n in found.notes)
    assert all(abs(w.start_s - t.start_s) < 0.15 for w, t in zip(found.words, true, strict=True))


def test_the_pipeline_gets_words_and_notes(grid: tuple[Sound, tuple[Word, ...]]) -> None:
    aligner = SpeechAligner()
    aligner.prepare()
    words, notes = aligner.words(Clip("s", clip("grid_id2_vcd_swwp2s.mpg"), SAID))
    assert words == align(SAID, grid[0]).words and notes == ()
    with pytest.raises(ModalityAbsentError, match="the transcript has no word"):
        aligner.words(Clip("s", clip("grid_id2_vcd_swwp2s.mpg"), "..."))
