"""COVAREP's files: what MATLAB writes in either layout arrives; what is damaged is named."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from md2n.data.readers.covarep import read_covarep
from md2n.data.ready import data_root
from md2n.errors import DataError

ROOT = data_root()
NAMES = ["F0", "VUV", "NAQ"]


def cells(names: list[str]) -> np.ndarray:
    row = np.empty((1, len(names)), object)
    row[0] = names
    return row


def frames(count: int = 5, dim: int = 3) -> np.ndarray:
    values = np.arange(count * dim, dtype=float).reshape(count, dim)
    values[min(1, count - 1), 2] = -np.inf
    return values


def version_5(path: Path, **held) -> Path:
    savemat(path, held or {"features": frames(), "names": cells(NAMES)})
    return path


def version_73(path: Path, features: np.ndarray, names: list[str]) -> Path:
    with h5py.File(path, "w", userblock_size=512) as file:
        file["features"] = features.T
        references = file.create_group("#refs#")
        held = np.empty((len(names), 1), h5py.ref_dtype)
        for i, name in enumerate(names):
            held[i, 0] = references.create_dataset(str(i), data=np.array([[ord(c)] for c in name], np.uint16)).ref
        file.create_dataset("names", data=held, dtype=h5py.ref_dtype)
    content = bytearray(path.read_bytes())
    content[:19] = b"MATLAB 7.3 MAT-file"
    path.write_bytes(bytes(content))
    return path


def test_rows_are_ten_milliseconds_around_five_plus_ten_i(tmp_path):
    read = read_covarep(version_5(tmp_path / "a.mat"))
    assert read.names == tuple(NAMES)
    np.testing.assert_allclose(read.track.intervals.mean(axis=1), 0.005 + 0.01 * np.arange(5))
    np.testing.assert_allclose(np.diff(read.track.intervals, axis=1), 0.01)
    np.testing.assert_array_equal(read.track.features, frames().astype(np.float32))


def test_both_layouts_of_matlab_give_the_same(tmp_path):
    old = read_covarep(version_5(tmp_path / "old.mat"))
    new = read_covarep(version_73(tmp_path / "new.mat", frames(), NAMES))
    assert new.names == old.names
    np.testing.assert_array_equal(new.track.features, old.track.features)


def test_a_single_row_stays_a_row(tmp_path):
    assert read_covarep(version_5(tmp_path / "a.mat", features=frames(1))).track.features.shape == (1, 3)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_names_that_do_not_fit_the_columns_are_not_believed(tmp_path, count):
    read = read_covarep(version_5(tmp_path / "a.mat", features=frames(), names=cells(list("abcd"[:count]))))
    np.testing.assert_array_equal(read.track.features, frames().astype(np.float32))
    assert read.names == () and read.notes == (f"{count} names for 3 columns were ignored",)


@pytest.mark.skipif(
    ROOT is None or not (ROOT / "covarep_reference").is_dir(), reason="no covarep_reference in the data root"
)
@pytest.mark.parametrize("name", ["c3s", "grid_bbaf2n", "ravdess_neutral"])
def test_covareps_own_columns_arrive(tmp_path, name):
    with np.load(ROOT / "covarep_reference" / f"{name}.npz") as held:
        features, names = held["features"], [str(n) for n in held["names"]]
        first, hop = float(held["first_frame_s"]), float(held["hop_s"])
    for path in (
        version_5(tmp_path / "5.mat", features=features.astype(float), names=cells(names)),
        version_73(tmp_path / "73.mat", features.astype(float), names),
    ):
        read = read_covarep(path)
        assert list(read.names) == names
        np.testing.assert_array_equal(read.track.features, features)
        np.testing.assert_allclose(read.track.intervals.mean(axis=1), first + hop * np.arange(len(features)))


@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_file_is_named_wherever_it_ends(tmp_path, packed):
    path = tmp_path / "whole.mat"
    savemat(
        path, {"features": np.random.default_rng(0).normal(size=(40, 3)), "names": cells(NAMES)}, False, "5", packed
    )
    whole = path.read_bytes()
    cut = tmp_path / "cut.mat"
    for end in range(1, len(whole) - 8, 37):  # the last eight bytes may be padding
        cut.write_bytes(whole[:end])
        with pytest.raises(DataError, match="cut"):
            read_covarep(cut)
    new = version_73(tmp_path / "new.mat", frames(), NAMES).read_bytes()
    for end in (100, 600, len(new) // 2, len(new) - 10):
        cut.write_bytes(new[:end])
        with pytest.raises(DataError, match=r"cut.mat' .*truncated"):
            read_covarep(cut)


def test_what_is_no_covarep_file_is_refused_by_name(tmp_path):
    def refused(path: Path, text: str, hint: str) -> None:
        with pytest.raises(DataError, match=text) as caught:
            read_covarep(path)
        assert hint in caught.value.hint

    refused(
        version_5(tmp_path / "a.mat", F0=frames(), fs=16000.0), "no variable 'features', only: F0, fs", "read as .npy"
    )
    refused(version_5(tmp_path / "b.mat", features=np.zeros((0, 74))), "holds no frame", "take the file away")
    refused(
        version_5(tmp_path / "c.mat", features=frames().T, names=cells(list("abcde"[:3]))), "3 names for 5", "transpose"
    )
    refused(version_5(tmp_path / "d.mat", features=cells(NAMES)), "holds objects, not numbers", "numbers")
    (tmp_path / "e.mat").write_text("F0,VUV\n" + "1,2\n" * 100)
    refused(tmp_path / "e.mat", "e.mat' is no MATLAB file", "COVAREP")
    (tmp_path / "f.mat").write_bytes(b"")
    refused(tmp_path / "f.mat", "is empty", "again")
    with h5py.File(tmp_path / "g.mat", "w") as file:
        file["other"] = 1.0
    refused(tmp_path / "g.mat", "no variable 'features', only: other", "")
