"""MMIN: targets, imagination, and a resumed run."""

from dataclasses import replace

import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.errors import ConfigError
from md2n.methods.mmin.cascade import Cascade
from md2n.methods.mmin.config import MMINConfig
from md2n.methods.mmin.model import IMAGINATION, MMIN
from md2n.missing import draw_available
from md2n.modality import Modality, Schema
from md2n.seeding import generator
from tests.worlds import CLASSES, WORLDS, every_pattern, make_batch

SMALL = MMINConfig(width=16, blocks=2, sizes=(16, 8), dropout=0.0)


def trained(batch: SequenceBatch, schema: Schema, steps: tuple[int, int], rate: float = 3e-3) -> MMIN:
    torch.manual_seed(0)
    model = MMIN(schema, SMALL).train()
    for phase, count in zip(model.phases(), steps):
        model.enter(phase)
        optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
        for step in range(count):
            g = generator(step, "mmin")
            seen = batch if phase.patterns == "complete" else batch.hide(draw_available(batch.present, g))
            optimiser.zero_grad()
            torch.autograd.backward(model.loss(seen, g).total)
            optimiser.step()
    return model.eval()


@pytest.mark.parametrize("world", WORLDS)
def test_with_nothing_missing_it_reproduces_its_targets(world: str) -> None:
    batch = make_batch(WORLDS[world])
    model = trained(batch, WORLDS[world], (2, 3))
    with torch.no_grad():
        assert torch.equal(model.embeddings(batch), model.target(batch))
        incomplete = every_pattern(batch)
        imagined = model.embeddings(incomplete)
    given = incomplete.available
    assert torch.equal(imagined[given], model.target(batch)[given])
    assert not torch.isclose(imagined[~given], model.target(batch)[~given]).all()


def test_a_cascade_that_adds_nothing_gives_back_what_it_was_given() -> None:
    batch = make_batch(WORLDS["sequences"])
    model = trained(batch, WORLDS["sequences"], (2, 0))
    with torch.no_grad():
        for weights in model.imagine.parameters():
            weights.zero_()
        imagined, _ = model._imagined(model._encode(model.encoders, batch))
    torch.testing.assert_close(imagined, model.target(batch), atol=0, rtol=0)


def test_targets_are_the_encoders_as_the_first_phase_left_them_and_stay() -> None:
    schema = WORLDS["sequences"]
    batch = make_batch(schema)
    begun, later = trained(batch, schema, (3, 0)), trained(batch, schema, (3, 4))
    with torch.no_grad():
        torch.testing.assert_close(begun._encode(begun.encoders, batch), begun.target(batch), atol=0, rtol=0)
        assert torch.equal(later.target(batch), begun.target(batch))
        assert not torch.allclose(later._encode(later.encoders, batch), later.target(batch))
    assert all(p.grad is None for p in later.targets.parameters())


def test_a_run_that_goes_on_has_the_targets_of_its_checkpoint() -> None:
    schema = WORLDS["vectors"]
    batch = make_batch(schema)
    stopped = trained(batch, schema, (3, 4))
    torch.manual_seed(1)
    resumed = MMIN(schema, SMALL)
    resumed.enter(stopped.phases()[1])  # the trainer enters before it loads
    resumed.load_state_dict(stopped.state_dict())
    assert torch.equal(resumed.eval().target(batch), stopped.target(batch))


def test_a_modality_that_the_other_tells_is_imagined() -> None:
    schema = Schema((Modality("one", 4), Modality("two", 4)), CLASSES)
    batch = make_batch(schema, size=64)
    x = torch.nan_to_num(batch.features["one"])
    turned = x @ torch.linalg.qr(torch.randn(4, 4, generator=generator(0, "turn"))).Q
    batch = replace(batch, features={"one": x, "two": turned})
    model = trained(batch, schema, (10, 100), rate=1e-2)
    with torch.no_grad():
        hidden = batch.hide(torch.tensor([True, False]).expand(64, 2))
        target = model.target(batch)[:, 1]
        error = (model.embeddings(hidden)[:, 1] - target).square().mean()
    assert error < 0.2 * (target - target.mean(dim=0)).square().mean()


def test_nothing_is_compared_where_nothing_is_missing_or_where_there_is_no_truth() -> None:
    schema = WORLDS["vectors"]
    model = MMIN(schema, SMALL).eval()
    model.enter(model.phases()[1])
    batch = make_batch(schema)
    whole = model.loss(batch, generator(0, "x")).parts
    assert whole["imagination"] == 0
    assert whole["cycle"] == 0
    shown = torch.tensor([True, False]).expand(batch.size, 2)
    assert model.loss(batch.hide(shown), generator(0, "x")).parts["imagination"] > 0
    gaps = replace(batch, present=shown, available=shown)
    found = model.loss(gaps, generator(0, "x")).parts
    assert found["imagination"] == 0
    assert found["cycle"] > 0


def test_silent_blocks_make_the_cascade_the_identity() -> None:
    cascade = Cascade(6, 3, (5, 2))
    x = torch.randn(4, 6, generator=generator(0, "x"))
    assert not torch.allclose(cascade(x)[0], x)
    for decoder in cascade.decoders:
        for parameter in [*decoder.parameters()][-2:]:
            torch.nn.init.zeros_(parameter)
    out, codes = cascade(x)
    assert torch.equal(out, x)
    assert codes.shape == (4, 6)


def test_a_cascade_without_layers_is_refused() -> None:
    with pytest.raises(ConfigError, match="every width of a layer"):
        MMINConfig(sizes=())


def test_the_last_phase_is_the_one_that_imagines() -> None:
    model = MMIN(WORLDS["vectors"], SMALL)
    first, last = model.phases()
    assert (last.name, last.patterns, first.patterns, first.selects) == (IMAGINATION, "drawn", "complete", False)
    assert {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad} == {*first.trains, *last.trains}
