"""``data.npz``, a folder with ``samples.csv``, and the choice of a reader."""

import json
from pathlib import Path

import numpy as np
import pytest

from md2n.data.readers import READERS
from md2n.data.readers.detect import detect, read
from md2n.data.readers.files import kind_of
from md2n.data.readers.folder import read_folder
from md2n.data.readers.npz import read_npz
from md2n.data.ready import data_root
from md2n.data.store import write_store
from md2n.errors import DataError, UnsafeFileError, UsageError
from tests.data.readers.test_mmsa import content, save
from tests.data.readers.test_sdk import made

ROOT = data_root()
RNG = np.random.default_rng(0)


def arrays(**more) -> dict:
    return {
        "x_text": RNG.normal(size=(5, 4, 3)).astype(np.float16),
        "t_text": np.array([[1, 1, 0, 0]] * 4 + [[0, 1, 1, 1]], bool),
        "x_audio": RNG.normal(size=(5, 2)),
        "m_audio": np.array([1, 1, 0, 1, 1], bool),
        "y": np.array([0, 1, 1, 0, 2]),
        "y_score": np.linspace(0, 1, 5),
        "split": np.array([0, 0, 0, 1, 2], np.uint8),
        "split_other": np.array([2, 2, 0, 0, 1], np.uint8),
        "ids": np.array([f"s{i}" for i in range(5)]),
        "subject": np.array([1, 1, 2, 2, 3]),
        "columns": np.arange(3),
        **more,
    }


def npz(tmp_path: Path, **more) -> Path:
    path = tmp_path / "set.npz"
    np.savez(path, **{k: v for k, v in arrays(**more).items() if v is not None})
    return path


def test_npz_keys_arrive_in_their_places(tmp_path):
    samples = read_npz(npz(tmp_path))
    assert (samples.name, samples.names) == ("set", ("text", "audio"))
    assert samples.modalities["text"].lengths.tolist() == [2, 2, 2, 2, 3]
    assert samples.modalities["text"].values.dtype == np.float16
    assert samples.present[:, 1].tolist() == [True, True, False, True, True]
    assert samples.default_label == "y"
    assert samples.label().task.classes == ("0", "1", "2")
    assert samples.label("y_score").task.kind == "regression"
    assert samples.split.tolist() == [0, 0, 0, 1, 2]
    assert samples.groups["subject"].tolist() == ["1", "1", "2", "2", "3"]
    assert samples.source["left_out"] == ["columns"]
    assert read_npz(npz(tmp_path), split="split_other").split.tolist() == [2, 2, 0, 0, 1]


def test_a_folder_with_data_npz_is_named_after_the_folder(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    npz(tmp_path).rename(folder / "data.npz")
    assert read(folder).name == "mine"
    assert read(folder / "data.npz").name == "mine"


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"x_text": None, "t_text": None, "x_audio": None, "m_audio": None}, DataError, "has no features; it holds y"),
        ({"m_vision": np.ones(5, bool)}, DataError, "has m_vision but no x_vision"),
        ({"y": np.arange(4)}, DataError, "counts differ:.*label 'y': 4"),
        ({"ids": np.array(["a"])}, DataError, "counts differ:.*ids: 1"),
        ({"x_audio": np.ones((4, 2))}, DataError, "counts differ:.*modality 'audio': 4"),
        ({"m_audio": np.zeros(5, bool)}, DataError, "modality 'audio' is in no sample"),
        ({"split": np.array([0, 0, 0, 1, 9])}, DataError, "'split' holds 9"),
        ({"x_audio": np.array([[1, None]] * 5, object)}, UnsafeFileError, "'x_audio' holds Python objects"),
        ({"split": None}, UsageError, "has no split called 'split'\n.*split_other"),
    ],
)
def test_npz_errors_name_file_and_key(tmp_path, more, error, message):
    path = npz(tmp_path, **more)
    with pytest.raises(error, match=message) as caught:
        read_npz(path)
    assert "set.npz" in str(caught.value)


