"""Patterns: which there are, and that drawing is fair and legal."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from md2n.missing import draw_available, incomplete_patterns
from md2n.seeding import generator


def test_three_modalities_give_table_1s_columns() -> None:
    assert incomplete_patterns(("L", "A", "V")) == (("L",), ("A",), ("V",), ("L", "A"), ("L", "V"), ("A", "V"))


def test_many_modalities_give_the_singles_and_the_single_missing() -> None:
    patterns = incomplete_patterns(tuple("abcdef"))
    assert len(patterns) == 12
    assert {len(p) for p in patterns} == {1, 5}


def test_every_proper_subset_is_drawn_equally_often() -> None:
    present = torch.ones(60_000, 3, dtype=torch.bool)
    drawn = draw_available(present, generator(0, "patterns"))
    codes = (drawn.long() * torch.tensor([4, 2, 1])).sum(1)
    counts = torch.bincount(codes, minlength=8)
    assert counts[0] == 0
    assert counts[7] == 0
    assert (counts[1:7] - 10_000).abs().max() < 500


@given(st.integers(0, 2**32), st.integers(2, 6), st.floats(0, 1))
def test_a_drawn_set_is_never_empty_and_never_more_than_present(seed: int, count: int, keep: float) -> None:
    g = generator(seed, "test")
    present = torch.rand(32, count, generator=g) < 0.6
    present[:, 0] |= ~present.any(dim=1)
    drawn = draw_available(present, g, keep_all=keep)
    assert bool(drawn.any(dim=1).all())
    assert bool((drawn <= present).all())


def test_keep_all_one_hides_nothing() -> None:
    present = torch.ones(10, 3, dtype=torch.bool)
    assert torch.equal(draw_available(present, generator(1, "x"), keep_all=1.0), present)
