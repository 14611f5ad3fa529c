"""What a file promises is held against what it holds: small files take little memory and little time."""

import io
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from md2n.data.readers.budget import Budget, texts
from md2n.data.readers.clip_files import read_archive, read_array
from md2n.data.readers.detect import read
from md2n.data.readers.npy import load_npy, load_npz
from md2n.data.readers.sample_table import MOST_GROUPS
from md2n.data.readers.text_table import open_table
from md2n.errors import DataError, UnsafeFileError, did_you_mean
from md2n.evaluation.protocols import load_masks, random_conditions, save_masks


def head(shape: tuple, kind: str = "<f4") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def test_the_budget_is_the_files_size_and_a_little(tmp_path):
    budget = Budget(tmp_path / "x", 1000)
    budget.spend((1 << 24,), 4, "a")
    with pytest.raises(
        DataError, match=r"'b' declares 17000000 x 1 entries .68000000 bytes., more than a file of 1000"
    ):
        budget.spend((17_000_000, 1), 1, "b")
    with pytest.raises(DataError, match="declares 1000000000000 x 0 entries"):
        Budget(tmp_path / "x", 1000).spend((10**12, 0), 4, "c")


@pytest.mark.parametrize("shape", [(10**12, 3), (1 << 28,), (10**12, 0), (2**62, 2**62), (-1, 3)])
def test_an_array_of_any_promise(tmp_path, shape):
    (tmp_path / "a.npy").write_bytes(head(shape) + bytes(24))
    for door in (load_npy, read_array):
        with pytest.raises(DataError, match=r"a.npy'"):
            door(tmp_path / "a.npy")
    for door in (load_npz, read_archive):
        with pytest.raises(DataError, match=r"a.npz'"):
            door(archive(tmp_path / "a.npz", {"features": head(shape) + bytes(24)}))


def test_a_packed_bomb_and_many_small_ones(tmp_path):
    one = archive(tmp_path / "a.npz", {"x_text": head((1 << 26,), "|i1") + bytes(1 << 26)})
    assert one.stat().st_size < 1 << 20
    with pytest.raises(DataError, match=r"'x_text.npy' declares 67108864 entries"):
        read(one)
    many = archive(tmp_path / "b.npz", {f"x_{i}": head((1 << 20,), "|i1") + bytes(1 << 20) for i in range(40)})
    with pytest.raises(DataError, match="more than a file of"):
        load_npz(many)
    assert list(load_npz(many, ["x_3"])) == ["x_3"]


def test_what_is_packed_well_is_still_read(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((2000, 50, 74), np.float32), y=np.array(["a"] * 2000))
    found = load_npz(tmp_path / "a.npz")
    assert found["x"].shape == (2000, 50, 74)
    assert found["y"].tolist() == ["a"] * 2000


def test_objects_in_an_archive_are_not_opened(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([{"run": "me"}], object))
    with pytest.raises(UnsafeFileError, match="'a' holds Python objects"):
        load_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("change", ["method", "encrypted", "head", "checksum"])
def test_a_member_that_cannot_be_read_is_named(tmp_path, change):
    path = archive(tmp_path / "a.npz", {"a": head((4,)) + bytes(16)}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    if change == "method":
        content[central + 10] = content[8] = 99
    elif change == "encrypted":
        content[central + 8] |= 1
        content[6] |= 1
    elif change == "head":
        at = content.index(b"'shape'")
        content[at : at + 7] = b"'shape("
    else:
        content[content.index(b"\n") + 3] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"a.npz'.*(unknown method 99|encrypted|damaged)"):
        load_npz(path)


@pytest.mark.parametrize("columns", [100_000])
def test_a_wide_table_is_refused_in_seconds(tmp_path, columns):
    np.save(tmp_path / "a.npy", np.ones((2, 3)))
    names = [f"c{i}" for i in range(columns)]
    lines = [["id", "split", "audio", *names], ["s", "train", "a.npy", *["1"] * columns]]
    (tmp_path / "samples.csv").write_text("\n".join(",".join(line) for line in lines))
    with pytest.raises(DataError, match=rf"samples.csv' has {columns + 1} columns beside id.*at most {MOST_GROUPS}"):
        read(tmp_path)
    frames = [["start_s", *names], ["0"] * (columns + 1)]
    (tmp_path / "frames.csv").write_text("\n".join(",".join(line) for line in frames))
    assert len(open_table(tmp_path / "frames.csv").header) == columns + 1
    assert did_you_mean("c9x", names).endswith("and 99960 more)")


def test_one_long_cell_does_not_widen_all_others(tmp_path):
    lines = ["id,split,audio,who", *(f"s{i},train,a.npy,w" for i in range(3000)), f"t,train,a.npy,{'x' * 100_000}"]
    (tmp_path / "samples.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"samples.csv': 'who' declares 3001 x? ?.*more than a file of"):
        read(tmp_path)
    with pytest.raises(DataError, match="a text of 100000 characters"):
        texts(["a"] * 3000 + ["x" * 100_000], tmp_path / "samples.csv")
    with pytest.raises(DataError, match="no list of texts"):
        texts(["a", 5], tmp_path / "samples.csv")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", [10**6, 10**6]),
        ("shape", [-1, 2]),
        ("shape", 3),
        ("available", np.zeros(2, np.uint8)),
        ("available", np.zeros(64)),
        ("head", np.array("[1]")),
        ("head", np.array("[" * 50_000)),
        ("head", np.array('{"conditions": 5}')),
        ("requested", np.zeros(1)),
        ("realised", np.array(["x"] * 8)),
        ("realised", None),
    ],
)
def test_masks_of_another_kind_are_named(tmp_path, key, value):
    bound = {"names": ("a", "b"), "data_checksum": "0", "split": "test"}
    path = tmp_path / "masks.npz"
    save_masks(path, random_conditions(np.ones((8, 2), bool), ("a", "b"), 0), **bound)
    held = load_npz(path) | {key: value}
    np.savez(path, **{k: v for k, v in held.items() if v is not None})
    with pytest.raises(DataError, match=r"masks.npz'") as caught:
        load_masks(path, **bound)
    assert "remove it to draw new masks" in caught.value.hint


BOMBS = """
import resource, sys, time
from md2n.data.readers.detect import read
from md2n.errors import DataError
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    begun = time.process_time()
    try:
        read(path)
    except DataError as error:
        assert path in error.message, error.message
    else:
        sys.exit(f"{path} was read")
    assert time.process_time() - begun < 10, path
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base < 1 << 20
"""


def test_bombs_of_every_kind_take_less_than_a_gigabyte_and_ten_seconds(tmp_path):

    laughs: object = "ha"
    for _ in range(25):
        laughs = [laughs] * 10

    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"train": {"text": laughs, "id": laughs}}, 4))
    archive(tmp_path / "b.npz", {"x_text": head((1 << 26,), "|i1") + bytes(1 << 26)})
    folder = tmp_path / "c"
    folder.mkdir()
    for name in ("labels", "covarep"):
        with h5py.File(folder / f"{name}.csd", "w") as file:
            group = file.create_group("a/data/v")
            group.create_dataset("features", (1 << 30, 1), "f4", chunks=(1 << 20, 1), compression="gzip", fillvalue=1)
            group.create_dataset("intervals", (1 << 30, 2), "f4", chunks=(1 << 20, 2), compression="gzip")
    paths = [str(tmp_path / name) for name in ("a.pkl", "b.npz", "c")]
    done = subprocess.run([sys.executable, "-c", BOMBS, *paths], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
