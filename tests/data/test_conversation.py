"""Conversations of a data set: found by their column, ordered by row, kept together in an epoch."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from md2n.data.conversation import conversation_order, conversations, cuts, order_by_conversation, spans
from md2n.data.dataset import MultimodalDataset
from tests.data.sets import small

VIDEO = np.asarray(["b", "a", "b", "", "a", "b"])


@pytest.mark.parametrize("column", ["conversation", "dialogue", "video"])
def test_codes_and_places_come_from_the_column(column: str) -> None:
    samples = replace(small(count=6), groups={column: VIDEO, "person": VIDEO})
    found = conversations(samples)
    assert found is not None
    codes, places = found
    assert codes[3] == -1
    assert len({codes[0], codes[2], codes[5]}) == len({codes[1], codes[4]}) == 1
    assert codes[0] != codes[1]
    assert places[VIDEO != ""].tolist() == [0, 0, 1, 1, 2]
    batch = MultimodalDataset(samples, np.asarray([5, 1, 3])).batch(np.asarray([2, 0]))
    assert batch.conversation is not None
    assert batch.place is not None
    assert batch.conversation.tolist() == [-1, codes[0]]
    assert batch.place[1] == 2


def test_other_groups_are_no_conversations() -> None:
    assert conversations(small()) is None
    batch = MultimodalDataset(small(), np.arange(4)).batch(np.arange(2))
    assert batch.conversation is None
    assert batch.place is None


def test_an_epoch_takes_each_conversation_in_one_piece() -> None:
    codes = np.asarray([4, 0, 4, -1, 0, -1, 4, 9])
    order = conversation_order(codes, 0, 3)
    assert sorted(order.tolist()) == list(range(8))
    for code in (4, 0):
        where = np.flatnonzero(codes[order] == code)
        assert np.array_equal(where, np.arange(where[0], where[0] + len(where)))
        assert np.array_equal(order[where], np.flatnonzero(codes == code))
    assert np.array_equal(order, conversation_order(codes, 0, 3))
    assert len({tuple(conversation_order(codes, 0, epoch)) for epoch in range(8)}) > 1
    assert {codes[conversation_order(codes, 0, epoch)[0]] for epoch in range(40)} == {4, 0, 9, -1}


def test_batches_end_where_conversations_do() -> None:
    assert spans(7, 3) == [(0, 3), (3, 6), (6, 7)]
    codes = np.asarray([5, 5, 1, 1, 1, 1, -1, -1, 2])
    assert spans(9, 3, codes) == [(0, 2), (2, 6), (6, 9)]
    assert spans(9, 2, codes) == [(0, 2), (2, 6), (6, 8), (8, 9)]
    assert spans(9, 100, codes) == [(0, 9)]
    assert spans(0, 3, np.zeros(0, np.int64)) == []


def test_an_epochs_batches_are_cut_where_conversations_end() -> None:
    assert cuts(np.asarray([5, 5, 1, 1, 1, 1, -1, -1, 2]), 3).tolist() == [2, 6]
    # One end for three even cuts at 3, 6 and 9: the nearest takes it.
    assert cuts(np.asarray([1] * 7 + [2] * 5), 4).tolist() == [3, 7, 9]
    assert cuts(np.zeros(7, np.int64), 3).tolist() == [3, 5]
    assert cuts(np.arange(3), 1).tolist() == []
    assert cuts(np.zeros(1, np.int64), 1).tolist() == []


@given(st.lists(st.integers(1, 12), min_size=1, max_size=12), st.integers(1, 10))
def test_no_batch_is_empty_and_only_long_conversations_are_cut(lengths: list[int], size: int) -> None:
    codes = np.repeat(np.arange(len(lengths)), lengths)
    batches = -(-len(codes) // size)
    found = cuts(codes, batches)
    assert len(found) == batches - 1
    assert np.all(np.diff(found, prepend=0, append=len(codes)) > 0)
    inside = np.setdiff1d(found, np.cumsum(lengths))
    assert all(lengths[codes[where]] >= len(codes) // batches for where in inside)


def test_conversations_stored_in_pieces_are_put_together_where_they_begin() -> None:
    assert order_by_conversation(np.asarray([3, 1, 3, -1, 1, -1])).tolist() == [0, 2, 1, 4, 3, 5]
    assert order_by_conversation(np.asarray([5, 5, 1, -1, -1, 2])).tolist() == list(range(6))
