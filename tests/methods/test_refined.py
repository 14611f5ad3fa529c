"""The refiner, and the structure that DiCMoR and IMDer share."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from md2n.methods.dicmor.config import DiCMoRConfig
from md2n.methods.dicmor.model import DiCMoR
from md2n.methods.imder.config import IMDerConfig, ScoreNetConfig
from md2n.methods.imder.model import IMDer
from md2n.methods.parts.config import CalibrationKind
from md2n.methods.parts.refined import ENCODERS, RECOVERY, RefinedRecovery
from md2n.methods.parts.refiner import ChannelAttention, Refiner, refine_missing
from md2n.missing import draw_available
from md2n.seeding import generator
from tests.worlds import WORLDS, every_pattern, make_batch

NAMES = ("dicmor", "imder")


def made(name: str, world: str = "sequences", **settings: Any) -> RefinedRecovery:
    torch.manual_seed(0)
    if name == "dicmor":
        return DiCMoR(WORLDS[world], DiCMoRConfig(flow_steps=1, refiner_blocks=1, **settings))
    small = ScoreNetConfig(channels=(8,), heads=2, features=8)
    return IMDer(WORLDS[world], IMDerConfig(network=small, refiner_blocks=1, steps=2, train_steps=1, **settings))


def test_channel_attention_scales_whole_channels_by_less_than_one() -> None:
    attention = ChannelAttention(32)
    x = torch.randn(3, 32, 5, generator=generator(0, "x"))
    scale = attention(x) / x
    torch.testing.assert_close(scale, scale[:, :, :1].expand_as(scale))
    assert bool(((scale > 0) & (scale < 1)).all())


def test_a_group_that_adds_nothing_leaves_two_linear_maps() -> None:
    refiner = Refiner(6, blocks=2)
    with torch.no_grad():
        refiner.group[-1].weight.zero_()  # type: ignore[operator]
        refiner.group[-1].bias.zero_()  # type: ignore[operator]
    x = torch.randn(3, 5, 6, generator=generator(0, "x"))
    linear = refiner.leave(refiner.enter(x.transpose(1, 2))).transpose(1, 2)
    torch.testing.assert_close(refiner(x), linear)


def test_only_the_missing_are_refined() -> None:
    refiners = torch.nn.ModuleList(Refiner(6, 1) for _ in range(2))
    x = torch.randn(4, 2, 5, 6, generator=generator(0, "x"))
    missing = torch.tensor([[True, False], [False, False], [False, True], [True, True]])
    told = refine_missing(refiners, x, missing)
    assert torch.equal(told[~missing], x[~missing])
    torch.testing.assert_close(told[[0, 3], 0], refiners[0](x[[0, 3], 0]))
    torch.testing.assert_close(told[[2, 3], 1], refiners[1](x[[2, 3], 1]))


@pytest.mark.parametrize("name", NAMES)
def test_the_first_phase_trains_the_backbone_on_the_task_of_complete_samples(name: str) -> None:
    model, batch = made(name).train(), make_batch(WORLDS["sequences"])
    first, last = model.phases()[0], model.phases()[-1]
    assert (first.name, first.trains, first.patterns, first.selects) == (ENCODERS, ("backbone",), "complete", False)
    assert (last.name, last.trains, last.patterns, last.selects) == (RECOVERY, ("",), "drawn", True)
    model.enter(first)
    losses = model.loss(batch, generator(0, "loss"))
    assert set(losses.parts) == {"task"}
    losses.total.backward()  # type: ignore[no-untyped-call]
    moved = {n.partition(".")[0] for n, p in model.named_parameters() if p.grad is not None}
    assert moved == {"backbone"}


def parts(name: str, **settings: Any) -> dict[str, Tensor]:
    model, batch = made(name, **settings).train(), make_batch(WORLDS["sequences"])
    model.enter(model.phases()[-1])
    seen = batch.hide(draw_available(batch.present, generator(0, "patterns")))
    torch.manual_seed(0)
    return dict(model.loss(seen, generator(0, "loss")).parts)


@pytest.mark.parametrize("name", NAMES)
def test_weights_scale_their_terms(name: str) -> None:
    one, three = parts(name, recovery=1.0, decoding=1.0), parts(name, recovery=3.0, decoding=3.0)
    for term in ("recovery", "dec"):
        torch.testing.assert_close(three[term], 3 * one[term])
    torch.testing.assert_close(three["task"], one["task"])


@pytest.mark.parametrize("name", NAMES)
def test_distillation_is_offered_and_off(name: str) -> None:
    assert "distillation" not in parts(name)
    told = parts(name, complete_view_distillation=2.0, complete_task=1.0)
    assert float(told["distillation"].detach()) > 0
    assert float(told["complete"].detach()) > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_of_recovery_is_not_moved_toward_it(name: str) -> None:
    # With every source but the truth cut off, nothing is left to reach the target's encoder.
    model, batch = made(name, "vectors").train(), make_batch(WORLDS["vectors"])
    model.enter(model.phases()[-1])
    hidden = batch.hide(torch.tensor([True, False]).expand(12, -1))
    model.loss(hidden, generator(0, "loss")).parts["recovery"].backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None or not bool(p.grad.any()) for p in model.backbone.encoders[1].parameters())


@pytest.mark.parametrize("name", NAMES)
def test_decoders_train_the_encoders_of_what_is_available(name: str) -> None:
    model, batch = made(name, "vectors").train(), make_batch(WORLDS["vectors"])
    model.enter(model.phases()[-1])
    hidden = batch.hide(torch.tensor([True, False]).expand(12, -1))
    model.loss(hidden, generator(0, "loss")).parts["dec"].backward()  # type: ignore[no-untyped-call]
    assert any(p.grad is not None and bool(p.grad.any()) for p in model.backbone.encoders[0].parameters())


def test_the_complete_view_of_a_sample_with_gaps_is_generated_as_training_bears_it() -> None:
    model, batch = (
        made("imder", complete_view_distillation=2.0, complete_task=1.0).train(),
        make_batch(WORLDS["sequences"], gaps=True),
    )
    model.enter(model.phases()[-1])
    asked: list[int | None] = []
    generate = model.generate
    model.generate = lambda *given: asked.append(given[3]) or generate(*given)  # type: ignore[method-assign, func-returns-value]
    losses = model.loss(batch.hide(draw_available(batch.present, generator(0, "p"))), generator(0, "loss"))
    (losses.parts["complete"] + losses.parts["distillation"]).backward()  # type: ignore[no-untyped-call]
    assert asked == [1, 1]  # train_steps, for what was hidden and for what is lacking
    assert all(p.grad is None or not bool(p.grad.any()) for n, p in model.named_parameters() if n.startswith("scores"))


@pytest.mark.parametrize("name", NAMES)
def test_encoders_can_be_left_as_the_first_phase_made_them(name: str) -> None:
    model = made(name, train_encoders=False)
    trains = model.phases()[-1].trains
    still = {n for n, _ in model.named_parameters() if not n.startswith(trains)}
    assert still == {n for n, _ in model.named_parameters() if n.startswith("backbone.encoders")}


@pytest.mark.parametrize("name", NAMES)
def test_a_natural_gap_has_no_truth_to_recover(name: str) -> None:
    model, batch = made(name).train(), make_batch(WORLDS["sequences"])
    model.enter(model.phases()[-1])
    held = torch.tensor([True, True, False]).expand(12, -1)
    nan = {k: torch.where(held[:, i, None, None], x, float("nan")) for i, (k, x) in enumerate(batch.features.items())}
    gappy = replace(batch, features=nan, present=held, available=held)
    losses = model.loss(gappy, generator(0, "loss"))
    assert float(losses.parts["recovery"].detach()) == 0.0
    assert bool(torch.isfinite(losses.total))


@pytest.mark.parametrize("name", NAMES)
def test_weights_saved_before_there_was_a_calibration_recover_as_they_did(name: str) -> None:
    before, now = made(name, calibration="none").eval(), made(name).eval()
    assert set(now.state_dict()) - set(before.state_dict())
    now.load_state_dict(before.state_dict())
    batch = every_pattern(make_batch(WORLDS["sequences"]))
    with torch.no_grad():
        one, other = (m.recover(batch, generator(0, "r"), draws=3) for m in (now, before))
    for k, feature in enumerate(WORLDS["sequences"].names):
        gap = batch.missing[:, k]
        assert torch.equal(one.features[feature][gap], other.features[feature][gap])
        assert torch.equal(one.draws[feature][:, gap], other.draws[feature][:, gap])


@pytest.mark.parametrize("calibration", ["walk", "translation"])
@pytest.mark.parametrize("name", NAMES)
def test_a_calibration_changes_recoveries_and_no_prediction(name: str, calibration: CalibrationKind) -> None:
    model, batch = made(name, calibration=calibration).eval(), every_pattern(make_batch(WORLDS["sequences"], seed=1))

    def answers() -> list[Tensor]:
        prediction, recovery = model.predict(batch, generator(0, "p"), draws=2), model.recover(batch, generator(0, "r"))
        return [prediction.output, recovery.draws["text"][:, batch.missing[:, 0]]]

    with torch.no_grad():
        before = answers()
        assert not model.calibrate([make_batch(WORLDS["sequences"])], [make_batch(WORLDS["sequences"], seed=2)])
        after = answers()
    assert torch.equal(before[0], after[0])
    assert not torch.allclose(before[1], after[1])


@pytest.mark.parametrize("name", NAMES)
def test_the_method_as_published_calibrates_nothing(name: str) -> None:
    model = made(name, calibration="none").eval()
    before = {k: x.clone() for k, x in model.state_dict().items()}
    with torch.no_grad():
        assert not model.calibrate([make_batch(WORLDS["sequences"])], [make_batch(WORLDS["sequences"], seed=2)])
    assert all(torch.equal(x, before[k]) for k, x in model.state_dict().items())
    assert before.keys() == model.state_dict().keys()
