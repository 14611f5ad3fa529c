"""Patterns: which there are, and that drawing is fair and legal."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from md2n.errors import UsageError
from md2n.missing import draw_available, hide_at_rates, incomplete_patterns
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


NAMES = ("image", "text", "audio")
IDS = [f"s{i}" for i in range(200)]


def hidden(rates: dict[str, float], present: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    present = np.ones((200, 3), bool) if present is None else present
    left = hide_at_rates(present, NAMES, IDS, rates, seed)
    assert not (left & ~present).any()
    return present & ~left


def test_each_modality_is_hidden_at_its_own_rate() -> None:
    gone = hidden({"image": 0.7, "text": 0.25})
    assert gone.sum(axis=0).tolist() == [140, 50, 0]
    assert 0.1 < (gone[:, 0] & gone[:, 1]).mean() < 0.25  # independently: 0.175
    assert hidden({"image": 0})[:, 0].sum() == 0 and hidden({"image": 1})[:, 0].all()


def test_who_is_hidden_depends_on_seed_and_id_alone() -> None:
    gone = hidden({"image": 0.7})
    order = np.random.default_rng(0).permutation(200)
    moved = hide_at_rates(np.ones((200, 3), bool), NAMES, np.array(IDS)[order], {"image": 0.7}, 0)
    assert (~moved == gone[order]).all()
    renamed = hide_at_rates(np.ones((200, 3), bool), ("text", "audio", "image"), IDS, {"image": 0.7}, 0)
    assert (~renamed[:, 2] == gone[:, 0]).all()
    assert (hidden({"image": 0.7}, seed=1) != gone).any()
    assert not (hidden({"image": 0.3}) & ~gone).any()  # a higher rate hides all that a lower one does
    assert (hidden({"text": 0.1, "image": 0.7})[:, 0] == gone[:, 0]).all()


def test_every_sample_keeps_one_and_gaps_count() -> None:
    everything = hidden({"image": 1, "text": 1, "audio": 1})
    assert (everything.sum(axis=1) == 2).all() and (everything.sum(axis=0) > 100).all()
    present = np.ones((200, 3), bool)
    present[:50, 1:] = False  # image alone
    present[50:100, 0] = False
    gone = hidden({"image": 0.5}, present)
    assert (
        gone[:, 0].sum() == 75 and not gone[:100].any()
    )  # half of the 150 that have it, from those that can do without
    assert hidden({"image": 0.9}, present)[:, 0].sum() == 100
    empty = np.zeros((200, 3), bool)
    assert not hidden({"image": 1}, empty).any()


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"imgae": 0.5}, "no modality 'imgae' to hide\n.*did you mean 'image'"),
        ({"image": 1.01}, "a rate lies in"),
        ({"image": -0.1}, "a rate lies in"),
        ({"image": float("nan")}, "a rate lies in"),
    ],
)
def test_what_cannot_be_hidden(rates: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        hidden(rates)
