"""What lies beside features in a folder of clips: tables and letters in ``.txt``, files of words, arrays of nothing."""

from pathlib import Path

import numpy as np
import pytest

from md2n.data.readers.clips import read_clip_features
from md2n.data.readers.detect import read
from md2n.errors import DataError, UsageError
from tests.data.readers.test_clips import mixture, words_of
from tests.data.readers.test_faces import OPENFACE, write
from tests.data.readers.test_sdk import regular, write_csd
from tests.data.readers.test_word_files import text_grid

FACET = "StudyName\tFrameNo\tFrameTime\tNoOfFaces\tJoy Evidence\tAU1 Evidence"


def test_a_table_in_txt_is_read_and_a_letter_is_not(tmp_path):
    root = mixture(tmp_path / "mine")
    (root / "vision" / "b.csv").rename(root / "vision" / "b.txt")
    (root / "vision" / "a.txt").write_text("she smiles, in this frame")  # beside a.csv, which is the clip's
    (root / "vision" / "c ü.txt").write_text("nobody is there")
    (root / "text" / "a.txt").write_text("word, start_s or frame: a transcript may hold\nthem all")
    samples = read_clip_features(root)
    assert samples.modalities["vision"].sample(1).tolist() == [[7, 0, 1], [8, 0, 1]]
    assert samples.present[:, 2].tolist() == [True, True, False]
    assert "vision: 2 files of other kinds were left out (a.txt, c ü.txt)" in samples.notes
    assert "text: 1 files of other kinds were left out (a.txt)" in samples.notes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_an_export_of_imotions_is_read_as_it_is(tmp_path, encoding):
    root = mixture(tmp_path / "mine")
    lines = ["#Study : x", "", FACET, *(f"x\t{k}\t{35 + 40 * k}\t1\t{k}\t{-k}" for k in range(3))]
    (root / "face").mkdir()
    (root / "face" / "a.TXT").write_text("\n".join(lines), encoding=encoding)
    samples = read_clip_features(root)
    assert samples.modalities["face"].sample(0).tolist() == [[0, 0], [1, -1], [2, -2]]


def test_a_folder_of_letters_is_left_out_by_name(tmp_path):
    root = mixture(tmp_path / "mine")
    (root / "said").mkdir()
    for one in "abcd":
        (root / "said" / f"{one}.txt").write_text("hello, you")
    (root / "raw").mkdir()
    (root / "raw" / "a.mp4").write_bytes(b"film")
    (root / "vision.csv").write_text("id,smile\na,1\n")
    (root / "readme.txt").write_text("hello")
    notes = "\n".join(read_clip_features(root).notes)
    assert "1 files beside labels.csv were left out (vision.csv): a modality is a sub-folder or a .csd" in notes
    assert "'said' holds no feature files but a.txt, b.txt, c.txt, ... and was left out; read are .npy" in notes
    assert "'raw' holds no feature files but a.mp4 and was left out" in notes


def test_words_are_read_where_something_is_aligned_to_them(tmp_path):
    root = words_of(tmp_path / "mine")
    (root / "words" / "a.csv").write_text("no words at all\n")
    assert read_clip_features(root).names == ("text", "audio")
    with pytest.raises(DataError, match=r"a.csv"):
        read_clip_features(root, align="words")


def test_a_tier_is_named_at_the_door(tmp_path):
    root = words_of(tmp_path / "mine")
    (root / "words" / "a.csv").unlink()
    ann, ben = [("so", 0.0, 0.04), ("good", 0.06, 0.1)], [("hm", 0.03, 0.05)]
    path = root / "words" / "a.TextGrid"
    path.write_text(text_grid(ann=ann, ben=ben))
    with pytest.raises(UsageError, match=r"a.TextGrid' has 2 tiers, none of which ends in 'words': ann, ben") as caught:
        read(root, align="words")
    assert "--tier 'ann'" in caught.value.hint
    assert read(root, align="words", tier="ann").modalities["audio"].lengths.tolist() == [2]
    with pytest.raises(UsageError, match=r"a tier is named \('ann'\), but nothing is aligned to words") as caught:
        read(root, tier="ann")
    assert "--align words" in caught.value.hint
    path.write_text(text_grid(**{"ann - words": ann, "ben - words": ben}))
    np.save(root / "text" / "a.npy", np.zeros((3, 2)))
    samples = read(root, align="words")
    assert samples.modalities["audio"].lengths.tolist() == [3]
    assert "words: words of several tiers were put in order of time (--tier NAME takes one) (1 files)" in samples.notes
    with pytest.raises(UsageError, match="tier is for clips"):
        write(tmp_path / "samples.csv", "id,y", "a,1")
        read(tmp_path / "samples.csv", tier="ann")


