"""DiCMoR: recovery through the common codes, and the Gaussians of the prior."""

import math
from dataclasses import replace

import pytest
import torch

from md2n.errors import UsageError
from md2n.methods.dicmor.config import DiCMoRConfig
from md2n.methods.dicmor.model import ACTNORM, DiCMoR, class_count, class_of
from md2n.methods.parts.config import FusionConfig, LatentConfig
from md2n.modality import Modality, Schema, Task
from md2n.noise import SequentialNoise
from md2n.seeding import generator
from tests.worlds import CLASSES, REAL, WORLDS, every_pattern, make_batch

NONE = SequentialNoise(generator(0, "none"))


def model(world: str = "sequences", config: DiCMoRConfig | None = None) -> DiCMoR:
    torch.manual_seed(0)
    return DiCMoR(WORLDS[world], config or DiCMoRConfig(flow_steps=2, refiner_blocks=1)).eval()


@pytest.mark.parametrize("world", WORLDS)
@torch.no_grad()
def test_an_untrained_flow_copies_nothing(world: str) -> None:
    one, batch = model(world), every_pattern(make_batch(WORLDS[world]))
    latents = one.backbone.encode(batch)
    made = one.generate(latents, batch.available, NONE)
    for row in range(batch.size):
        available = batch.available[row]
        given = latents[row, available].transpose(1, 2).flatten(0, 1)
        recovered = made[row, ~available].transpose(1, 2).flatten(0, 1)
        # Channels of a latent are its columns: none equals any of what it was made from.
        if len(recovered):
            assert float(torch.cdist(recovered, given).min()) > 1e-2
        assert torch.equal(made[row, available], latents[row, available])


@torch.no_grad()
def test_a_single_available_code_comes_back_as_the_same_code() -> None:
    one, batch = model("vectors"), make_batch(WORLDS["vectors"])
    batch = batch.hide(torch.tensor([True, False]).expand(batch.size, -1))
    latents = one.backbone.encode(batch)
    made = one.generate(latents, batch.available, NONE)
    code, _ = one._flow(0)(latents[:, 0].transpose(1, 2))
    again, _ = one._flow(1)(made[:, 1].transpose(1, 2))
    torch.testing.assert_close(again, code, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_several_available_are_inverted_each_and_then_one() -> None:
    one, batch = model(), make_batch(WORLDS["sequences"])
    batch = batch.hide(torch.tensor([True, True, False]).expand(batch.size, -1))
    latents = one.backbone.encode(batch)
    made = one.generate(latents, batch.available, NONE)[:, 2].transpose(1, 2)
    each = [one._flow(2).inverse(one._flow(k)(latents[:, k].transpose(1, 2))[0]) for k in (0, 1)]
    mix = one.mixes[2].mix
    assert isinstance(mix, torch.nn.Conv1d)
    torch.testing.assert_close(made, mix(torch.cat(each, dim=1)))


@torch.no_grad()
def test_what_several_are_made_of_has_the_deviation_of_a_latent() -> None:
    # Independent latents through settled flows: each inverse is a draw of the target's own distribution.
    one = model()
    latents = torch.randn(4096, 3, one.backbone.tokens, one.latent.width, generator=generator(0, "x"))
    for k in range(3):
        one._flow(k).fit_actnorms(latents[:, k].transpose(1, 2))
    seen: list[torch.Tensor] = []
    one.mixes[2].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    one.generate(latents, torch.tensor([True, True, False]).expand(4096, -1), NONE)
    torch.testing.assert_close(seen[0].std(dim=(0, 3)), torch.ones(2, one.latent.width), atol=0.05, rtol=0)


@torch.no_grad()
def test_flows_of_one_map_bring_a_common_latent_back() -> None:
    # Where all modalities share a flow, the code of one is the latent of every other.
    one, batch = model("vectors"), make_batch(WORLDS["vectors"])
    one.flows[1].load_state_dict(one.flows[0].state_dict())
    batch = batch.hide(torch.tensor([True, False]).expand(batch.size, -1))
    latents = one.backbone.encode(batch)
    torch.testing.assert_close(one.generate(latents, batch.available, NONE)[:, 1], latents[:, 0], atol=1e-4, rtol=1e-4)


def test_flows_do_not_move_the_latents_they_learn_on() -> None:
    one, batch = model(config=DiCMoRConfig(recovery=0.0, decoding=0.0)).train(), make_batch(WORLDS["sequences"])
    clean = one.backbone.encode_in_use(batch)
    own = one.method_losses(clean, batch.hide(torch.tensor([True, False, True]).expand(12, -1)), generator(0, "l"))
    own["density"].backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in one.backbone.parameters())
    assert any(bool(p.grad.any()) for p in one.flows.parameters() if p.grad is not None)
    assert any(bool(p.grad.any()) for p in one.prior.parameters() if p.grad is not None)