def test_damaged_npz(tmp_path):
    path = npz(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"set.npz' is truncated: its end is missing"):
        read_npz(path)
    middle = bytearray(whole)
    at = whole.index(b"\x93NUMPY") + 200
    middle[at : at + 8] = b"????????"
    path.write_bytes(bytes(middle))
    with pytest.raises(DataError, match=r"set.npz' is damaged"):
        read_npz(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        read_npz(path)
    path.write_bytes(b"hello")
    with pytest.raises(DataError, match=r"not an .npz but a file with the suffix"):
        read_npz(path)


# --- folder ----------------------------------------------------------------------------------------------------------

TABLE = """id,split,audio,text,y,y_mood,label_rank,subject
a,train,audio/a.npy,text/a.npy,0.5,sad,-1,p1
b,val,audio/b.npy,,1,happy,10,p2
c,test,,text/c.npy,,,2,p3
"""


def folder(tmp_path: Path, table: str = TABLE) -> Path:
    root = tmp_path / "set"
    for name, shape in (("audio/a", (4, 2)), ("audio/b", (2,)), ("text/a", (1, 3)), ("text/c", (5, 3))):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(root / f"{name}.npy", np.full(shape, len(name), np.float32))
    (root / "samples.csv").write_text(table)
    return root


def test_folder_columns_arrive_in_their_places(tmp_path):
    samples = read_folder(folder(tmp_path))
    assert (samples.name, samples.names) == ("set", ("audio", "text"))
    assert samples.present.tolist() == [[True, True], [True, False], [False, True]]
    assert samples.modalities["audio"].lengths.tolist() == [4, 1, 0]
    assert samples.split.tolist() == [0, 1, 2]
    assert samples.default_label == "y"
    assert samples.label().values[:2].tolist() == [0.5, 1.0]
    assert np.isnan(samples.label().values[2])
    assert samples.label("y_mood").task.classes == ("happy", "sad")
    assert samples.label("y_mood").values.tolist() == [1, 0, -1]
    assert samples.label("label_rank").task.classes == ("-1", "2", "10")  # in the order of the numbers
    assert samples.label("label_rank").values.tolist() == [0, 2, 1]
    assert samples.groups["subject"].tolist() == ["p1", "p2", "p3"]


def test_folder_labels_can_be_named_and_their_kind_told(tmp_path):
    root = folder(tmp_path)
    samples = read_folder(root, kinds={"label_rank": "regression"}, label="subject")
    assert list(samples.labels) == ["y", "y_mood", "label_rank", "subject"]
    assert samples.label("label_rank").values.tolist() == [-1.0, 10.0, 2.0]
    assert samples.label().task.classes == ("p1", "p2", "p3")
    named = read_folder(root, classes={"y_mood": ["sad", "happy", "calm"]})
    assert named.label("y_mood").task.classes == ("sad", "happy", "calm")
    coded = read_folder(
        folder(tmp_path, TABLE.replace("-1", "0").replace(",10,", ",1,")), classes={"label_rank": list("xyz")}
    )
    assert coded.label("label_rank").values.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", r"is empty \(0 bytes\)"),
        ("id,audio\n", "has a header but no row"),
        ("name,audio\na,audio/a.npy\n", "has no column 'id'"),
        ("id,audio,audio\na,audio/a.npy,audio/a.npy\n", "two columns called 'audio'"),
        ("id,audio\na,audio/a.npy,b\n", "line 2 has 3 cells, the header has 2"),
        ("id,audio\na,audio/a.npy\na,audio/b.npy\n", "id 'a' is in lines 2 and 3"),
        ("id,audio\n,audio/a.npy\n", "line 2 has no id"),
        ("id,y\na,1\n", "has no modality: no column holds paths of .npy files"),
        ("id,audio,text\na,audio/a.npy,\n", "column 'text' is empty in every line"),
        ("id,audio\na,audio/a.npy\nb,0.5\n", "line 3: 'audio' holds '0.5' among paths"),
        ("id,audio\na,audio/aa.npy\n", r"audio/aa.npy' does not exist\n.*did you mean '.*audio/a.npy'"),
        ("id,audio\na,../../secret.npy\n", "line 2, 'audio': '../../secret.npy' leaves the folder"),
        (
            "id,audio,text\na,audio/a.npy,text/a.npy\nb,text/a.npy,\n",
            "feature sizes of 'audio' differ: 2 in 'audio/a.npy', 3 in 'text/a.npy'",
        ),
        ("id,split,audio\na,trian,audio/a.npy\n", "'split' holds 'trian', which is no split\n.*did you mean 'train'"),
        ("id,audio\na,samples.csv.npy\n", "does not exist"),
    ],
)
def test_folder_errors_name_line_and_file(tmp_path, table, message):
    with pytest.raises(DataError, match=message):
        read_folder(folder(tmp_path, table))


