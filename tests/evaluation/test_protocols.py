"""Protocols: who is hidden, how many, and that masks belong to their data."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from md2n.errors import DataError, UnsafeFileError, UsageError
from md2n.evaluation.protocols import (
    MOST,
    RATES,
    every_conditions,
    every_pattern,
    fixed_conditions,
    hidden_condition,
    load_masks,
    random_conditions,
    save_masks,
    shared_masks,
)

NAMES = ("text", "audio", "vision")
BELONGS = {"names": NAMES, "data_checksum": "abc", "split": "test"}


def complete(n: int, m: int = 3) -> np.ndarray:
    return np.ones((n, m), bool)


def test_the_fixed_protocol_is_table_1_and_complete() -> None:
    conditions = fixed_conditions(complete(5), NAMES)
    assert [c.name for c in conditions] == [
        "text", "audio", "vision", "text+audio", "text+vision", "audio+vision", "complete",
    ]  # fmt: skip
    assert [round(c.realised_rate, 3) for c in conditions] == [0.667] * 3 + [0.333] * 3 + [0.0]
    assert all(c.requested_rate is None and c.excluded == 0 for c in conditions)
    assert conditions[3].available[0].tolist() == [True, True, False]


def test_a_sample_that_would_be_left_empty_takes_no_part_and_is_counted() -> None:
    present = np.array([[True, True, True], [False, True, True], [False, True, False]])
    conditions = {c.name: c for c in fixed_conditions(present, NAMES)}
    assert conditions["text"].rows.tolist() == [0]
    assert conditions["text"].excluded == 2
    assert conditions["text+vision"].rows.tolist() == [0, 1]
    assert conditions["audio"].excluded == 0
    # Of the samples that take part: row 0 loses one of three, row 1 one of two.
    assert conditions["text+vision"].realised_rate == pytest.approx(2 / 5)
    assert conditions["complete"].realised_rate == 0


def test_more_than_four_modalities_are_singles_and_single_missing() -> None:
    names = tuple("abcdef")
    sizes = [int(c.available[0].sum()) for c in fixed_conditions(complete(2, 6), names)]
    assert sizes == [1] * 6 + [5] * 6 + [6]


@pytest.mark.parametrize("nested", [True, False])
def test_the_realised_rate_is_the_requested_one_as_nearly_as_can_be(nested: bool) -> None:
    present = complete(686)
    conditions = random_conditions(present, NAMES, 0, nested=nested)
    assert [c.requested_rate for c in conditions] == list(RATES)
    for c in conditions:
        wanted = min(c.requested_rate or 0.0, 2 / 3)
        assert c.realised_rate == pytest.approx(wanted, abs=0.5 / present.size + 1e-12)
        assert c.realised_rate == pytest.approx(1 - c.available.sum() / present.size)
        assert c.excluded == 0
    assert conditions[-1].realised_rate == pytest.approx(2 / 3)
    assert (conditions[-1].available.sum(axis=1) == 1).all()


def test_nested_masks_hide_more_and_more() -> None:
    conditions = random_conditions(complete(200), NAMES, 3)
    for lower, higher in itertools.pairwise(conditions):
        assert not (higher.available & ~lower.available).any()
    apart = random_conditions(complete(200), NAMES, 3, nested=False)
    assert any((h.available & ~low.available).any() for low, h in itertools.pairwise(apart))


def test_modalities_are_hidden_equally_often() -> None:
    for c in random_conditions(complete(30_000), NAMES, 1):
        shares = c.available.mean(axis=0)
        assert np.ptp(shares) < 0.015


@given(st.integers(0, 2**31), st.integers(2, 6), st.integers(1, 40))
def test_with_natural_gaps_something_present_is_always_kept(seed: int, m: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    present = rng.random((n, m)) < 0.6
    present[np.arange(n), rng.integers(0, m, n)] = True
    for c in random_conditions(present, tuple("abcdef"[:m]), seed):
        assert c.available.any(axis=1).all()
        assert not (c.available & ~present).any()
        wanted = min(c.requested_rate or 0.0, 1 - n / present.sum())
        assert c.realised_rate == pytest.approx(wanted, abs=0.5 / present.sum() + 1e-12)


def test_masks_come_from_the_seed_alone() -> None:
    first, again, other = (random_conditions(complete(50), NAMES, s)[3].available for s in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_saved_masks_come_back(tmp_path: Path) -> None:
    conditions = random_conditions(complete(37), NAMES, 0)
    path = tmp_path / "masks" / "random.npz"
    save_masks(path, conditions, **BELONGS)
    for saved, loaded in zip(conditions, load_masks(path, **BELONGS), strict=True):
        assert np.array_equal(saved.available, loaded.available)
        assert (saved.name, saved.requested_rate) == (loaded.name, loaded.requested_rate)
        assert saved.realised_rate == loaded.realised_rate
    written = path.read_bytes()
    save_masks(path, conditions, **BELONGS)
    assert path.read_bytes() == written
    assert [p.name for p in path.parent.iterdir()] == ["random.npz"]


@pytest.mark.parametrize(
    "other, told",
    [
        ({"data_checksum": "xyz"}, "data_checksum 'abc', not 'xyz'"),
        ({"split": "valid"}, "split 'test', not 'valid'"),
        ({"names": ("text", "audio", "face")}, "modalities .*'vision'.*, not .*'face'"),
    ],
)
def test_masks_of_other_data_are_refused_by_name(tmp_path: Path, other: dict, told: str) -> None:
    path = tmp_path / "masks.npz"
    save_masks(path, random_conditions(complete(5), NAMES, 0), **BELONGS)
    with pytest.raises(DataError, match=told):
        load_masks(path, **(BELONGS | other))


def test_damaged_masks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "masks.npz"
    with pytest.raises(DataError, match="no masks file at"):
        load_masks(path, **BELONGS)
    save_masks(path, random_conditions(complete(50), NAMES, 0), **BELONGS)
    whole = path.read_bytes()
    for spoiled in (whole[: len(whole) // 2], b"", b"not a zip"):
        path.write_bytes(spoiled)
        with pytest.raises(DataError, match="masks"):
            load_masks(path, **BELONGS)
    with np.load(_written(path, whole)) as file:
        arrays = dict(file)
    flags = arrays["available"]
    for other in (np.append(flags, np.uint8(0)), flags[:-1]):  # a byte more or fewer than was written
        np.savez(path, **(arrays | {"available": other}))
        with pytest.raises(DataError, match="masks"):
            load_masks(path, **BELONGS)
    arrays["available"] = flags ^ 255
    np.savez(path, **arrays)
    with pytest.raises(DataError, match="checksum"):
        load_masks(path, **BELONGS)


def test_a_pickle_in_a_masks_file_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "masks.npz"
    np.savez(path, head=np.array([{"run": "me"}], dtype=object))
    with pytest.raises(UnsafeFileError, match="holds Python objects"):
        load_masks(path, **BELONGS)


def test_masks_are_drawn_once_and_shared(tmp_path: Path) -> None:
    path = tmp_path / "masks.npz"
    keys = {"data_checksum": "abc", "split": "test"}
    first = shared_masks(path, complete(20), NAMES, 0, **keys)
    second = shared_masks(path, complete(20), NAMES, 99, **keys)  # the seed of a second method changes nothing
    assert all(np.array_equal(a.available, b.available) for a, b in zip(first, second))
    with pytest.raises(DataError, match="do not hold"):
        shared_masks(path, complete(21), NAMES, 0, **keys)


def test_bad_requests_are_refused() -> None:
    with pytest.raises(DataError, match="1 samples hold no modality"):
        fixed_conditions(np.array([[True, True, True], [False, False, False]]), NAMES)
    with pytest.raises(DataError, match="called 'complete'"):
        fixed_conditions(complete(2), ("text", "audio", "complete"))
    with pytest.raises(UsageError, match="do not rise"):
        random_conditions(complete(2), NAMES, 0, rates=(0.2, 0.1))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_the_hidden_protocol_is_one_condition_named_by_what_it_hides() -> None:
    ids = [f"s{i}" for i in range(100)]
    made = hidden_condition(complete(100), NAMES, ids, {"vision": 0.7, "text": 0.1}, 0)
    assert made.name == "text=0.1,vision=0.7"
    assert made.requested_rate is None and made.excluded == 0
    assert (~made.available).sum(axis=0).tolist() == [10, 0, 70]
    assert made.realised_rate == pytest.approx(80 / 300)
    with pytest.raises(UsageError, match=r"no rate was given\n.*image=0.7"):
        hidden_condition(complete(3), NAMES, ids[:3], {}, 0)
    with pytest.raises(DataError, match="hold no modality"):
        hidden_condition(np.zeros((3, 3), bool), NAMES, ids[:3], {"text": 0.5}, 0)


def test_every_pattern_is_every_proper_subset_up_to_seven_modalities() -> None:
    for m in (2, 3, 6, 7):
        names = tuple("abcdefg"[:m])
        conditions = every_conditions(complete(2, m), names, 0)
        assert [c.name for c in conditions][-1] == "complete"
        sets = {frozenset(c.name.split("+")) for c in conditions[:-1]}
        assert len(sets) == len(conditions) - 1 == 2**m - 2
    fixed = [c.name for c in fixed_conditions(complete(2), NAMES)]
    assert [c.name for c in every_conditions(complete(2), NAMES, 0)] == fixed


def test_too_many_patterns_are_drawn_alike_from_every_size_and_saved(tmp_path: Path) -> None:
    names = tuple("abcdefghij")
    drawn = every_pattern(names, 0)
    assert len(set(drawn)) == len(drawn) == MOST
    counts = {size: sum(len(p) == size for p in drawn) for size in range(1, 10)}
    assert counts[1] == counts[9] == 10
    assert max(counts[size] for size in range(2, 9)) - min(counts[size] for size in range(2, 9)) <= 1
    assert every_pattern(names, 0) == drawn
    assert every_pattern(names, 1) != drawn
    path, present = tmp_path / "every.npz", complete(3, 10)
    belongs = {"data_checksum": "abc", "split": "test", "protocol": "every"}
    first = shared_masks(path, present, names, 0, **belongs)
    again = shared_masks(path, present, names, 1, **belongs)  # as saved, not drawn anew
    assert [c.name for c in again] == [c.name for c in first]
    with pytest.raises(DataError, match="are for protocol 'every@1', not 'random@1'"):
        load_masks(path, names=names, data_checksum="abc", split="test")
