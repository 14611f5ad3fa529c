"""Frames read from a memory map are those asked for, and its pages do not pile up."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from md2n.data import gather as module
from md2n.data.gather import frame_index, gather, release


@given(lengths=st.lists(st.integers(0, 4), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_the_index_is_that_of_a_loop_over_samples(lengths, seed):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = np.random.default_rng(seed).integers(0, len(lengths), 6)
    looped = [f for i in rows for f in range(offsets[i], offsets[i + 1])]
    assert frame_index(offsets, rows).tolist() == looped


def test_no_rows_have_no_frames():
    assert frame_index(np.array([0, 2]), np.zeros(0, np.int64)).tolist() == []


@pytest.fixture
def mapped(tmp_path: Path) -> np.memmap:
    x = np.arange(400 * 2048, dtype=np.float32).reshape(400, 2048)  # 3 MiB
    np.save(tmp_path / "x.npy", x)
    found = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert isinstance(found, np.memmap)
    return found


@pytest.mark.parametrize("piece", [1, 7, 1024])
def test_reading_in_pieces_changes_nothing(mapped, piece, monkeypatch):
    monkeypatch.setattr(module, "PIECE", piece)
    index = np.random.default_rng(0).integers(0, 400, 50)
    found = gather(mapped, index)
    assert type(found) is np.ndarray
    assert np.array_equal(found, np.asarray(mapped)[index])
    assert np.array_equal(gather(np.asarray(mapped), index), found)
    assert gather(mapped, np.zeros(0, np.int64)).shape == (0, 2048)


def resident_kib(values: np.memmap) -> int:
    """How much of a map counts as this process's memory."""
    blocks = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text(), flags=re.MULTILINE)
    own = [b for b in blocks if str(values.filename) in b.splitlines()[0:1][0]] if blocks[0] else []
    own = own or [b for b in blocks if b and str(values.filename) in b.split("\n", 1)[0]]
    return sum(int(re.search(r"^Rss:\s+(\d+)", b, re.MULTILINE)[1]) for b in own)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="this system does not tell what is resident")
def test_pages_are_given_back(mapped):
    float(np.asarray(mapped).sum())
    assert resident_kib(mapped) > 3000
    release(mapped)
    assert resident_kib(mapped) == 0
    gather(mapped, np.arange(400))
    assert resident_kib(mapped) == 0


def test_what_stands_in_memory_alone_is_not_given_back(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 2048), np.float32))
    private = np.load(tmp_path / "x.npy", mmap_mode="c")
    private[:] = 7
    release(private)
    assert (np.asarray(private) == 7).all()
    release(np.zeros(3))