def test_damaged_and_hostile_npy(tmp_path):
    root = folder(tmp_path)
    file = root / "audio" / "a.npy"
    whole = file.read_bytes()
    for data, message in (
        (whole[:-4], "line 2, 'audio': .*a.npy' is truncated or damaged"),
        (b"not numbers", "not an .npy but a file with the suffix '.npy'"),
        (b"", "is empty"),
    ):
        file.write_bytes(data)
        with pytest.raises(DataError, match=message):
            read_folder(root)
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(UnsafeFileError, match=r"a.npy' holds Python objects, which could run code; it was not read"):
        read_folder(root)


def test_a_table_that_is_no_text(tmp_path):
    root = folder(tmp_path)
    (root / "samples.csv").write_bytes(b"id,audio\n\xff\xfe,\n")
    with pytest.raises(DataError, match=r"samples.csv' is no text in UTF-8 or UTF-16"):
        read_folder(root)


# --- choice ----------------------------------------------------------------------------------------------------------


def test_every_layout_is_recognised(tmp_path):
    csd = tmp_path / "csd"
    csd.mkdir()
    made(csd)
    samples = read(csd, align="words", known="")
    assert samples.names == ("text", "audio", "vision")
    assert read(csd, known="", modalities=["audio", "text"]).names == ("audio", "text")
    assert detect(npz(tmp_path)) == "npz"
    assert detect(folder(tmp_path)) == detect(tmp_path / "set" / "samples.csv") == "folder"
    assert detect(save(tmp_path, content())) == "mmsa"
    stored = write_store(tmp_path / "store", read(tmp_path / "set.npz"))
    assert read(stored, modalities=["audio"]).names == ("audio",)


def test_every_registered_reader_can_be_loaded():
    for name in READERS.names():
        assert callable(READERS.get(name))


