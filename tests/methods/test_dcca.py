"""DCCA and DCCAE: cases with a known result."""

from dataclasses import replace

import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.errors import DataError
from md2n.methods.base import Losses
from md2n.methods.dcca.config import DCCAConfig, DCCAEConfig
from md2n.methods.dcca.correlation import canonical_correlations
from md2n.methods.dcca.model import CORRELATION, DCCA, DCCAE, GAIN
from md2n.modality import Modality, Schema, Task
from md2n.seeding import generator
from tests.worlds import CLASSES, REAL, WORLDS, make_batch

SMALL = DCCAConfig(components=3, hidden=32, layers=2, dropout=0.0)
TWINS = Schema((Modality("left", 5), Modality("right", 5)), CLASSES)


def twins(size: int = 96) -> SequenceBatch:
    """Two equal modalities."""
    batch = make_batch(TWINS, size=size)
    return replace(batch, features=dict.fromkeys(TWINS.names, batch.features["left"]))


def correlate(model: DCCA, batch: SequenceBatch, steps: int, rate: float = 3e-3) -> list[Losses]:
    """The first phase on one batch."""
    model.enter(model.phases()[0])
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate)
    told = []
    for step in range(steps):
        torch.manual_seed(step)  # dropout's
        losses = model.loss(batch, generator(step, "dcca"))
        optimiser.zero_grad()
        torch.autograd.backward(losses.total)
        optimiser.step()
        told.append(losses)
    return told


def made(cls: type[DCCA], schema: Schema, config: DCCAConfig) -> DCCA:
    torch.manual_seed(0)
    return cls(schema, config)


def test_two_identical_views_reach_correlation_one_in_every_component() -> None:
    # Each view has a network of its own, so this has to be learned.
    batch, model = twins(), made(DCCA, TWINS, SMALL)
    before = correlate(model, batch, 1)[0].parts["correlation"]
    correlate(model, batch, 200)
    model.fit([batch])
    model.eval()
    left, right = model.codes(batch).split(SMALL.components, dim=1)
    assert float(before.detach()) > -2.5
    assert canonical_correlations(left, right, 1e-6).min() > 0.99


def test_with_three_views_the_sum_goes_over_pairs() -> None:
    schema = Schema((*TWINS.modalities, Modality("third", 5)), CLASSES)
    batch = twins()
    batch = replace(make_batch(schema, size=batch.size), features=dict.fromkeys(schema.names, batch.features["left"]))
    model = made(DCCA, schema, SMALL)
    # The same network for each: the codes are equal, and every pair has its three components.
    for encoder in model.encoders:
        encoder.load_state_dict(model.encoders[0].state_dict())
    model.phase = CORRELATION
    total = float(model.loss(batch, generator(0, "pairs")).parts["correlation"].detach())
    assert -9.0 <= total < -8.5


@pytest.mark.parametrize("world", WORLDS)
def test_without_reconstruction_dccae_is_dcca_to_the_bit(world: str) -> None:
    batch = make_batch(WORLDS[world], gaps=True)
    plain = made(DCCA, WORLDS[world], replace(SMALL, dropout=0.3))
    settings = {name: getattr(SMALL, name) for name in ("components", "hidden", "layers")}
    free = made(DCCAE, WORLDS[world], DCCAEConfig(**settings, dropout=0.3, reconstruction=0.0))
    one, two = correlate(plain, batch, 5), correlate(free, batch, 5)
    assert [x.total.item() for x in one] == [x.total.item() for x in two]
    for model in (plain, free):
        model.fit([batch])
        model.eval()
    weights = free.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in plain.state_dict().items())
    g = generator(0, "use")
    assert torch.equal(plain.predict(batch, g).output, free.predict(batch, g).output)


def test_with_reconstruction_the_codes_tell_the_features() -> None:
    batch = make_batch(WORLDS["vectors"], size=64)
    config = DCCAEConfig(components=3, hidden=32, layers=1, dropout=0.0, reconstruction=10.0)
    told = correlate(made(DCCAE, WORLDS["vectors"], config), batch, 150, rate=1e-2)
    first, last = (x.parts["reconstruction"].item() for x in (told[0], told[-1]))
    assert last < 0.2 * first


