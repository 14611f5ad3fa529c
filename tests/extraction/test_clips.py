"""A table of clips: what it may leave out, and what is told where it does not hold together."""

from pathlib import Path

import pytest

from md2n.errors import DataError, UsageError
from md2n.extraction.base import Word
from md2n.extraction.clips import find_table, read_clips


def table(folder: Path, text: str, name: str = "labels.csv", files: tuple[str, ...] = ("a.wav", "b c, ü.mp4")) -> Path:
    for file in files:
        (folder / file).write_bytes(b"clip")
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_files_transcripts_labels_groups_and_splits_are_found(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "file,transcript,label,y_mood,speaker,split,note\n"
        'a.wav,set white,anger,0.5,s1,train,\n"b c, ü.mp4",,,-1,s2,test,\n',
    )
    found = read_clips(path)
    assert [c.id for c in found.clips] == ["a", "b c, ü"]
    assert [c.transcript for c in found.clips] == ["set white", None]
    assert found.clips[1].media == tmp_path / "b c, ü.mp4"
    assert list(found.labels["label"]) == ["anger", ""] and list(found.labels["y_mood"]) == [0.5, -1.0]
    assert found.splits == ("train", "test")
    assert found.groups == {"speaker": ["s1", "s2"]}


def test_a_transcript_may_stand_beside_its_clip_and_words_in_a_folder(tmp_path: Path) -> None:
    path = table(tmp_path, "file\na.wav\n")
    (tmp_path / "a.txt").write_text("set white\n")
    words = tmp_path / "words"
    words.mkdir()
    (words / "a.align").write_text("0 25000 set\n25000 50000 white\n")
    [clip] = read_clips(path, words=words).clips
    assert clip.transcript == "set white"
    assert clip.words == (Word("set", 0.0, 1.0), Word("white", 1.0, 2.0))
    (words / "a.csv").write_text("word,start,end\nset,0,1\n")
    with pytest.raises(DataError, match=r"clip 'a' has two files of words: a\.csv, a\.align"):
        read_clips(path, words=words)


def test_a_label_column_without_values_is_left_out_and_told(tmp_path: Path) -> None:
    found = read_clips(table(tmp_path, "file,label,speaker\na.wav,,s1\n"))
    assert found.labels == {} and found.notes == ("label column 'label' is empty and was left out",)
    assert "label" not in found.groups


def test_a_label_of_any_name_is_taken_where_it_is_asked_for(tmp_path: Path) -> None:
    path = table(tmp_path, "file,emotion\na.wav,anger\n")
    assert list(read_clips(path, labels=["emotion"]).labels["emotion"]) == ["anger"]
    with pytest.raises(UsageError, match="has no column 'emotoin'") as caught:
        read_clips(path, labels=["emotoin"])
    assert "did you mean 'emotion'" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file\na.wav\na.wav\n", "id 'a' stands in lines 2 and 3"),
        ("file,id\na.wav,one\nb c.wav,one\n", "id 'one' stands in lines 2 and 3"),
        ("file\nmissing.wav\n", r"line 2: there is no file .*missing\.wav"),
        ("name\na.wav\n", "neither a column 'file' nor 'id'"),
        ("file\n", "holds no sample"),
    ],
)
def test_what_does_not_hold_together_is_refused_by_name(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        read_clips(table(tmp_path, text))


def test_the_table_is_found_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no labels\.csv or manifest\.csv"):
        find_table(tmp_path)
    second = table(tmp_path, "file\na.wav\n", "manifest.csv")
    assert find_table(tmp_path) == second
    assert find_table(tmp_path) != table(tmp_path, "file\na.wav\n")
    with pytest.raises(DataError, match="there is no folder"):
        find_table(tmp_path / "none")
