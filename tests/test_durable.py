"""Writing that survives: the order of flushing, and what a refused write leaves."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from md2n import durable
from md2n.errors import StorageError


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_json_keeps_every_bit_of_a_number(value: float) -> None:
    assert json.loads(durable.encode_json({"x": value}))["x"] == value


def test_files_are_flushed_before_the_folder_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    rename = os.rename
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to see which file is flushed")
    monkeypatch.setattr(os, "fsync", lambda handle: events.append(Path(f"/proc/self/fd/{handle}").readlink().name))
    monkeypatch.setattr(os, "rename", lambda a, b: (events.append("rename"), rename(a, b)))
    durable.write_directory(tmp_path / "made", {"one": b"1", "two": b"2"})
    assert events == ["one", "two", "made.tmp", "rename", tmp_path.name]


def test_a_refused_write_leaves_the_old_file_and_no_scraps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    durable.write_bytes(path, b"old")

    def full(where: Path, content: bytes) -> None:
        where.write_bytes(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "_write", full)
    with pytest.raises(StorageError, match=r"cannot write .*file: No space left on device\n.*make room on the disk"):
        durable.write_bytes(path, b"new")
    with pytest.raises(StorageError, match="No space left"):
        durable.write_directory(tmp_path / "folder", {"a": b"1"})
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    with pytest.raises(StorageError, match=r"cannot write .*\n.*choose a folder that can be written"):
        durable.make_directory(path / "below")


def test_a_directory_is_replaced_whole_and_leftovers_are_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "made.tmp").mkdir()
    (tmp_path / "made.tmp" / "half").write_bytes(b"of an earlier attempt")
    durable.write_directory(tmp_path / "made", {"a": b"1", "b": b"2"})
    durable.write_directory(tmp_path / "made", {"a": b"3"})
    assert {p.name: p.read_bytes() for p in (tmp_path / "made").iterdir()} == {"a": b"3"}
    assert [p.name for p in tmp_path.iterdir()] == ["made"]


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    for name in ("file", "folder"):
        (tmp_path / name).symlink_to(Path("disk") / name)
    for content in (b"1", b"2"):  # to nothing yet, then to a file
        durable.write_bytes(tmp_path / "file", content)
        assert (tmp_path / "file").is_symlink()
        assert (tmp_path / "disk" / "file").read_bytes() == content
    durable.make_directory(tmp_path / "folder" / "below")
    assert (tmp_path / "disk" / "folder" / "below").is_dir()
    assert sorted(p.name for p in (tmp_path / "disk").iterdir()) == ["file", "folder"]


def test_links_in_a_circle_are_named(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for write in (lambda: durable.write_bytes(tmp_path / "a", b"1"), lambda: durable.make_directory(tmp_path / "a")):
        with pytest.raises(StorageError, match=r"cannot write .*a: its links lead nowhere"):
            write()


def test_leftovers_are_tidied_and_what_a_living_process_writes_is_not(tmp_path: Path) -> None:
    (tmp_path / "cost.json.tmp").write_bytes(b"half")
    (tmp_path / "folder.tmp").mkdir()
    (tmp_path / "precious").write_bytes(b"x")
    (tmp_path / "link.tmp").symlink_to("precious")
    with durable._held(tmp_path / "run.json.tmp"):
        durable.tidy(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.tmp", "link.tmp", "precious", "run.json.tmp"]
    durable.tidy(tmp_path)
    assert not (tmp_path / "run.json.tmp").exists()
    durable.tidy(tmp_path / "nowhere")


def test_two_that_write_one_file_take_turns(tmp_path: Path) -> None:
    path, contents = tmp_path / "file", [bytes([n]) * 100_000 for n in range(4)]

    def write(content: bytes) -> None:
        for _ in range(50):
            durable.write_bytes(path, content)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, contents))
    assert path.read_bytes() in contents
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_that_others_cannot_read_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        durable.encode_json({"x": value})