def test_codes_are_white_over_the_training_split_and_a_missing_one_is_their_mean() -> None:
    batch = make_batch(WORLDS["vectors"], size=400)
    model = made(DCCA, WORLDS["vectors"], replace(SMALL, ridge=1e-9))
    model.fit([batch.select(torch.arange(150)), batch.select(torch.arange(150, 400))])
    model.eval()
    codes = model.codes(batch)
    torch.testing.assert_close(codes.mean(dim=0), torch.zeros(6), atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.cov(codes[:, :3].T), GAIN**2 * torch.eye(3), atol=1.0, rtol=0)
    hidden = model.codes(batch.hide(torch.tensor([False, True]).expand(400, 2)))
    assert not bool(hidden[:, :3].any())
    assert torch.equal(hidden[:, 3:], codes[:, 3:])


def test_the_fit_does_not_depend_on_how_the_split_is_cut_nor_on_the_mode() -> None:
    batch = make_batch(WORLDS["mixed"], size=30, gaps=True)
    cut = [batch.select(rows) for rows in torch.arange(30).split(7)]
    states = []
    for batches, mode in (([batch], False), (cut, True)):
        model = made(DCCA, WORLDS["mixed"], SMALL)
        model.train(mode)
        model.fit(batches)
        states.append(model.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], atol=1e-3, rtol=1e-3)


def test_settled_batch_norms_are_those_of_a_step_on_the_whole_split() -> None:
    batch, model = make_batch(WORLDS["vectors"], size=50), made(DCCA, WORLDS["vectors"], SMALL)
    x = batch.features["ecg"][:, 0]
    encoder = model.encoders[0]
    with torch.no_grad():
        in_training = encoder.train()(x)
    model.fit([batch])
    with torch.no_grad():
        torch.testing.assert_close(encoder.eval()(x), in_training, atol=1e-5, rtol=1e-5)


def test_the_head_moves_nothing_of_the_encoders() -> None:
    batch, model = make_batch(WORLDS["sequences"], size=20), made(DCCA, WORLDS["sequences"], SMALL)
    correlate(model, batch, 2)
    model.fit([batch])
    model.enter(model.phases()[-1])
    model.train()
    before = {name: value.clone() for name, value in model.encoders.state_dict().items()}
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    first = last = 0.0
    for step in range(60):
        losses = model.loss(batch, generator(step, "head"))
        optimiser.zero_grad()
        torch.autograd.backward(losses.total)
        optimiser.step()
        last = losses.total.item()
        first = last if step == 0 else first
    assert all(torch.equal(value, before[name]) for name, value in model.encoders.state_dict().items())
    assert last < 0.7 * first


def test_the_head_begins_at_the_best_constant_whatever_the_unit_of_the_labels() -> None:
    schema = Schema(TWINS.modalities, Task("regression"))
    batch = replace(twins(20), labels=1e4 + torch.arange(20.0))
    model = made(DCCA, schema, SMALL)
    model.fit([batch])
    assert torch.equal(model.eval().predict(batch, generator(0, "use")).output, torch.full((20,), 1e4 + 9))


@pytest.mark.parametrize("cls", [DCCA, DCCAE])
def test_batches_too_small_for_statistics_are_a_loss_of_zero(cls: type[DCCA]) -> None:
    batch = twins().select(torch.arange(1))
    model = made(cls, TWINS, DCCAEConfig())
    model.enter(model.phases()[0])
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses = model.loss(batch, generator(0, "one"))
    torch.autograd.backward(losses.total)
    assert losses.total.item() == 0.0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_samples_without_a_modality_take_no_part_in_its_statistics() -> None:
    schema = WORLDS["vectors"]
    batch = make_batch(schema, size=24)
    gaps = torch.ones(24, 2, dtype=torch.bool)
    gaps[16:, 0] = False
    gone = replace(batch, present=gaps, available=gaps)
    losses, states = [], []
    for seen in (gone, batch.select(torch.arange(16))):
        model = made(DCCA, schema, SMALL)
        model.enter(model.phases()[0])
        model.train()
        losses.append(model.loss(seen, generator(0, "gaps")))
        states.append(model.encoders[0].state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name])


def test_a_modality_that_no_training_sample_holds_is_refused_by_name() -> None:
    batch = twins()
    left = torch.tensor([True, False]).expand(batch.size, 2)
    with pytest.raises(DataError, match="no training sample holds modality 'right'"):
        made(DCCA, TWINS, SMALL).fit([replace(batch, present=left, available=left)])


def test_its_head_is_linear_in_the_codes_for_every_kind_of_head() -> None:
    for kind, outputs in (("l1", 1), ("seven_class", 7)):
        schema = Schema(WORLDS["sequences"].modalities, REAL)
        model = made(DCCA, schema, replace(SMALL, head=kind))
        assert [tuple(p.shape) for p in model.head.parameters()] == [(outputs, 9), (outputs,)]
