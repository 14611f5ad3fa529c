"""Dividing epochs among phases and samples among batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from md2n.errors import UsageError
from md2n.methods.base import Phase
from md2n.training.config import TrainerConfig
from md2n.training.feed import epochs_of, split_batches, stretches_of

FIT = Phase("fit", fit=lambda batches: None)


def test_shares_are_proportions_and_a_fit_takes_none() -> None:
    assert epochs_of([FIT, Phase(share=1), Phase(share=2), Phase(share=1)], 60) == (0, 15, 30, 15)
    assert epochs_of([FIT], 60) == (0,)
    assert epochs_of([Phase(share=0.2)], 7) == (7,)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6), st.integers(1, 300))
def test_every_phase_gets_an_epoch_and_none_is_lost(shares: list[float], epochs: int) -> None:
    counts = epochs_of([Phase(share=s) for s in shares], epochs)
    assert min(counts) >= 1
    assert sum(counts) >= epochs
    if all(epochs * s / sum(shares) >= 1 for s in shares):
        assert sum(counts) == epochs
        assert all(abs(c - epochs * s / sum(shares)) <= 1 for c, s in zip(counts, shares))


def test_a_method_that_would_choose_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="last phase of a method must select"):
        epochs_of([Phase(), Phase(selects=False)], 4)
    with pytest.raises(UsageError, match="must select"):
        epochs_of([], 4)
    with pytest.raises(UsageError, match="phase 'x' has share 0"):
        epochs_of([Phase("x", share=0)], 4)


def test_a_budget_in_steps_is_divided_as_epochs_are_and_validated_evenly() -> None:
    phases = [FIT, Phase(share=1), Phase(share=3)]
    assert stretches_of(phases, TrainerConfig(epochs=8), 5) == ((0, 2, 6), (0, 10, 30))
    assert stretches_of(phases, TrainerConfig(steps=100, validations=8), 5) == ((0, 2, 6), (0, 25, 75))
    assert stretches_of(phases, TrainerConfig(steps=4, validations=20), 5) == ((0, 1, 3), (0, 1, 3))


@given(st.integers(1, 300), st.integers(1, 64))
def test_batches_hold_every_row_once_and_are_of_like_size(count: int, batch_size: int) -> None:
    batches = split_batches(np.arange(count), batch_size)
    sizes = [len(b) for b in batches]
    assert np.array_equal(np.concatenate(batches), np.arange(count))
    assert len(batches) == -(-count // batch_size)
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
