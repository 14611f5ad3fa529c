"""A table of clips: what it may leave out, and what is told where it does not hold together."""

from pathlib import Path

import pytest

from md2n.data.declaration import Meaning
from md2n.data.ready import data_root
from md2n.errors import DataError, UsageError
from md2n.extraction.base import Word
from md2n.extraction.listing import find_table, read_clips

RAW = (data_root() or Path("nowhere")) / "raw_clips"


def folder(
    path: Path, text: str = "", name: str = "labels.csv", files: tuple[str, ...] = ("a.wav", "b c, ü.mp4")
) -> Path:
    for file in files:
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_bytes(b"clip")
    if text:
        (path / name).write_text(text, encoding="utf-8")
    return path


def test_files_transcripts_labels_groups_and_splits_are_found(tmp_path: Path) -> None:
    clips = folder(
        tmp_path,
        "file,transcript,label,y_mood,speaker,split,note\n"
        'a.wav,set white,anger,0.5,s1,train,loud\n"b c, ü.mp4",,joy,-1,,dev,\n',
    )
    found = read_clips(clips)
    assert [c.id for c in found.clips] == ["a", "b c, ü"]
    assert [c.transcript for c in found.clips] == ["set white", None]
    assert found.clips[1].media == tmp_path / "b c, ü.mp4"
    assert list(found.labels["label"]) == ["anger", "joy"] and list(found.labels["y_mood"]) == [0.5, -1.0]
    assert found.splits == ("train", "valid")
    assert found.groups == {"speaker": ["s1", "b c, ü"]}  # who is not known is a group of one
    assert found.refused == () and found.notes == ()
    assert read_clips(clips, groups=["note"]).groups == {"note": ["loud", "b c, ü"]}


def test_what_is_said_of_labels_is_checked_before_anything_is_extracted(tmp_path: Path) -> None:
    files = tuple(f"{n}.wav" for n in "abcd")
    clips = folder(tmp_path, "file,label\na.wav,-1\nb.wav,2\nc.wav,NA\nd.wav,1\n", files=files)
    assert read_clips(clips).columns()["label"].task.classes == ("-1", "1", "2")
    column = read_clips(clips, meaning=Meaning(known="mosi")).columns()["label"]
    assert column.task.sentiment and column.values[[0, 1, 3]].tolist() == [-1, 2, 1]
    fewer = read_clips(clips, meaning=Meaning(unknown=("-1",))).columns()["label"]
    assert (fewer.task.classes, fewer.values.tolist()) == (("1", "2"), [-1, 1, -1, 0])
    with pytest.raises(DataError, match=r"outside the declared range \[-1, 1\]: 2 \(first: b\)"):
        read_clips(clips, meaning=Meaning(known="ch-sims"))


def test_clips_are_named_by_their_path_or_as_the_table_says(tmp_path: Path) -> None:
    files = ("s1/a.mp4", "s2/a.mp4", "one.two.wav")
    clips = folder(tmp_path, "file\ns1/a.mp4\ns2/a.mp4\none.two.wav\n", files=files)
    assert [c.id for c in read_clips(clips).clips] == ["s1/a", "s2/a", "one.two"]
    folder(tmp_path, "id,transcript\none.two,\nonly said,so it is\n", files=files)
    first, second = read_clips(clips).clips
    assert first.media == tmp_path / "one.two.wav"  # a media file of that name
    assert second.media is None and second.transcript == "so it is"


def test_a_transcript_may_stand_beside_its_clip_and_words_in_a_folder(tmp_path: Path) -> None:
    clips = folder(tmp_path, "file,transcript\na.wav,\nb.wav,other\n", files=("a.wav", "b.wav"))
    for one in "ab":
        (tmp_path / f"{one}.txt").write_text("set white\n")
    words = tmp_path / "words"
    words.mkdir()
    (words / "a.align").write_text("0 25000 set\n25000 50000 white\n")
    (tmp_path / "b.align").write_text("0 25000 blue\n")
    first, second = read_clips(clips, words=words).clips
    assert first.transcript == "set white" and second.transcript == "other"
    assert first.words == (Word("set", 0.0, 1.0), Word("white", 1.0, 2.0))
    assert second.words == (Word("blue", 0.0, 1.0),)  # beside the clip
    (words / "a.csv").write_text("word,start,end\nset,0,1\n")
    found = read_clips(clips, words=words)
    assert found.clips[0].words is None
    assert found.notes[0] == "clip 'a': there are two files of words, a.align and a.csv (keep one)"


