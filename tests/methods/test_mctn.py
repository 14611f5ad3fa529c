"""MCTN: sources and targets of translations, and that no module reads a target."""

from dataclasses import replace

import pytest
import torch

from md2n.methods.mctn.config import MCTNConfig
from md2n.methods.mctn.model import MCTN
from md2n.methods.mctn.seq2seq import Decoder, Encoder, Reader
from md2n.modality import Schema
from md2n.seeding import generator
from tests.methods.translations import PAIR, TRIPLE, check_targets_are_not_read, only, train, turned
from tests.worlds import WORLDS, every_pattern, make_batch

SMALL = MCTNConfig(hidden=16, steps=4, tokens=2, dropout=0.0)
G = generator(0, "unused")


def made(schema: Schema, config: MCTNConfig = SMALL) -> MCTN:
    torch.manual_seed(0)
    return MCTN(schema, config).eval()


@pytest.mark.parametrize("world", WORLDS)
def test_targets_are_not_read_in_use(world: str) -> None:
    check_targets_are_not_read(made(WORLDS[world]), every_pattern(make_batch(WORLDS[world])))


def test_no_teacher_forcing_in_training_either() -> None:
    """The translation that the loss compares is the one that recovery gives: no truth has entered it."""
    model, batch = made(PAIR), only(turned(PAIR), 0)
    with torch.no_grad():
        told = model.recover(batch, G).features["two"]
        expected = SMALL.translate * (told - batch.features["two"]).square().mean()
        model.train()  # without dropout: what differs would be a decoder that is shown its target
        torch.testing.assert_close(model.loss(batch, G).parts["translate"], expected)


@pytest.mark.parametrize("schema", [PAIR, TRIPLE], ids=["pair", "triple"])
def test_what_one_modality_tells_of_the_others_is_learned(schema: Schema) -> None:
    # The loss is all translation: how far it gets in a given number of steps is then not the task's doing.
    model = made(schema, replace(SMALL, hidden=32, translate=1.0, cycle=1.0, second=1.0))
    train(model, turned(schema, 128), 40)
    batch = turned(schema, 64, seed=1)
    with torch.no_grad():
        for source in range(len(schema.modalities)):
            recovery = model.recover(only(batch, source), G)
            for k, name in enumerate(schema.names):
                if k != source:
                    truth = batch.features[name]
                    error = (recovery.features[name] - truth).square().mean() / truth.square().mean()
                    assert error < 0.5, (source, name)


def test_the_first_missing_modality_is_the_target_and_the_others_come_second() -> None:
    model, batch = made(WORLDS["mixed"]), every_pattern(make_batch(WORLDS["mixed"]))
    target, others = model._targets(batch)
    assert torch.equal(target | others, batch.missing)
    assert not bool((target & others).any())
    assert torch.equal(target.sum(dim=1), batch.missing.any(dim=1).long())
    where = (batch.available == torch.tensor([False, True, False, True])).all(dim=1).nonzero()[0, 0]
    assert target[where].tolist() == [True, False, False, False]
    assert others[where].tolist() == [False, False, True, False]


def test_a_complete_sample_trains_the_task_alone() -> None:
    parts = made(TRIPLE).loss(turned(TRIPLE), G).parts
    assert parts["task"] > 0
    assert all(parts[name] == 0 for name in ("translate", "cycle", "second"))


def test_what_the_data_lack_costs_nothing_but_the_way_back_does() -> None:
    shown = torch.tensor([True, False, False]).expand(64, 3)
    gaps = replace(turned(TRIPLE), present=shown, available=shown)
    parts = made(TRIPLE).loss(gaps, G).parts
    assert parts["translate"] == 0
    assert parts["second"] == 0
    assert parts["cycle"] > 0


def test_two_modalities_have_no_second_translation() -> None:
    model = made(PAIR)
    assert not hasattr(model, "second_encoder")
    assert set(model.loss(only(turned(PAIR), 0), G).parts) == {"task", "translate", "cycle"}


def test_a_source_of_several_is_the_mean_of_its_modalities() -> None:
    model, batch = made(TRIPLE), turned(TRIPLE)
    alone = [model._source(only(batch, k))[0] for k in (0, 1)]
    torch.testing.assert_close(model._source(only(batch, 0, 1))[0], (alone[0] + alone[1]) / 2)


def test_an_encoder_reads_nothing_after_the_last_position() -> None:
    torch.manual_seed(0)
    encoder, reader, decoder = Encoder(3, 8), Reader(8), Decoder(2, 8)
    x = torch.randn(2, 5, 3, generator=generator(0, "x"))
    readable = torch.tensor([[True, True, True, False, False], [True] * 5])
    longer = torch.where(readable[..., None], x, 7.0)
    target = torch.tensor([0, 1])
    before, after = encoder(x, readable), encoder(longer, readable)
    torch.testing.assert_close(before, after)
    short = encoder(x[:1, :3], readable[:1, :3])
    torch.testing.assert_close(before[:1, :3], short)
    torch.testing.assert_close(reader(before, readable)[:1], reader(short, readable[:1, :3]))
    torch.testing.assert_close(
        decoder(before, readable, target, 4)[:1], decoder(short, readable[:1, :3], target[:1], 4)
    )


def test_a_decoder_is_told_its_target() -> None:
    torch.manual_seed(0)
    encoded, readable = torch.randn(1, 3, 8), torch.ones(1, 3, dtype=torch.bool)
    decoder = Decoder(2, 8)
    one, two = (decoder(encoded, readable, torch.tensor([k]), 2) for k in (0, 1))
    assert not torch.allclose(one, two)
