"""MD2N: which latents each term of the loss reads, and which parts it trains."""

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor

from md2n.fusion.transformer import GIVEN, RECOVERED
from md2n.methods.catalogue import build
from md2n.methods.md2n.config import MD2NConfig
from md2n.methods.md2n.model import MD2N
from md2n.methods.parts.config import FusionConfig, LatentConfig
from md2n.missing import draw_available
from md2n.seeding import generator
from tests.worlds import WORLDS, make_batch


def parts(world: str, dropout: float, seed: int = 0) -> dict[str, Tensor]:
    """Loss terms of a fresh model in training mode; ``seed`` is the seed of the dropout only."""
    torch.manual_seed(0)
    config = MD2NConfig(fusion=FusionConfig(latent=LatentConfig(dropout=dropout)))
    model = MD2N(WORLDS[world], config).train()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn_like(p))
    batch = make_batch(WORLDS[world])
    seen = batch.hide(draw_available(batch.present, generator(0, "patterns")))
    torch.manual_seed(seed)
    return dict(model.loss(seen, generator(0, "loss")).parts)


@pytest.mark.parametrize("world", WORLDS)
def test_recovery_learns_on_latents_without_the_encoders_dropout(world: str) -> None:
    without, one, other = parts(world, 0.0), parts(world, 0.5, 1), parts(world, 0.5, 2)
    for term in ("score_m", "score_a", "dec"):
        assert torch.equal(without[term], one[term])
        assert torch.equal(one[term], other[term])


@pytest.mark.parametrize("world", WORLDS)
def test_fusion_learns_on_given_latents_with_it(world: str) -> None:
    one, other = parts(world, 0.5, 1), parts(world, 0.5, 2)
    assert not torch.equal(one["task"], other["task"])
    assert not torch.equal(one["complete"], other["complete"])


def test_a_model_in_training_stays_in_training() -> None:
    model = MD2N(WORLDS["mixed"], MD2NConfig()).train()
    batch = make_batch(WORLDS["mixed"])
    model.loss(batch, generator(0, "loss"))
    assert all(m.training for m in model.modules())


def viewed(share: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The samples of a batch whose complete view is computed, and those with a hidden modality."""
    model, batch = MD2N(WORLDS["mixed"], MD2NConfig(complete_share=share)), make_batch(WORLDS["mixed"])
    seen = batch.hide(draw_available(batch.present, generator(0, "patterns"), 0.3))
    return model._viewed(seen, generator(seed, "loss")), (seen.present & seen.missing).any(dim=1).nonzero()[:, 0]


def test_the_complete_view_is_of_samples_that_something_was_hidden_from() -> None:
    rows, hidden = viewed(1.0)
    assert len(hidden) > 0
    assert sorted(rows.tolist()) == hidden.tolist()


def test_a_share_of_them_is_drawn_anew_in_every_step() -> None:
    drawn = [viewed(0.5, seed) for seed in range(20)]
    assert all(
        len(rows) == -(-len(hidden) // 2) and set(rows.tolist()) <= set(hidden.tolist()) for rows, hidden in drawn
    )
    assert {row for rows, _ in drawn for row in rows.tolist()} == set(drawn[0][1].tolist())


def test_where_nothing_is_hidden_there_is_no_other_view() -> None:
    model, batch = MD2N(WORLDS["mixed"], MD2NConfig()), make_batch(WORLDS["mixed"])
    parts = model.loss(batch.complete(), generator(0, "loss")).parts
    assert "complete" not in parts and "task" in parts


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("dropout", ["on", "off"])
def test_the_task_moves_what_recovers_only_where_it_is_told_to(
    world: str, detach: bool, dropout: Literal["on", "off"]
) -> None:
    config = MD2NConfig(gamma=0.0, detach_recovered=detach, recovered_dropout=dropout)
    model = MD2N(WORLDS[world], config).train()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=generator(0, "beginning")))
    batch = make_batch(WORLDS[world])
    seen = batch.hide(draw_available(batch.present, generator(0, "patterns")))
    parts = model.loss(seen, generator(0, "loss")).parts
    torch.stack([parts[name] for name in ("task", "complete", "distillation")]).sum().backward()
    moved = [p.grad is not None and bool(p.grad.any()) for p in model.recovery.parameters()]
    assert any(moved) == (not detach)
    assert any(p.grad is not None and bool(p.grad.any()) for p in model.backbone.encoders.parameters())


@pytest.mark.parametrize("absent", range(4))
def test_what_no_sample_holds_trains_nothing_that_would_make_it(absent: int) -> None:
    """A loss is taken only where there is a truth: what is absent is recovered, but neither right nor wrong."""
    torch.manual_seed(0)
    schema = WORLDS["mixed"]
    model = MD2N(schema, MD2NConfig()).train()
    batch = make_batch(schema)
    name = schema.names[absent]
    present = batch.present.clone()
    present[:, absent] = False
    nothing = torch.full_like(batch.features[name], float("nan"))
    batch = replace(batch, present=present, available=present, features={**batch.features, name: nothing})
    seen = batch.hide(draw_available(present, generator(0, "patterns")))
    model.loss(seen, generator(0, "loss")).total.backward()
    for parts_of in (model.decoders, model.recovery.own):
        for k, part in enumerate(parts_of):
            moved = any(p.grad is not None and bool(p.grad.any()) for p in part.parameters())
            assert moved == (k != absent)


def test_a_complete_sample_is_fused_once_and_an_incomplete_one_with_every_draw_too() -> None:
    model, batch = MD2N(WORLDS["mixed"], MD2NConfig()).eval(), make_batch(WORLDS["mixed"])
    seen = batch.hide(draw_available(batch.present, generator(0, "patterns"), 0.3))
    gap = seen.missing.any(dim=1)
    assert 0 < int(gap.sum()) < seen.size
    rows: list[int] = []
    model.backbone.fusion.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    with torch.inference_mode():
        prediction = model.predict(seen, generator(1, "draws"), draws=5)
    assert sum(rows) == seen.size + 5 * int(gap.sum())
    assert prediction.std is not None
    assert torch.equal(prediction.std.view(seen.size, -1).sum(dim=1) > 0, gap)


@pytest.mark.parametrize("world", WORLDS)
def test_with_dropout_before_recovery_fusion_reads_half_of_what_is_recovered(world: str) -> None:
    torch.manual_seed(0)
    model = MD2N(WORLDS[world], MD2NConfig(recovered_dropout="on")).train()
    batch = make_batch(WORLDS[world])
    seen = batch.hide(draw_available(batch.present, generator(0, "patterns")))
    states: list[torch.Tensor] = []
    model.backbone.fusion.register_forward_pre_hook(lambda module, inputs: states.append(inputs[1]))
    for seed in range(20):
        model.loss(seen, generator(seed, "loss"))
    first = torch.stack([state for state in states if len(state) == seen.size][:20])
    assert bool((first[:, seen.available] == GIVEN).all())
    read = (first[:, ~seen.available] == RECOVERED).float().mean()
    assert 0.4 < float(read) < 0.6
    assert bool((first[:, ~seen.available] != GIVEN).all())


def test_dropout_before_recovery_is_for_small_sets() -> None:
    config = MD2NConfig()
    assert [config.for_samples(n).recovered_dropout for n in (999, 1000)] == ["on", "off"]
    assert MD2NConfig(recovered_dropout="off").for_samples(9).recovered_dropout == "off"
    model = build("md2n", WORLDS["mixed"], config, samples=50)
    assert isinstance(model, MD2N)
    assert model.config.recovered_dropout == "on"
