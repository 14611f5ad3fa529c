"""IMDer: the condition, the score network, the loss, and draws."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.errors import ConfigError
from md2n.experiment.config import resolve
from md2n.methods.imder.config import IMDerConfig, ScoreNetConfig
from md2n.methods.imder.model import IMDer
from md2n.methods.imder.score_net import ScoreNet
from md2n.methods.imder.variance_exploding import VarianceExploding
from md2n.noise import SequentialNoise
from md2n.seeding import generator
from tests.worlds import WORLDS, every_pattern, make_batch

SMALL = ScoreNetConfig(channels=(8, 16), heads=2, features=8)


def model(world: str = "sequences", **settings: Any) -> IMDer:
    torch.manual_seed(0)
    config = {"network": SMALL, "refiner_blocks": 1, "steps": 3, "train_steps": 2, **settings}
    return IMDer(WORLDS[world], IMDerConfig(**config)).eval()


def hidden(batch: SequenceBatch, *available: bool) -> SequenceBatch:
    return batch.hide(torch.tensor(available).expand(batch.size, -1))


def test_the_condition_is_the_one_that_is_there_or_a_mix_of_several() -> None:
    one = model()
    latents = torch.randn(4, 3, 8, 32, generator=generator(0, "latents"))
    available = torch.tensor([[True, False, False], [False, True, False], [True, True, False], [True, True, False]])
    told = one.condition(torch.where(available[:, :, None, None], latents, float("nan")), available, 2)
    assert torch.equal(told[0], latents[0, 0].T)
    assert torch.equal(told[1], latents[1, 1].T)
    side_by_side = torch.cat([latents[2:, 0], latents[2:, 1]], dim=2).transpose(1, 2)
    torch.testing.assert_close(told[2:], one.mixes[2].mix(side_by_side))  # type: ignore[operator, union-attr]
    assert all(m.mix is None for m in model("vectors").mixes)


@pytest.mark.parametrize("positions", [1, 2, 5, 8, 48])
@pytest.mark.parametrize("channels", [(8,), (8, 16), (8, 16, 16, 32)])
@torch.no_grad()
def test_the_network_keeps_any_number_of_positions(positions: int, channels: tuple[int, ...]) -> None:
    network = ScoreNet(6, positions, replace(SMALL, channels=channels), VarianceExploding(25.0))
    x = torch.randn(3, 6, positions, generator=generator(0, "x"))
    encoded = network.encode(x)
    assert network(x, torch.tensor([0.5]), encoded).shape == x.shape
    times = torch.tensor([0.5, 0.5, 0.9])
    together, apart = network(x, times, encoded), network(x, torch.tensor([0.5]), encoded)
    torch.testing.assert_close(together[:2], apart[:2])
    assert not torch.allclose(together[2], apart[2])


@torch.no_grad()
def test_the_network_reads_its_condition() -> None:
    network = ScoreNet(6, 8, SMALL, VarianceExploding(25.0))
    x, y = torch.randn(2, 3, 6, 8, generator=generator(0, "x"))
    t = torch.tensor([0.5])
    assert not torch.allclose(network(x, t, network.encode(x)), network(x, t, network.encode(y)))


def test_a_network_learns_the_score_of_a_gaussian() -> None:
    # x_0 ~ N(1, 0.2^2) in each number: the score of x_t is (1 - x) / (0.04 + std^2).
    torch.manual_seed(0)
    process = VarianceExploding(25.0)
    network = ScoreNet(2, 2, SMALL, process)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    g = generator(0, "score")
    condition = torch.zeros(128, 2, 2)
    for _ in range(150):
        x, z = 1 + 0.2 * torch.randn(128, 2, 2, generator=g), torch.randn(128, 2, 2, generator=g)
        t = 0.3 + 0.1 * torch.rand(128, generator=g)
        std = process.std(t)[:, None, None]
        loss = (std * network(x + std * z, t, network.encode(condition)) + z).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    t = torch.tensor([0.35])
    std = process.std(t)
    x = 1 + (0.04 + std.square()).sqrt() * torch.randn(128, 2, 2, generator=g)
    with torch.no_grad():
        told, exact = network(x, t, network.encode(condition)), (1 - x) / (0.04 + std.square())
    assert float((told - exact).square().mean() / exact.square().mean()) < 0.15


def test_the_score_loss_of_a_network_that_says_nothing_is_the_variance_of_the_noise() -> None:
    batch = hidden(make_batch(WORLDS["sequences"], size=200), True, False, True)
    for reduction, expected in (("mean", 1.0), ("sum", 8 * 32.0)):
        one = model(score=1.0, score_reduction=reduction)
        with torch.no_grad():
            for network in one.scores:
                network.leave.weight.zero_()  # type: ignore[union-attr, operator]
                network.leave.bias.zero_()  # type: ignore[union-attr, operator]
            clean = one.backbone.encode_in_use(batch.complete())
            own = one.method_losses(clean, batch, generator(0, "loss"))
        assert float(own["score"]) == pytest.approx(expected, rel=0.02)


def test_a_complete_batch_has_no_score_loss_and_no_draw() -> None:
    one, batch = model().train(), make_batch(WORLDS["sequences"])
    clean = one.backbone.encode_in_use(batch)
    own = one.method_losses(clean, batch, generator(0, "loss"))
    assert torch.equal(one.generate_in_training(clean, batch.available, SequentialNoise(generator(0, "loss"))), clean)
    assert float(own["score"].detach()) == 0.0
    own["score"].backward()  # type: ignore[no-untyped-call]


def test_draws_carry_no_gradient_but_refiners_learn_from_them() -> None:
    one, batch = model().train(), hidden(make_batch(WORLDS["sequences"]), True, False, True)
    losses = one.loss(batch, generator(0, "loss"))
    (losses.parts["task"] + losses.parts["recovery"]).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None or not bool(p.grad.any()) for p in one.scores.parameters())
    assert all(p.grad is not None for p in one.refiners[1].parameters())
    assert all(p.grad is None for p in one.refiners[0].parameters())


@pytest.mark.parametrize("noise", ["none", "own", "shared"])
def test_every_way_to_noise_the_condition_trains_and_draws(noise: str) -> None:
    one, batch = model("vectors", condition_noise=noise), every_pattern(make_batch(WORLDS["vectors"]))
    assert bool(torch.isfinite(one.train().loss(batch, generator(0, "loss")).total))
    with torch.no_grad():
        drawn = [one.eval().predict(batch, generator(s, "p")).output for s in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    gap = batch.missing.any(dim=1)
    assert bool((drawn[0] != drawn[2])[gap].any(dim=1).all())
    torch.testing.assert_close(drawn[0][~gap], drawn[2][~gap])


def test_several_draws_have_a_spread_where_something_is_missing() -> None:
    one, batch = model("vectors"), every_pattern(make_batch(WORLDS["vectors"]))
    with torch.no_grad():
        assert one.predict(batch, generator(0, "p")).std is None
        std = one.predict(batch, generator(0, "p"), draws=4).std
    assert std is not None
    assert torch.equal(std.any(dim=1), batch.missing.any(dim=1))


def test_the_point_estimate_is_the_mean_of_the_draws() -> None:
    one, batch = model("vectors"), hidden(make_batch(WORLDS["vectors"]), True, False)
    with torch.no_grad():
        drawn, _ = one.repeated(batch, batch.noise(generator(0, "r")), 3, 2)
        recovery = one.recover(batch, generator(0, "r"), draws=3, steps=2)
    torch.testing.assert_close(recovery.latents["eda"], drawn.view(3, 12, 2, 8, 32).mean(dim=0)[:, 1])


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="heads do not divide the channels"):
        ScoreNetConfig(channels=(30,), heads=8)
    with pytest.raises(ConfigError, match="odd"):
        ScoreNetConfig(features=7)


def test_the_original_size_is_near_what_was_counted() -> None:
    # Its public code has score networks of 3.46 million parameters each.
    settings = resolve("imder_original").model.settings
    latent = settings.fusion.latent
    network = ScoreNet(latent.width, latent.length, settings.network, VarianceExploding(settings.sigma))
    count = sum(p.numel() for p in network.parameters())
    assert (latent.length, latent.width, settings.steps, settings.train_steps) == (48, 32, 100, 100)
    assert settings.calibration == "none"
    assert count == pytest.approx(3.46e6, rel=0.15)
