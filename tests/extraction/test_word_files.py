"""Words in time from others' files, and what is told of files that are none."""

from pathlib import Path

import pytest

from md2n.errors import DataError, UsageError
from md2n.extraction.base import Word
from md2n.extraction.word_files import read_words

SAID = (Word("bin", 0.5, 0.75), Word('"blue"', 0.75, 1.0))
LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 2
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2
            text = "b"
    item [2]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 0.75
            text = "bin"
        intervals [3]:
            xmin = 0.75
            xmax = 1
            text = "\"\"blue\"\""
"""
SHORT = """File type = "ooTextFile"
"TextGrid"

0
2
<exists>
1
"IntervalTier"
"speech"
0
2
3
0
0.5
"sil"
0.5
0.75
"bin"
0.75
1
"\"\"blue\"\""
"""
FILES = {
    "a.csv": 'Word, start_s ,end_s\nbin,0.5,0.75\n"""blue""",0.75,1\nsp,1,2\n',
    "long.TextGrid": LONG,
    "short.TextGrid": SHORT,
    "grid.align": '0 12500 sil\n12500 18750 bin\n18750 25000 "blue"\n25000 50000 sil\n',
}


@pytest.mark.parametrize("name", FILES)
def test_every_layout_gives_the_same_words(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(FILES[name])
    assert read_words(path) == SAID


def test_praats_utf_16_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(SHORT.replace("bin", "schön"), encoding="utf-16")
    assert read_words(path)[0].text == "schön"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "word,start\nbin,0\n", "has no column 'end_s', only: word, start"),
        ("a.csv", "word,start,end\nbin,0,soon\n", "line 2: 'soon' is no time"),
        ("a.csv", "word,start,end\nbin,0,nan\n", "line 2: 'nan' is no time"),
        ("a.csv", "word,start,end\nbin,1,0.5\n", "'bin' is from 1 to 0.5 s"),
        ("a.csv", "word,start,end\nbin,1,2\nblue,0,1\n", "'blue' begins before 'bin'"),
        ("a.csv", "word,start,end\nsil,1,2\n", "holds no word"),
        ("a.align", "0 100\n", "line 1: '0 100' is not 'start end word'"),
        ("a.TextGrid", "words", "is no TextGrid"),
        ("a.docx", "words", "holds no words that are understood"),
    ],
)
def test_what_cannot_be_is_refused_by_name(name: str, content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataError, match=said):
        read_words(path)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.csv' does not exist"):
        read_words(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(b"word\x80,start,end\n")
    with pytest.raises(DataError, match="no text in UTF-8"):
        read_words(tmp_path / "b.csv")


def test_a_tier_is_chosen_or_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(LONG)
    assert read_words(path, "phones") == (Word("b", 0.0, 2.0),)
    with pytest.raises(UsageError, match="no tier 'wrods'"):
        read_words(path, "wrods")
    path.write_text(LONG.replace('"words"', '"tokens"'))
    with pytest.raises(UsageError, match="has 2 tiers, none of which ends in 'words': phones, tokens"):
        read_words(path)
