"""TransM: pairs, replacements, errors in both directions, and that no module reads a target."""

from dataclasses import replace

import pytest
import torch

from md2n.errors import ConfigError
from md2n.methods.transm.config import TransMConfig
from md2n.methods.transm.model import TransM
from md2n.modality import Schema
from md2n.seeding import generator
from tests.methods.translations import PAIR, TRIPLE, check_targets_are_not_read, only, train, turned
from tests.worlds import WORLDS, every_pattern, make_batch

SMALL = TransMConfig(width=16, layers=1, heads=2, steps=4, tokens=2, dropout=0.0)
G = generator(0, "unused")


def made(schema: Schema, config: TransMConfig = SMALL) -> TransM:
    torch.manual_seed(0)
    return TransM(schema, config).eval()


@pytest.mark.parametrize("world", WORLDS)
def test_targets_are_not_read_in_use(world: str) -> None:
    check_targets_are_not_read(made(WORLDS[world]), every_pattern(make_batch(WORLDS[world])))


def test_there_is_a_translator_for_every_ordered_pair() -> None:
    model = made(WORLDS["mixed"])
    assert len(model.translators) == 4 * 3
    assert sorted(model.translators) == sorted(f"{a}_{b}" for a in range(4) for b in range(4) if a != b)


@pytest.mark.parametrize("schema", [PAIR, TRIPLE], ids=["pair", "triple"])
def test_what_one_modality_tells_of_the_others_is_learned(schema: Schema) -> None:
    model = made(schema, replace(SMALL, translation=1.0))
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


def test_a_missing_modality_is_the_mean_of_its_translations() -> None:
    model, batch = made(TRIPLE), turned(TRIPLE)
    one, two, both = (model.recover(only(batch, *k), G).features["three"] for k in ((0,), (1,), (0, 1)))
    torch.testing.assert_close(both, (one + two) / 2)
    assert not torch.allclose(one, two)


def test_with_nothing_missing_both_directions_are_forward() -> None:
    parts = made(PAIR).loss(turned(PAIR), G).parts
    assert parts["forward"] > 0
    assert parts["backward"] == 0


def test_what_the_data_lack_costs_nothing_but_the_way_back_does() -> None:
    shown = torch.tensor([True, False]).expand(64, 2)
    gaps = replace(turned(PAIR), present=shown, available=shown)
    parts = made(PAIR).loss(gaps, G).parts
    assert parts["forward"] == 0
    assert parts["backward"] > 0


def test_forward_is_the_error_of_what_recovery_gives() -> None:
    model, batch = made(PAIR), only(turned(PAIR), 0)
    told = model.recover(batch, G).features["two"]
    expected = SMALL.translation * (told - batch.features["two"]).square().mean()
    model.train()  # without dropout, as in use
    torch.testing.assert_close(model.loss(batch, G).parts["forward"], expected)


def test_the_replacement_reaches_the_prediction() -> None:
    """A translator that is changed changes predictions of samples that need it, and of no other."""
    model, batch = made(PAIR), turned(PAIR)
    half = torch.arange(64) < 32
    mixed = batch.hide(torch.stack([torch.ones_like(half), ~half], dim=1))
    before = model.predict(mixed, G).output
    with torch.no_grad():
        for parameter in model._translator(0, 1).out.parameters():
            parameter.add_(1.0)
    after = model.predict(mixed, G).output
    assert torch.equal(before[~half], after[~half])
    assert not torch.isclose(before[half], after[half]).all(dim=1).any()


def test_the_task_trains_translations_of_what_is_missing_alone() -> None:
    """The card says so: it is why recovered features are far from the truth."""
    model, batch = made(PAIR), turned(PAIR)
    for shown, trained in ((only(batch, 0), True), (batch, False)):
        task = model.loss(shown, G).parts["task"]
        (gradient,) = torch.autograd.grad(task, model._translator(0, 1).out.weight, allow_unused=True)
        assert (gradient is not None and bool(gradient.any())) == trained


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="7 heads do not divide width 32"):
        TransMConfig(heads=7)
