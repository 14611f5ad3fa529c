"""Dedicated: each set has its own network, trained as in a separate run."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.errors import DataError
from md2n.methods.dedicated.model import ALL_SETS, Dedicated
from md2n.methods.parts.config import FusionConfig, LatentConfig
from md2n.modality import Modality, Schema
from md2n.nn.config import TransformerConfig
from md2n.seeding import generator
from md2n.training.optim import clip_gradient
from tests.worlds import CLASSES, WORLDS, every_pattern, make_batch

SMALL = FusionConfig(LatentConfig(length=2, width=8, hidden=16), transformer=TransformerConfig(layers=1, width=8))
THREE = WORLDS["sequences"]


def schema_of(count: int) -> Schema:
    return Schema(tuple(Modality(f"m{i}", 2) for i in range(count)), CLASSES)


def made(schema: Schema = THREE, kind: str = "joint") -> Dedicated:
    torch.manual_seed(0)
    return Dedicated(schema, replace(SMALL, kind=kind))


def only(batch: SequenceBatch, names: Sequence[str], rows: slice = slice(None)) -> SequenceBatch:
    """The batch, in which the chosen rows have only these modalities."""
    present = batch.present.clone()
    present[rows] = torch.tensor([n in names for n in batch.names])
    return replace(batch, present=present, available=present)


def output(model: Dedicated, batch: SequenceBatch) -> torch.Tensor:
    with torch.no_grad():
        return model.eval().predict(batch, generator(0, "use")).output


def step(model: Dedicated, batch: SequenceBatch, count: int = 1) -> None:
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for number in range(count):
        torch.manual_seed(number)
        optimiser.zero_grad()
        torch.autograd.backward(model.loss(batch, generator(number, "loss")).total)
        optimiser.step()


def test_there_is_a_network_for_every_set_and_a_loss_by_its_name() -> None:
    batch, model = make_batch(THREE), made()
    assert set(model.loss(batch, generator(0, "loss")).parts) == {
        "text", "audio", "vision", "text+audio", "text+vision", "audio+vision", "text+audio+vision",
    }  # fmt: skip
    # A network has what its set needs and no more.
    assert [len(n.encoders) for n in model.networks] == [1, 1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize("kind", ["joint", "crossmodal"])
def test_every_row_of_a_mixed_batch_is_answered_by_its_own_network(kind: str) -> None:
    batch, model = every_pattern(make_batch(THREE)), made(kind=kind)
    step(model, make_batch(THREE))
    before = output(model, batch)
    for number, pattern in enumerate(model.patterns):
        with torch.no_grad():
            for p in model.networks[number].head.parameters():
                p.add_(0.5)
        after = output(model, batch)
        own = (batch.available == torch.tensor([n in pattern for n in batch.names])).all(dim=1)
        assert bool(own.any())
        assert bool((after[own] != before[own]).all())
        assert torch.equal(after[~own], before[~own])
        before = after


def test_a_network_is_trained_as_if_the_others_were_not_there() -> None:
    batch, all_sets, alone = make_batch(THREE), made(), made()
    torch.nn.Module.train(all_sets)
    pattern = all_sets.patterns.index(("text", "audio"))
    # No dropout, which draws from one stream for all networks.
    for model in (all_sets, alone):
        for part in model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
    step(all_sets, batch, 3)
    alone.train()
    optimiser = torch.optim.AdamW(alone.networks[pattern].parameters(), lr=1e-2)
    for number in range(3):
        optimiser.zero_grad()
        torch.autograd.backward(alone.loss(batch, generator(number, "loss")).parts["text+audio"])
        optimiser.step()
    told = alone.networks[pattern].state_dict()
    assert all(torch.equal(v, told[k]) for k, v in all_sets.networks[pattern].state_dict().items())


def test_only_samples_that_hold_the_whole_set_train_its_network() -> None:
    batch = only(make_batch(THREE), ("text",), slice(0, 9))
    model = made().train()
    parts = model.loss(batch, generator(0, "loss")).parts
    assert dict(zip(("+".join(p) for p in model.patterns), model.trained.tolist())) == {
        "text": 12, "audio": 3, "vision": 3, "text+audio": 3, "text+vision": 3, "audio+vision": 3,
        "text+audio+vision": 3,
    }  # fmt: skip
    assert len(parts) == 7
    without = model.loss(only(batch, ("text",)), generator(0, "loss")).parts
    assert set(without) == {"text"}
    # What was trained once stays trained, whatever the last batch held.
    assert model.trained.tolist() == [24, 3, 3, 3, 3, 3, 3]


def test_a_set_never_met_in_training_is_answered_by_its_largest_trained_subset() -> None:
    batch = make_batch(THREE)
    model = made()
    step(model, only(only(batch, ("text", "audio")), ("vision",), slice(0, 4)))
    answers = output(model, only(batch, ("text", "audio")))
    assert torch.equal(output(model, batch), answers)
    # Nothing of two is known with vision in it: of the single ones the first in order answers.
    assert torch.equal(output(model, only(batch, ("text", "vision"))), output(model, only(batch, ("text",))))


def test_a_set_of_which_nothing_was_ever_met_is_refused_by_name() -> None:
    batch, model = make_batch(THREE), made()
    step(model, only(batch, ("text", "audio")))
    with pytest.raises(DataError, match="no training sample holds any of vision"):
        output(model, only(batch, ("vision",)))


def test_with_more_than_five_modalities_the_sets_of_the_fixed_protocol_have_networks() -> None:
    assert ALL_SETS == 5
    assert len(made(schema_of(5)).networks) == 31
    schema = schema_of(6)
    model, batch = made(schema), make_batch(schema)
    names = schema.names
    assert {len(p) for p in model.patterns} == {1, 5, 6}
    assert len(model.patterns) == 13
    step(model, batch)
    # Three of six have no network: the first single one of them answers.
    assert torch.equal(output(model, only(batch, names[2:5])), output(model, only(batch, names[2:3])))
    assert not torch.equal(output(model, only(batch, names[:5])), output(model, only(batch, names[:1])))


def test_the_gradient_of_every_network_is_clipped_by_itself() -> None:
    model = made()
    torch.autograd.backward(model.loss(make_batch(THREE), generator(0, "loss")).total)
    named = dict(model.named_parameters())
    alone = [
        torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in n.parameters() if p.grad is not None]))
        for n in model.networks
    ]
    whole = clip_gradient(named, 0.01, model.independent_parts())
    torch.testing.assert_close(whole, torch.stack(alone).square().sum().sqrt())
    for network in model.networks:
        left = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
        torch.testing.assert_close(left.norm(), torch.tensor(0.01), rtol=1e-3, atol=0.0)
