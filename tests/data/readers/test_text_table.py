"""Tables from spreadsheets and from Windows: separators, encodings, backslashes."""

import numpy as np
import pytest

from md2n.data.readers.clips import read_clip_features
from md2n.data.readers.folder import read_folder
from md2n.data.readers.sample_table import read_table
from md2n.data.readers.text_table import separator_of, with_slashes
from md2n.errors import DataError
from md2n.extraction.listing import read_clips

ROWS = [["id", "split", "y", "audio"], ["a", "train", "0.5", "f/a.npy"], ["b", "test", "-1.5", "f/b.npy"]]


def table(separator: str = ",", end: str = "", line: str = "\n") -> str:
    return "".join(separator.join(row) + end + line for row in ROWS)


FORMS = {
    "commas": table().encode(),
    "semicolons": table(";").encode(),
    "tabs": table("\t").encode(),
    "an end of separators": table(";", ";;").encode(),
    "rows of separators": table(";").encode() + b";;;\n",
    "Windows lines": table(";", line="\r\n").encode("utf-8-sig"),
    "UTF-16": table("\t").encode("utf-16"),
    "backslashes": table(";").replace("/", "\\").encode(),
    "quotes": table(";").replace("train", '"train"').encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_is_the_same_whatever_wrote_it(tmp_path, form):
    (tmp_path / "f").mkdir()
    for one in "ab":
        np.save(tmp_path / "f" / f"{one}.npy", np.full((2, 3), ord(one), np.float32))
    (tmp_path / "samples.csv").write_bytes(FORMS[form])
    assert list(read_table(tmp_path / "samples.csv")) == ROWS[0]
    samples = read_folder(tmp_path)
    assert (samples.ids.tolist(), samples.label().values.tolist()) == (["a", "b"], [0.5, -1.5])
    assert samples.modalities["audio"].sample(1).tolist() == [[98.0] * 3] * 2


@pytest.mark.parametrize("separator", [";", "\t"])
def test_clips_are_listed_with_any_separator(tmp_path, separator):
    (tmp_path / "audio").mkdir()
    np.save(tmp_path / "audio" / "a.npy", np.ones((2, 3)))
    (tmp_path / "labels.csv").write_text(separator.join(("id", "split", "y")) + f"\na{separator}train{separator}1\n")
    assert read_clip_features(tmp_path).ids.tolist() == ["a"]


def test_raw_clips_are_listed_with_paths_of_windows(tmp_path):
    (tmp_path / "s1").mkdir()
    (tmp_path / "s1" / "a.wav").write_bytes(b"sound")
    (tmp_path / "labels.csv").write_text("file;words\ns1\\a.wav;s1\\a.align\ns1\\gone.wav;\n")
    (tmp_path / "s1" / "a.align").write_text("0 25000 so\n")
    clips = read_clips(tmp_path).clips
    assert [c.id for c in clips] == ["s1/a", "s1/gone"]
    assert clips[0].media == tmp_path / "s1" / "a.wav" and clips[0].transcript == "so"


def test_what_a_header_is_parted_by_is_seen_by_its_names():
    assert separator_of(["id,note;a;b;c"], frozenset({"id"})) == ","
    assert separator_of(["id;a,b,c;d"], frozenset({"id"})) == ";"
    assert separator_of(["facts, of a study, or so", "word\tstart_s"], frozenset({"word"})) == "\t"
    assert separator_of(["word"], frozenset({"word"})) == ","
    assert separator_of([]) == ","


def test_a_name_with_a_backslash_in_it_is_left_alone(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.npy").write_bytes(b"1")
    assert with_slashes("f\\a.npy", tmp_path) == "f/a.npy"
    assert with_slashes("f\\b.npy", tmp_path) == "f\\b.npy"
    assert with_slashes("joy\\anger", tmp_path) == "joy\\anger"
    (tmp_path / "f\\a.npy").write_bytes(b"2")
    assert with_slashes("f\\a.npy", tmp_path) == "f\\a.npy"
    assert with_slashes("\\" + "x" * 5000, tmp_path) == "\\" + "x" * 5000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,y\nä,1\n".encode("cp1252"), "no text in UTF-8 or UTF-16"),
        ("id,y\na,1\n".encode("utf-16-le"), "holds zero bytes: it is no text, or UTF-16 without its mark"),
        (b"\xff\xfei\x00d\x00,", "no text in UTF-8 or UTF-16"),
    ],
)
def test_what_is_no_text_is_named(tmp_path, content, message):
    path = tmp_path / "samples.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_table(path)
    assert "samples.csv" in caught.value.message and "UTF-8" in caught.value.hint


def test_a_line_of_another_length_is_named_with_its_separator(tmp_path):
    (tmp_path / "samples.csv").write_text("id;y\na;1;2\n")
    with pytest.raises(DataError, match="line 2 has 3 cells, the header has 2") as caught:
        read_table(tmp_path / "samples.csv")
    assert "semicolon" in caught.value.hint


@pytest.mark.parametrize("header", ["id|split|y", "id split y", "id:split:y"])
def test_cells_that_are_parted_otherwise_are_named(tmp_path, header):
    (tmp_path / "samples.csv").write_text(f"{header}\na|train|1\n")
    with pytest.raises(DataError, match="has one column, 'id") as caught:
        read_table(tmp_path / "samples.csv")
    assert "commas, semicolons or tabs" in caught.value.hint
