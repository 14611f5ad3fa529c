"""Conversations travel with their samples."""

from dataclasses import replace

import torch

from tests.worlds import WORLDS, make_batch

CODES, PLACES = torch.arange(12) // 4, torch.arange(12) % 4


def test_conversation_and_place_go_where_the_samples_go() -> None:
    batch = replace(make_batch(WORLDS["vectors"]), conversation=CODES, place=PLACES)
    index = torch.tensor([9, 2])
    for moved in (batch.select(index), batch.select(index).to("cpu"), batch.poisoned().complete().select(index)):
        assert moved.conversation is not None
        assert moved.place is not None
        assert moved.conversation.tolist() == [2, 0]
        assert moved.place.tolist() == [1, 2]


def test_without_conversations_there_are_none_anywhere() -> None:
    batch = make_batch(WORLDS["vectors"])
    for other in (batch, batch.select(torch.tensor([1])), batch.to("cpu"), batch.apart(torch.zeros(12).long())):
        assert other.conversation is None
        assert other.place is None


def test_copies_that_are_told_apart_share_no_conversation() -> None:
    batch = replace(make_batch(WORLDS["vectors"]), conversation=torch.where(CODES == 1, -1, CODES), place=PLACES)
    twice = batch.select(torch.arange(12).repeat(2)).apart(torch.arange(2).repeat_interleave(12)).conversation
    assert twice is not None
    first, second = twice[:12].tolist(), twice[12:].tolist()
    assert set(first) & set(second) == {-1}
    assert [c == -1 for c in first] == [4 <= i < 8 for i in range(12)]
    assert len(set(first)) == len(set(second)) == 3