def test_natural_gaps_have_no_density() -> None:
    one, batch = model(), make_batch(WORLDS["sequences"])
    clean = one.backbone.encode_in_use(batch)
    held = torch.tensor([True, True, False]).expand(12, -1)
    gappy = replace(batch, present=held, available=held)
    wild = clean.clone()
    wild[:, 2] = 1e3
    tame = one.method_losses(clean, gappy, generator(0, "l"))
    same = one.method_losses(wild, gappy, generator(0, "l"))
    assert torch.equal(tame["density"], same["density"])


def test_the_phase_between_sets_actnorm_on_what_the_data_hold() -> None:
    one, batch = model("mixed"), make_batch(WORLDS["mixed"], gaps=True)
    names = [phase.name for phase in one.phases()]
    fit = one.phases()[1].fit
    assert names == ["encoders", ACTNORM, "recovery"]
    assert fit is not None
    fit([batch, batch])
    latents = one.backbone.encode_in_use(batch)
    for k in range(4):
        held = latents[batch.present[:, k], k].transpose(1, 2)
        torch.testing.assert_close(one._flow(k).mixings.bias[0], -held.mean(dim=(0, 2)), atol=1e-5, rtol=0)


def test_draws_differ_by_the_decoders_error_alone() -> None:
    one, batch = model(), every_pattern(make_batch(WORLDS["sequences"]))
    with torch.no_grad():
        recovery = one.recover(batch, generator(0, "r"), draws=3)
        assert all(torch.equal(d[0], d[2]) for d in recovery.draws.values())
        one.residual_1.fill_(4.0)  # type: ignore[operator]
        recovery = one.recover(batch, generator(0, "r"), draws=3)
    gap = batch.missing[:, 1]
    torch.testing.assert_close(recovery.std["audio"][gap], torch.full_like(recovery.std["audio"][gap], 2.0))
    assert one.predict(batch, generator(0, "p"), draws=4).std is None


def test_classes_of_labels() -> None:
    nan, inf = float("nan"), float("inf")
    assert class_count(CLASSES) == 3
    assert class_of(torch.tensor([2, 0, -1]), CLASSES).tolist() == [2, 0, -1]
    assert class_count(REAL) == 7
    real = torch.tensor([-3.0, -2.6, 0.5, 1.5, 3.0, 9.0, nan])
    assert class_of(real, REAL).tolist() == [0, 0, 3, 5, 6, 6, -1]
    scale = Task("regression", low=0, high=12)
    assert class_of(torch.tensor([0.0, 2.1, 12.0]), scale).tolist() == [0, 1, 6]
    free = Task("regression", low=0, high=inf)
    assert class_count(free) == 1
    assert class_of(torch.tensor([0.0, 1e9, nan]), free).tolist() == [0, 0, -1]
    assert math.isinf(free.high)


def test_one_channel_cannot_be_divided() -> None:
    schema = Schema((Modality("a", 3), Modality("b", 2)), CLASSES)
    config = DiCMoRConfig(fusion=FusionConfig(latent=LatentConfig(width=1)))
    with pytest.raises(UsageError, match="divides the channels"):
        DiCMoR(schema, config)
