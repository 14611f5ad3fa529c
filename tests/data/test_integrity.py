"""Digests of files: every byte counts where all is compared, and a part of a long file is compared by itself."""

import random
from pathlib import Path

import pytest

from md2n.data import integrity
from md2n.data.integrity import compare, facts_of, seal, seal_matches


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(integrity, "BLOCK", 64)
    (tmp_path / "long").write_bytes(bytes(range(250)) * 4)  # 16 blocks, the last one shorter
    (tmp_path / "short").write_bytes(b"x" * 64)
    (tmp_path / "empty").write_bytes(b"")
    return tmp_path


def facts(folder: Path) -> dict:
    return {p.name: facts_of(p) for p in sorted(folder.iterdir())}


def flip(file: Path, position: int) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


def test_only_files_longer_than_a_block_have_blocks(folder: Path) -> None:
    assert {name: len(told.get("blocks", ())) for name, told in facts(folder).items()} == {
        "empty": 0,
        "long": 16,
        "short": 0,
    }


@pytest.mark.parametrize("position", [0, 63, 64, 500, 999])
def test_every_byte_counts_where_all_is_compared(folder: Path, position: int) -> None:
    told = facts(folder)
    assert compare(folder, told).changed == ()
    flip(folder / "long", position)
    found = compare(folder, told)
    assert (found.changed, found.whole) == (("long",), True)


def test_a_part_reads_what_it_may_and_short_files_and_both_ends_are_in_it(folder: Path) -> None:
    told = facts(folder)
    found = compare(folder, told, most=320)
    assert (found.changed, found.whole) == ((), False)
    assert 64 + 64 + 40 <= found.compared <= 320
    for name, position in (("short", 5), ("long", 0), ("long", 999)):
        flip(folder / name, position)
        assert compare(folder, told, most=320).changed == (name,)
        flip(folder / name, position)


def test_what_one_opening_passes_over_another_meets(folder: Path) -> None:
    told = facts(folder)
    flip(folder / "long", 500)
    found = [compare(folder, told, most=320, choose=random.Random(seed)).changed for seed in range(40)]
    assert () in found
    assert ("long",) in found


def test_long_files_without_blocks_are_left_to_a_whole_comparison(folder: Path) -> None:
    told = {name: {k: v for k, v in f.items() if k != "blocks"} for name, f in facts(folder).items()}
    flip(folder / "long", 0)
    assert compare(folder, told, most=320).changed == ()
    assert compare(folder, told).changed == ("long",)


def test_a_seal_knows_every_entry_of_a_manifest() -> None:
    manifest = {"name": "a", "low": 0.1, "files": {"x": {"bytes": 3}}}
    sealed = manifest | {integrity.SEAL: seal(manifest)}
    assert seal_matches(sealed)
    assert seal_matches(manifest)  # of an older md2n
    assert not seal_matches(sealed | {"low": 0.2})
    assert not seal_matches(sealed | {"more": 1})
