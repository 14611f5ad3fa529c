"""Our reader of MATLAB's files gives what SciPy's gives, and ends in a named error where SciPy's ends the process."""

import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from md2n.data.readers import matlab
from md2n.data.readers.matlab import read_mat
from md2n.errors import DataError

HINT = "write it again"
RNG = np.random.default_rng(0)


def cells(*values) -> np.ndarray:
    row = np.empty((1, len(values)), object)
    for i, value in enumerate(values):
        row[0, i] = value
    return row


HELD = {
    "double": RNG.normal(size=(7, 3)),
    "single": RNG.normal(size=(2, 5)).astype(np.float32),
    "small": np.arange(6.0).reshape(2, 3),
    **{f"of_{kind}": np.arange(6, dtype=kind).reshape(3, 2) for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8")},
    "logical": np.array([[True, False]]),
    "complex": RNG.normal(size=(2, 2)) + 1j,
    "cube": RNG.normal(size=(2, 3, 4)),
    "empty": np.zeros((0, 74)),
    "one": 3.5,
    "word": "F0",
    "words": np.array(["ab ", "cde"]),
    "names": cells("F0", "MCEP_0", ""),
    "mixed": cells(np.eye(2), "x", cells("deep")),
}


def same(ours, theirs) -> None:
    assert ours.shape == theirs.shape
    if theirs.dtype == object:
        for a, b in zip(ours.flat, theirs.flat):
            if b.size or b.dtype.kind != "U":
                same(a, b)
    elif theirs.dtype.kind == "U":
        assert [w.rstrip() for w in ours.flat] == [w.rstrip() for w in theirs.flat]
    else:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("packed", [False, True])
def test_version_5_is_what_scipy_reads(tmp_path, packed):
    savemat(tmp_path / "a.mat", HELD, do_compression=packed)
    expected = loadmat(tmp_path / "a.mat")
    found = read_mat(tmp_path / "a.mat", list(HELD), HINT)
    assert list(found) == list(HELD)
    for name in HELD:
        same(found[name], expected[name])


def test_version_4_is_what_scipy_reads(tmp_path):
    held = {k: HELD[k] for k in ("double", "single", "of_i2", "of_u1", "complex", "word", "words", "one")}
    savemat(tmp_path / "a.mat", held, format="4")
    expected = loadmat(tmp_path / "a.mat")
    found = read_mat(tmp_path / "a.mat", list(held), HINT)
    for name in held:
        same(found[name], expected[name])


def big_endian(values: np.ndarray, name: bytes) -> bytes:
    def element(kind: int, held: bytes) -> bytes:
        return struct.pack(">II", kind, len(held)) + held + bytes(-len(held) % 8)

    body = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", *values.shape))
    body += element(1, name) + element(9, values.astype(">f8").tobytes("F"))
    return b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + element(14, body)


def test_the_other_byte_order_is_what_scipy_reads(tmp_path):
    (tmp_path / "a.mat").write_bytes(big_endian(HELD["double"], b"features"))
    np.testing.assert_array_equal(read_mat(tmp_path / "a.mat", ["features"], HINT)["features"], HELD["double"])
    np.testing.assert_array_equal(loadmat(tmp_path / "a.mat")["features"], HELD["double"])


def test_what_is_not_asked_for_is_not_unpacked(tmp_path, monkeypatch):
    savemat(tmp_path / "a.mat", HELD | {"struct": {"a": 1}}, do_compression=True)
    unpacked = []
    plain = matlab._Reader.whole
    monkeypatch.setattr(matlab._Reader, "whole", lambda self, *facts: unpacked.append(facts[2]) or plain(self, *facts))
    found = read_mat(tmp_path / "a.mat", ["double"], HINT)
    assert unpacked == ["double"]
    assert found["struct"] is None
    with pytest.raises(DataError, match="'struct' is neither numbers nor text"):
        read_mat(tmp_path / "a.mat", ["struct"], HINT)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    savemat(tmp_path / "a.mat", {"features": np.zeros((1 << 14, 1 << 11))}, do_compression=True)
    assert (tmp_path / "a.mat").stat().st_size < 1 << 20
    with pytest.raises(DataError, match=r"a.mat': 'features' declares .* more than a file of .* may hold"):
        read_mat(tmp_path / "a.mat", ["features"], HINT)


@pytest.mark.parametrize("packed", [False, True])
def test_any_size_in_the_file_may_lie(tmp_path: Path, packed: bool):
    savemat(tmp_path / "a.mat", {"features": HELD["double"], "names": HELD["names"]}, do_compression=packed)
    whole = (tmp_path / "a.mat").read_bytes()
    refused = 0
    for at in range(128, len(whole), 4):
        for lie in (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x0e\x00\x00\x00"):
            (tmp_path / "b.mat").write_bytes(whole[:at] + lie + whole[at + 4 :])
            try:
                read_mat(tmp_path / "b.mat", ["features", "names"], HINT)
            except DataError:
                refused += 1
    assert refused > 50
