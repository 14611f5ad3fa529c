"""Made splits: their sizes, whole groups, and that they are the same everywhere."""

import pytest

from md2n.extraction.splits import assign_splits


def sizes(splits: tuple[str, ...]) -> tuple[int, int, int]:
    return splits.count("train"), splits.count("valid"), splits.count("test")


@pytest.mark.parametrize(
    ("count", "expected"), [(1, (1, 0, 0)), (2, (2, 0, 0)), (3, (1, 1, 1)), (20, (14, 3, 3)), (1000, (700, 150, 150))]
)
def test_seventy_fifteen_fifteen(count: int, expected: tuple[int, int, int]) -> None:
    assert sizes(assign_splits([f"clip {i}" for i in range(count)])[0]) == expected


def test_they_owe_nothing_to_the_order_of_the_table() -> None:
    ids = [f"clip {i}" for i in range(50)]
    one = dict(zip(ids, assign_splits(ids)[0]))
    assert one == dict(zip(ids[::-1], assign_splits(ids[::-1])[0]))
    assert one != dict(zip(ids, assign_splits(ids, seed=1)[0]))


def test_whole_groups_stand_on_one_side() -> None:
    ids = [f"clip {i}" for i in range(60)]
    speakers = [f"s{i % 10}" for i in range(60)]
    splits, rule = assign_splits(ids, ("speaker", speakers))
    sides = {s: {split for split, speaker in zip(splits, speakers) if speaker == s} for s in speakers}
    assert all(len(side) == 1 for side in sides.values())
    assert sizes(splits) in {(42, 6, 12), (42, 12, 6), (48, 6, 6), (36, 12, 12)}
    assert "whole groups of 'speaker' on one side" in rule and "SHA-256 of seed 0" in rule


def test_two_groups_cannot_be_kept_apart_and_it_is_said() -> None:
    splits, rule = assign_splits([f"clip {i}" for i in range(20)], ("speaker", ["a", "b"] * 10))
    assert sizes(splits) == (14, 3, 3)
    assert "'speaker' has too few members to be kept apart" in rule
