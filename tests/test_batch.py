"""Conversations, and who a sample is, travel with their samples."""

from dataclasses import replace

import torch

from md2n.seeding import generator
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


def test_who_a_sample_is_goes_where_it_goes_and_so_does_its_noise() -> None:
    batch = replace(make_batch(WORLDS["vectors"]), keys=torch.arange(12) * 1000, conversation=CODES, place=PLACES)
    index, x = torch.tensor([9, 2]), torch.zeros(12, 3)
    whole = batch.noise(generator(0, "draws")).like(x)
    chosen = batch.select(index)
    for moved in (chosen, chosen.to("cpu"), chosen.apart(torch.zeros(2).long()), chosen.poisoned(), chosen.complete()):
        assert moved.keys is not None
        assert moved.keys.tolist() == [9000, 2000]
        assert torch.equal(moved.noise(generator(0, "draws")).like(x[:2]), whole[index])


def test_without_keys_a_sample_is_its_row() -> None:
    batch = make_batch(WORLDS["vectors"])
    named = replace(batch, keys=batch.rows)
    assert batch.keys is batch.select(torch.tensor([1])).to("cpu").keys is None
    x = torch.zeros(12, 3)
    assert torch.equal(batch.noise(generator(0, "draws")).like(x), named.noise(generator(0, "draws")).like(x))


def test_copies_that_are_told_apart_share_no_conversation() -> None:
    batch = replace(make_batch(WORLDS["vectors"]), conversation=torch.where(CODES == 1, -1, CODES), place=PLACES)
    twice = batch.select(torch.arange(12).repeat(2)).apart(torch.arange(2).repeat_interleave(12)).conversation
    assert twice is not None
    first, second = twice[:12].tolist(), twice[12:].tolist()
    assert set(first) & set(second) == {-1}
    assert [c == -1 for c in first] == [4 <= i < 8 for i in range(12)]
    assert len(set(first)) == len(set(second)) == 3


def test_what_is_unknown_is_zero_to_read_and_flagged_beside() -> None:
    schema = WORLDS["cells"]
    batch = make_batch(schema)
    lab = schema.modalities[0]
    known = batch.known("lab")
    assert 0.6 < float(known.float().mean()) < 0.9
    assert bool(batch.features["lab"][~known].isnan().all())
    read = batch.inputs(lab)
    assert read.shape[2] == lab.input_dim == 2 * lab.dim
    assert torch.equal(read[..., : lab.dim], torch.where(known, batch.features["lab"], 0.0))
    assert torch.equal(read[..., lab.dim :], (~known).float())
    assert torch.equal(batch.inputs(schema.modalities[2]), batch.readable("eda"))


def test_what_may_not_be_read_at_all_has_no_flags() -> None:
    schema = WORLDS["cells"]
    batch = make_batch(schema)
    hidden = torch.ones_like(batch.present)
    hidden[:, 1] = False
    assert not bool(batch.hide(hidden).inputs(schema.modalities[1]).any())


def test_cells_go_where_the_samples_go_and_hiding_some_leaves_the_truth() -> None:
    batch = make_batch(WORLDS["cells"])
    flags = torch.rand(batch.features["eda"].shape) < 0.5
    fewer = batch.hide_cells({"eda": flags, "lab": torch.zeros_like(batch.features["lab"], dtype=torch.bool)})
    assert torch.equal(fewer.known("eda"), flags)
    assert not bool(fewer.known("lab").any())
    assert torch.equal(batch.real("lab"), batch.cells["lab"])
    picked = fewer.select(torch.tensor([3, 0])).to("cpu")
    assert torch.equal(picked.known("eda"), flags[[3, 0]])
    assert bool(fewer.poisoned().features["eda"][~flags].isnan().all())