def test_a_folder_of_words_that_holds_none_is_named(tmp_path):
    root = words_of(tmp_path / "mine")
    (root / "words" / "a.csv").rename(root / "words" / "a.json")
    with pytest.raises(DataError, match=r"words' holds no files of words \(a.json\)") as caught:
        read_clip_features(root, align="words")
    assert ".textgrid" in caught.value.hint


def test_rows_that_count_pauses_are_refused_with_the_reason(tmp_path):
    root = words_of(tmp_path / "mine")
    np.save(root / "text" / "a.npy", np.zeros((3, 2)))  # a row for the pause, too
    with pytest.raises(DataError, match="'text' of 'a' has 3 frames without times, 'words' has 2 steps") as caught:
        read_clip_features(root, align="words")
    assert "pauses are no steps" in caught.value.hint


@pytest.mark.parametrize("shape", [(0,), (0, 4), (0, 0)])
@pytest.mark.parametrize("form", [".npy", ".npz"])
def test_an_array_of_nothing_is_a_gap(tmp_path, shape, form):
    root = mixture(tmp_path / "mine")
    for one in ("a", "b"):  # first in the folder, and last
        (root / "text" / f"{one}.npy").unlink()
        held = {"a": np.zeros(shape), "b": np.full(4, 2.0)} if one == "a" else {"b": np.full(4, 2.0)}
        if form == ".npy":
            np.save(root / "text" / f"{one}.npy", held[one])
        else:
            intervals = np.zeros((0,) if one == "a" else (1, 2))
            np.savez(root / "text" / f"{one}.npz", features=held[one], intervals=intervals)
    samples = read_clip_features(root)
    assert samples.modalities["text"].lengths.tolist() == [0, 1, 0]
    assert samples.modalities["text"].dim == 4


def pieces(root: Path, numbered_by: str) -> tuple[Path, np.ndarray]:
    """A film of ten frames, cut to two clips in the table, and in its sequence by words or by clips."""
    root.mkdir()
    x, intervals = regular(np.random.default_rng(0), 5.0, 0.5, 2)
    steps = [(i, i + 1) for i in range(10)] if numbered_by == "words" else [(0, 4), (4, 10)]
    write_csd(root / "audio.csd", {f"film[{k}]": (x[a:b], intervals[a:b]) for k, (a, b) in enumerate(steps)})
    (root / "text").mkdir()
    np.savez(root / "text" / "film.npz", features=x, intervals=intervals)
    write(root / "labels.csv", "id,recording,start_s,end_s", "film[0],film,0,2", "film[1],film,2,5")
    return root, x


@pytest.mark.parametrize("numbered_by", ["words", "clips"])
def test_pieces_of_a_sequence_are_joined_by_their_times(tmp_path, numbered_by):
    root, x = pieces(tmp_path / "mine", numbered_by)
    for ids in ("film[0],film[1]", "one,two"):
        first, second = ids.split(",")
        write(root / "labels.csv", "id,recording,start_s,end_s", f"{first},film,0,2", f"{second},film,2,5")
        audio = read_clip_features(root).modalities["audio"]
        assert audio.sample(0).tolist() == x[:4].tolist() and audio.sample(1).tolist() == x[4:].tolist()


def test_columns_of_openface_in_txt_must_agree_with_the_others(tmp_path):
    root = mixture(tmp_path / "mine")
    (root / "vision" / "b.csv").unlink()
    write(root / "vision" / "b.txt", OPENFACE.rsplit(",", 1)[0], "1, 0, 0, 1, 1, 0, 1, 0")
    with pytest.raises(DataError, match=r"b.txt' has 2 feature columns"):
        read_clip_features(root)
