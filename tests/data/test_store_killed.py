"""The store whose writing is killed, interrupted or refused: the old one or the new one, whole."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from md2n.data.manifest import former_place, hidden
from md2n.data.samples import Samples
from md2n.data.store import StoreWriter, checksum, is_store, open_store, verify_store, write_store
from md2n.durable import BESIDE
from md2n.errors import StorageError
from tests.data.sets import assert_same, small


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_store(tmp_path / "store", small())


def killed_at(step: int, path: Path, samples: Samples) -> bool:
    """Writes in a child that dies without a word before its ``step``-th touch of the disk; False if it got through."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = [step]

    def counted(call):
        def dying(*arguments, **options):
            if left[0] == 0:
                os._exit(9)
            left[0] -= 1
            return call(*arguments, **options)

        return dying

    try:
        os.fsync, Path.rename, shutil.rmtree = counted(os.fsync), counted(Path.rename), counted(shutil.rmtree)
        write_store(path, samples)
        os._exit(0)
    except BaseException:
        os._exit(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_killed_at_any_moment_there_is_the_old_store_or_the_new_one(tmp_path):
    old, new = (replace(small(seed), labels={}, groups={}, normalise_by="") for seed in (0, 1))
    seen, step = [], 0
    while True:
        path = tmp_path / f"at-{step}" / "store"
        write_store(path, old)
        died = killed_at(step, path, new)
        found = open_store(path)
        assert is_store(path)
        assert verify_store(path) == []
        seen.append(checksum(found))
        assert_same(found, old if seen[-1] == checksum(old) else new)
        if step % 3 == 0:  # the next writing goes through and tidies up
            write_store(path, new)
            assert_same(open_store(path), new)
            assert [p.name for p in path.parent.iterdir()] == ["store"]
        if not died:
            break
        step += 1
    assert step > 12
    assert seen == sorted(seen, key=[checksum(old), checksum(new)].index)
    assert {seen[0], seen[-1]} == {checksum(old), checksum(new)}


def test_between_the_two_renamings_the_old_store_is_found_aside(tmp_path):
    path = write_store(tmp_path / "store", small())
    path.rename(former_place(path))
    assert is_store(path)
    assert_same(open_store(path), small())
    assert verify_store(path) == []
    write_store(path, small(1))
    assert_same(open_store(path), small(1))
    assert not former_place(path).exists()


@pytest.mark.parametrize("step", [0, 1, 5, 12])
def test_a_full_disk_leaves_what_was_there(tmp_path, store, monkeypatch, step):
    left = [step]
    real = os.fsync

    def full(handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    for path in (store, tmp_path / "fresh"):
        left[0] = step
        with pytest.raises(StorageError, match=r"cannot write .*No space left on device\n.*make room on the disk"):
            write_store(path, small(1))
    monkeypatch.undo()
    assert_same(open_store(store), small())
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


def test_a_disk_that_is_full_from_the_start(tmp_path, store, monkeypatch):
    def full(self, *arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", full)
        with pytest.raises(StorageError, match="make room"):
            write_store(store, small(1))
    assert_same(open_store(store), small())


def test_a_new_store_that_cannot_take_its_place_gives_it_back(tmp_path, store, monkeypatch):
    real = Path.rename

    def stubborn(self, target):
        if self.name.endswith(BESIDE):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(StorageError, match=r"Permission denied\n.*choose a folder that can be written"):
        write_store(store, small(1))
    monkeypatch.undo()
    assert_same(open_store(store), small())
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_error_while_writing_leaves_nothing_behind(tmp_path, error):
    path = tmp_path / "store"
    with pytest.raises(error), StoreWriter(path, name="x", dims={"a": 2, "b": 1}) as writer:
        writer.append("1", {"a": np.ones(2)})
        assert hidden(path, BESIDE).is_dir()
        raise error
    assert list(tmp_path.iterdir()) == []