def test_words_in_time_are_the_transcript_where_there_is_no_other(tmp_path: Path) -> None:
    clips = folder(tmp_path, "file,words\na.wav,times/first.csv\n")
    (tmp_path / "times").mkdir()
    (tmp_path / "times" / "first.csv").write_text("word,start_s,end_s\nset,0,0.5\nwhite,0.5,1\n")
    [clip] = read_clips(clips).clips
    assert clip.transcript == "set white" and clip.words is not None and len(clip.words) == 2
    (tmp_path / "times" / "first.csv").write_text("word,start_s,end_s\nset,1,0.5\n")
    found = read_clips(clips)
    assert found.clips[0].words is None and "clip 'a':" in found.notes[0] and "from 1 to 0.5 s" in found.notes[0]


def grid(**tiers: str) -> str:
    """A TextGrid of one label a tier."""
    head = f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\n{len(tiers)}\n'
    return head + "".join(f'"IntervalTier"\n"{tier}"\n0\n1\n1\n0\n1\n"{word}"\n' for tier, word in tiers.items())


def test_words_are_read_whatever_their_form_and_a_transcript_is_not_taken_for_one(tmp_path: Path) -> None:
    clips = folder(tmp_path / "clips", "file\na.wav\nb.wav\nc.wav\nd.wav\n", files=("a.wav", "b.wav", "c.wav", "d.wav"))
    words = tmp_path / "words"
    words.mkdir()
    (words / "a.TEXTGRID").write_text(grid(words="so"))
    (words / "a.txt").write_text("word for word, she said so")  # MFA's corpora have them beside
    (words / "b.tsv").write_text("word\tstart_s\tend_s\nso\t0\t1\n")
    (words / "c.txt").write_text("word;start_s;end_s\nso;0;1\n")
    (words / "d.txt").write_text("so it is\n")
    listing = read_clips(clips, words=words)
    assert [c.words for c in listing.clips] == [(Word("so", 0.0, 1.0),)] * 3 + [None]
    assert all("clip" not in note for note in listing.notes)
    with pytest.raises(DataError, match="there is no folder"):
        read_clips(clips, words=tmp_path / "wrods")


def test_a_tier_is_asked_for_with_an_option_that_is_there(tmp_path: Path) -> None:
    clips = folder(tmp_path, "file\na.wav\nb.wav\n", files=("a.wav", "b.wav"))
    (tmp_path / "a.TextGrid").write_text(grid(ann="so", ben="no"))
    (tmp_path / "b.TextGrid").write_text(grid(**{"ann - words": "so", "ann - phones": "S"}))
    listing = read_clips(clips)
    assert [c.words for c in listing.clips] == [None, (Word("so", 0.0, 1.0),)]
    assert (
        "has 2 tiers, none of which ends in 'words': ann, ben" in listing.notes[0]
        and "--tier 'ann'" in listing.notes[0]
    )
    named = read_clips(clips, tier="ann*")
    assert [len(c.words or ()) for c in named.clips] == [1, 2]
    assert [c.words is None for c in read_clips(clips, tier="ben").clips] == [False, True]
    with pytest.raises(UsageError, match="has no tier 'bob'"):
        read_clips(clips, tier="bob")


def test_a_label_column_that_teaches_nothing_is_left_out_and_told(tmp_path: Path) -> None:
    clips = folder(tmp_path, "file,label,y_mood,split\na.wav,,calm,train\nb.wav,,,train\n")
    found = read_clips(clips)
    assert found.labels == {} and found.notes == (
        "label column 'label' is empty and was left out",
        "label column 'y_mood' holds nothing but 'calm' and was left out",
    )
    assert list(read_clips(clips, labels=["y_mood"]).labels) == ["y_mood"]


def test_a_label_of_any_name_is_taken_where_it_is_asked_for(tmp_path: Path) -> None:
    clips = folder(tmp_path, "file,emotion\na.wav,anger\n")
    assert list(read_clips(clips, labels=["emotion"]).labels["emotion"]) == ["anger"]
    for asked, what in (({"labels": ["emotoin"]}, "label"), ({"groups": ["emotoin"]}, "group")):
        with pytest.raises(UsageError, match=f"there is no {what} column 'emotoin'") as caught:
            read_clips(clips, **asked)
        assert "did you mean 'emotion'" in caught.value.hint