def test_a_pickle_is_known_by_its_first_bytes(tmp_path):
    path = save(tmp_path, content())
    other = path.rename(tmp_path / "features.dat")
    assert kind_of(other) == "pickle"
    assert read(other, known="").name == "features"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.csd", b"\x89HDF\r\n\x1a\n....", "is a HDF5 file, which cannot be read as a data set\n.*give the folder"),
        ("x.npy", b"\x93NUMPY....", "is a NumPy array.*\n.*samples.csv"),
        ("x.mat", b"MATLAB 5.0 MAT-file", "is a MATLAB file.*\n.*md2n reads: an MMSA pickle"),
        ("x.pt", b"PK\x03\x04....", "is a zip archive"),
        ("x.csv", b"id,y\n", "has a header but no row"),
        ("x", b"....", "is a file without a known signature or suffix"),
        ("x.pkl", b"<!DOCTYPE html>", "is a web page"),
        ("x.pkl", b"version https://git-lfs.github.com/spec/v1", "is a Git LFS pointer"),
        ("x.npz", b"", "is empty"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


def test_folders_that_hold_nothing_readable(tmp_path):
    with pytest.raises(DataError, match="holds no data set: it is empty"):
        read(tmp_path)
    (tmp_path / "mosi.pkl").write_bytes(b"x")
    with pytest.raises(DataError, match=r"holds no data set: mosi.pkl\n.*give the file itself: '.*mosi.pkl'"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"does not exist\n.*did you mean"):
        read(tmp_path / "mosi.pk")
    with pytest.raises(DataError, match=r"the folder .* does not exist either"):
        read(tmp_path / "no" / "mosi.pkl")


def test_csd_folders_need_one_labels_file_and_a_modality(tmp_path):
    paths = made(tmp_path)
    with pytest.raises(UsageError, match="has no modality 'face'"):
        read(tmp_path, modalities=["face"])
    second = tmp_path / "other_labels.csd"
    second.write_bytes(paths["labels"].read_bytes())
    with pytest.raises(DataError, match=r"here it is labels.csd, other_labels.csd"):
        read(tmp_path)
    second.rename(tmp_path / "covarep_2.csd")
    assert set(read(tmp_path, known="").names) == {"text", "vision", "covarep", "covarep_2"}
    for name in ("text", "audio", "vision"):
        paths[name].unlink()
    (tmp_path / "covarep_2.csd").unlink()
    with pytest.raises(DataError, match="has labels but no modality"):
        read(tmp_path)
    paths["labels"].unlink()
    with pytest.raises(DataError, match=r"none of w_words.csd"):
        read(tmp_path)


def test_options_that_a_layout_does_not_have(tmp_path):
    path = npz(tmp_path)
    with pytest.raises(UsageError, match=r"is read as npz, which has no option 'align'\n.*align is for sdk"):
        read(path, align="words")
    with pytest.raises(UsageError, match=r"is a store, which has no option 'kinds'\n.*where the files .* are imported"):
        read(write_store(tmp_path / "store", read(path)), kinds={"y": "regression"})
    with pytest.raises(UsageError, match=r"no reader is called 'np'\n.*did you mean 'npz'"):
        read(path, reader="np")
    with pytest.raises(UsageError, match="has no modality 'vision'"):
        read(path, modalities=["vision"])
    assert read(path, split="split_other", kinds={"y": "regression"}).label().task.kind == "regression"


def test_what_is_kept_of_the_origin_is_json(tmp_path):
    for source in (npz(tmp_path), folder(tmp_path), save(tmp_path, content())):
        json.dumps(dict(read(source).source))


@pytest.mark.skipif(ROOT is None, reason="the shared data are not here (MD2N_DATA_ROOT)")
@pytest.mark.parametrize(
    ("name", "count", "absent"),
    [
        ("ict_mmmo", 340, {"text": 220}),
        ("mfeat", 2000, {}),
        ("news3sources", 359, {"bbc": 43, "guardian": 70, "reuters": 81}),
        ("ravdess_av", 360, {}),
        ("stressid", 777, {"face": 174, "voice": 399, "ecg": 3, "eda": 4, "resp": 3}),
    ],
)
def test_the_real_files(name, count, absent):
    samples = read(ROOT / name)
    assert len(samples) == count
    missing = dict(zip(samples.names, (~samples.present).sum(axis=0).tolist()))
    assert {k: n for k, n in missing.items() if n} == absent


@pytest.mark.parametrize("empty", [np.array([]), np.zeros((0, 2)), np.zeros((1, 0))])
def test_an_empty_array_of_a_folder_is_as_good_as_an_empty_cell(tmp_path, empty):
    made = folder(tmp_path)
    np.save(made / "audio" / "b.npy", empty)
    np.save(made / "text" / "b.npy", np.ones(3))
    table = TABLE.replace("audio/b.npy,,", "audio/b.npy,text/b.npy,")
    (made / "samples.csv").write_text(table, encoding="utf-8")
    assert read_folder(made).present.tolist() == [[True, True], [False, True], [False, True]]


def test_arrays_of_a_folder_that_are_no_features_are_named(tmp_path):
    made = folder(tmp_path)
    np.save(made / "audio" / "b.npy", np.ones((1, 2, 2)))
    with pytest.raises(DataError, match=r"line 3, 'audio': 'audio/b.npy' has shape \(1, 2, 2\)"):
        read_folder(made)


def test_npz_arrays_that_hold_nothing_or_one_value_are_named(tmp_path):
    with pytest.raises(DataError, match=r"set.npz': modality 'audio' is in no sample"):
        read_npz(npz(tmp_path, x_audio=np.array([]), m_audio=None))
    with pytest.raises(DataError, match=r"set.npz': 'x_audio' is a single value"):
        read_npz(npz(tmp_path, x_audio=np.array(3.0), m_audio=None))


def test_npz_says_what_its_zeros_were(tmp_path):
    cube = np.ones((5, 4, 3))
    cube[:, 2:] = 0
    flagged = read_npz(npz(tmp_path, x_text=cube, t_text=cube.any(axis=2)))
    assert flagged.source["zeros"] == {"text": "padding"}
    kept = read_npz(npz(tmp_path, x_text=cube, t_text=None))
    assert kept.source["zeros"] == {"text": "measurement"}
    assert kept.notes[0].startswith("text: 10 frames of zeros alone at the start or end of 5 samples were kept")
