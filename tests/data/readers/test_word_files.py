"""Words in time: every form of a file gives the same words, in import as in extraction."""

from pathlib import Path

import numpy as np
import pytest

from md2n.data.readers.clips import read_clip_features
from md2n.data.readers.pauses import is_pause
from md2n.data.readers.word_files import read_word_file
from md2n.errors import DataError, UsageError
from md2n.extraction.base import Word
from md2n.extraction.word_files import read_words
from tests.data.readers.test_faces import write

LABELS = (
    ("sil", 0.0, 0.5),
    ("hello", 0.5, 1.0),
    ("", 1.0, 1.6),
    ("world", 1.6, 2.2),
    ("SP", 2.2, 2.4),
    ("spn", 2.4, 2.6),
    ("<eps>", 2.6, 2.8),
    ("[noise]", 2.8, 2.9),
    ("...", 2.9, 3.0),
)
SAID = (Word("hello", 0.5, 1.0), Word("world", 1.6, 2.2))


def text_grid(**tiers) -> str:
    """The short form: name of a tier -> its labels."""
    head = f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n3\n<exists>\n{len(tiers)}\n'
    return head + "".join(
        f'"IntervalTier"\n"{name}"\n0\n3\n{len(labels)}\n' + "".join(f'{a}\n{b}\n"{t}"\n' for t, a, b in labels)
        for name, labels in tiers.items()
    )


def rows(separator: str = ",", labels=LABELS) -> str:
    return "".join(f"{t}{separator}{a}{separator}{b}\n" for t, a, b in labels)


FORMS = {
    "a.csv": "word,start_s,end_s\n" + rows(),
    "semicolons.csv": "word;start_s;end_s\n" + rows(";"),
    "tabs.tsv": "text\tbegin\tend\n" + rows("\t"),
    "tabs.txt": "word\tstart_s\tend_s\n" + rows("\t"),
    "praat.txt": "tmin\ttier\ttext\ttmax\n"
    + "".join(f"{a}\twords\t{t}\t{b}\n{a}\tphones\tX\t{b}\n" for t, a, b in LABELS),
    "mfa.csv": "Begin,End,Label,Type,Speaker\n"
    + "".join(f"{a},{b},{t},phones,ann\n" for t, a, b in LABELS)
    + "".join(f"{a},{b},{t},words,ann\n" for t, a, b in LABELS),
    "a.TextGrid": text_grid(words=LABELS),
    "mfa.TextGrid": text_grid(**{"ann - words": LABELS, "ann - phones": [("X", 0.0, 3.0)]}),
    "capitals.TextGrid": text_grid(phones=[("X", 0.0, 3.0)], Word=LABELS),
    "small.textgrid": text_grid(speech=LABELS),
    "grid.align": "".join(f"{a * 25_000:g} {b * 25_000:g} {t}\n" for t, a, b in LABELS if t),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_words_at_both_doors(tmp_path, name):
    root = tmp_path / "mine"
    for folder in ("audio", "words"):
        (root / folder).mkdir(parents=True)
    starts = np.arange(30) / 10
    np.savez(root / "audio" / "a.npz", features=starts[:, None], intervals=np.stack([starts, starts + 0.1], 1))
    (root / "words" / f"a{Path(name).suffix}").write_text(FORMS[name])
    write(root / "labels.csv", "id,y", "a,1")
    path = root / "words" / f"a{Path(name).suffix}"
    assert read_words(path) == SAID
    read = read_word_file(path)
    assert (read.track.features.tolist(), read.notes) == (["hello", "world"], ())
    samples = read_clip_features(root, align="words")
    np.testing.assert_allclose(samples.modalities["audio"].sample(0)[:, 0], [0.7, 1.85], atol=1e-6)


@pytest.mark.parametrize(
    "text", ["", " ", "sil", "SIL", "sp", "spn", "<eps>", "<p:>", "<sil>", "!SIL", "{SL}", "</s>", "#"]
)
def test_a_pause_is_no_word(text):
    assert is_pause(text)


@pytest.mark.parametrize(
    "text", ["silly", "spa", "pause", "silence", "s", "p", "I", "5", "&", "%", "<unk>", "是", "né"]
)
def test_a_word_is_no_pause(text):
    assert not is_pause(text)


def test_several_speakers_are_put_in_order_of_time_or_one_is_named(tmp_path):
    path = tmp_path / "a.TextGrid"
    ann, ben = [("hello", 0.0, 0.5), ("world", 1.0, 1.5)], [("hm", 0.7, 0.9), ("sil", 0.9, 1.2), ("yes", 1.2, 1.8)]
    path.write_text(text_grid(**{"ann - words": ann, "ann - phones": [], "ben - words": ben, "ben - phones": []}))
    assert [w.text for w in read_words(path)] == ["hello", "hm", "world", "yes"]
    assert "several tiers" in read_word_file(path).notes[0]
    assert [w.text for w in read_words(path, "ben - words")] == ["hm", "yes"]
    assert [w.text for w in read_words(path, "* - words")] == ["hello", "hm", "world", "yes"]
    with pytest.raises(UsageError, match="has no tier 'bob - words'") as caught:
        read_words(path, "bob - words")
    assert "ann - words, ann - phones, ben - words, ben - phones" in caught.value.hint
    path.write_text(text_grid(ann=ann, ben=ben))
    with pytest.raises(UsageError, match="has 2 tiers, none of which ends in 'words': ann, ben") as caught:
        read_words(path)
    assert "--tier 'ann'" in caught.value.hint
    assert [w.text for w in read_words(path, "ben")] == ["hm", "yes"]


def test_a_word_without_length_is_a_word(tmp_path):
    words = read_words(write(tmp_path / "a.csv", "word,start_s,end_s", "yes,1,1"))
    assert words == (Word("yes", 1.0, 1.0),)


def test_a_file_of_pauses_holds_no_word_and_no_step(tmp_path):
    path = write(tmp_path / "a.csv", "word,start_s,end_s", "sil,0,1")
    assert read_word_file(path).track.features.shape == (0,)
    assert read_word_file(path).track.intervals.shape == (0, 2)
    with pytest.raises(DataError, match=r"a.csv' holds no word"):
        read_words(path)


@pytest.mark.parametrize(
    ("lines", "text", "hint"),
    [
        (["start_s,end_s", "0,1"], "no column 'word', only: start_s, end_s", "word, start_s, end_s"),
        (["0,1,2", "1,2,3"], "has no header line: its first line is '0,1,2'", "word, start_s, end_s"),
        (["word;start_s;end_s", "so;0,5;1"], "line 2: '0,5' is no time", "not a comma"),
        (["word,start_s,end_s", "so,-1,1"], "'so' is from -1 to 1 s", "0 s or later"),
        (["word,start_s,end_s"], "has a header but no row", "take the file away"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_next_step(tmp_path, lines, text, hint):
    with pytest.raises(DataError, match=text) as caught:
        read_word_file(write(tmp_path / "a.csv", *lines))
    assert "a.csv" in caught.value.message and hint in caught.value.hint