def test_columns_are_made_of_file_names(tmp_path: Path) -> None:
    clips = folder(tmp_path, "file\ns1/x-01.wav\ns2/x-02.wav\nother.wav\n", files=())
    patterns = {"emotion": r"x-(\d+)", "speaker": r"^(s\d+)/"}
    found = read_clips(clips, labels=["emotion"], columns=patterns)
    assert found.classes == {"emotion": ["1", "2"]} and list(found.labels["emotion"]) == ["1", "2", ""]
    assert found.groups == {"speaker": ["s1", "s2", "other"]}
    for pattern, said in (("(", "is no pattern"), ("x-..", "has no group"), ("(zzz)", "is in no file name")):
        with pytest.raises(UsageError, match=said):
            read_clips(clips, columns={"emotion": pattern})
    with pytest.raises(UsageError, match="a column 'split' cannot be made of file names"):
        read_clips(clips, columns={"split": "(.)"})


@pytest.mark.parametrize(
    ("text", "kept", "refused"),
    [
        ("file\na.wav\na.wav\nb.wav\n", ["b"], "id 'a' is that of lines 2, 3 of"),
        ("file,id\na.wav,one\nc.wav,one\nb.wav,b\n", ["b"], "id 'one' is that of lines 2, 3 of"),
        ("file,split\na.wav,tarin\nb.wav,test\n", ["b"], r"line 2: 'tarin' is no split; did you mean 'train'"),
        ('file,note\n"",x\nb.wav,\n', ["b"], r"line 2 has neither id nor file"),
    ],
)
def test_a_line_that_cannot_be_used_is_listed_and_the_rest_goes_on(
    text: str, kept: list[str], refused: str, tmp_path: Path
) -> None:
    found = read_clips(folder(tmp_path, text))
    assert [c.id for c in found.clips] == kept
    assert refused in found.refused[0][1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file\na.wav\na.wav\n", "no line of .* can be used: id 'a' is that of lines 2, 3"),
        ("name\na.wav\n", "neither a column 'file' nor 'id'"),
        ("file\n", "has a header but no row"),
        ("file,file\na.wav,a.wav\n", "two columns called 'file'"),
        ("file,label\na.wav\n", "line 2 has 1 cells, the header has 2"),
    ],
)
def test_a_table_that_does_not_hold_together_is_refused_by_name(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        read_clips(folder(tmp_path, text))


def test_a_listed_file_that_is_absent_stays_a_clip(tmp_path: Path) -> None:
    [clip] = read_clips(folder(tmp_path, "file,transcript\nmissing.wav,set white\n")).clips
    assert clip.media == tmp_path / "missing.wav" and clip.transcript == "set white"


def test_a_transcript_of_ten_thousand_words_is_told(tmp_path: Path) -> None:
    clips = folder(tmp_path, f"file,transcript\na.wav,{'word ' * 10_000}\n")
    found = read_clips(clips)
    assert len((found.clips[0].transcript or "").split()) == 10_000
    assert "clip 'a' has a transcript of 10000 words" in found.notes[0]


def test_the_table_is_found_by_its_name(tmp_path: Path) -> None:
    assert find_table(folder(tmp_path)) is None
    folder(tmp_path, "file\na.wav\n", "manifest.csv")
    assert find_table(tmp_path) == tmp_path / "manifest.csv"
    folder(tmp_path, "file\na.wav\n")
    assert find_table(tmp_path) == tmp_path / "labels.csv"
    with pytest.raises(DataError, match="there is no folder"):
        find_table(tmp_path / "none")


def test_without_a_table_every_media_file_is_a_clip(tmp_path: Path) -> None:
    found = read_clips(folder(tmp_path, files=("b/x y.MP4", "a.wav", "notes.txt")))
    assert [c.id for c in found.clips] == ["a", "b/x y"]
    assert found.labels == {} and "every media file is a clip" in found.notes[0]
    with pytest.raises(DataError, match="and no media file"):
        read_clips(folder(tmp_path / "empty", files=("notes.txt",)))


@pytest.mark.skipif(not RAW.is_dir(), reason="the raw clips are not here (MD2N_DATA_ROOT)")
def test_the_raw_clips_are_read_as_they_are() -> None:
    found = read_clips(RAW, columns={"command": r"grid_(?:id2_vcd_)?(.)"}, labels=["command"])
    assert len(found.clips) == 13 and all(c.media and c.media.is_file() for c in found.clips)
    assert found.clips[0].transcript == "bin blue at f two now" and found.clips[-1].transcript is None
    assert list(found.labels["command"]) == ["b", "b", "l", "l", "l", "l", "p", "s", "s", "s", "s", "", ""]
    assert {s: found.splits.count(s) for s in ("train", "valid", "test")} == {"train": 9, "valid": 2, "test": 2}
