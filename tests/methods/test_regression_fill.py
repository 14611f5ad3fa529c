"""The draws of regression fill, in worlds with a known answer."""

import math
from dataclasses import replace

import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.evaluation.recovery import coverage, crps
from md2n.methods.base import Recovery
from md2n.methods.neighbours.model import Neighbours
from md2n.methods.parts import rows as row_store
from md2n.methods.parts.config import FusionConfig
from md2n.methods.parts.filling import RowFill
from md2n.methods.parts.ridge import fit_ridge
from md2n.methods.regression_fill.model import NEIGHBOURS, RegressionFill
from md2n.modality import Modality, Schema
from md2n.seeding import generator
from tests.worlds import CLASSES, WORLDS, every_pattern, make_batch

SCHEMA = Schema((Modality("cause", 4), Modality("effect", 3)), CLASSES)
MAP = torch.randn(4, 3, generator=generator(0, "map"))


def world(size: int, seed: int, clusters: bool = False) -> SequenceBatch:
    """``effect = cause MAP + e``: e of deviation .5, or .1 and 1 in two clusters that ``cause`` tells apart."""
    g = generator(seed, "gauss")
    cause = torch.randn(size, 4, generator=g)
    deviation = torch.full((size, 1), 0.5)
    if clusters:
        side = torch.rand(size, generator=g) < 0.5
        cause[:, 0] += torch.where(side, 6.0, -6.0)
        deviation = torch.where(side, 1.0, 0.1)[:, None]
    effect = cause @ MAP + deviation * torch.randn(size, 3, generator=g)
    batch = make_batch(SCHEMA, size=size)
    return replace(batch, features={"cause": cause[:, None], "effect": effect[:, None]})


def fitted(batch: SequenceBatch) -> RegressionFill:
    torch.manual_seed(0)
    model = RegressionFill(SCHEMA, FusionConfig()).eval()
    model.fit([batch])
    return model


def recovered(model: RegressionFill, batch: SequenceBatch, draws: int) -> Recovery:
    with torch.no_grad():
        return model.recover(
            batch.hide(torch.tensor([True, False]).expand(batch.size, -1)), generator(0, "r"), draws=draws
        )


def test_in_a_gaussian_world_draws_have_the_variance_of_the_noise_and_intervals_hold_what_they_say() -> None:
    test = world(600, seed=1)
    recovery = recovered(fitted(world(1500, seed=0)), test, draws=100)
    draws = recovery.draws["effect"][:, :, 0]
    # Forty residuals have on average 39 / 40 of the variance around their own mean.
    assert float(draws.var(dim=0).mean()) == pytest.approx(0.25 * 39 / 40, rel=0.05)
    truth = test.features["effect"][:, 0].numpy()
    assert 0.86 < coverage(truth, draws.numpy()) < 0.94
    assert 0.45 < coverage(truth, draws.numpy(), level=0.5) < 0.55
    # The ideal forecast has the CRPS sigma / sqrt(pi), the best point forecast sqrt(2) times that.
    assert crps(truth, draws.numpy()) == pytest.approx(0.5 / math.pi**0.5, rel=0.05)


def test_where_the_noise_has_two_sizes_the_deviation_follows_the_neighbourhood() -> None:
    test = world(400, seed=1, clusters=True)
    recovery = recovered(fitted(world(1500, seed=0, clusters=True)), test, draws=100)
    wide = test.features["cause"][:, 0, 0] > 0
    for side, noise in ((wide, 1.0), (~wide, 0.1)):
        assert float(recovery.std["effect"][side].square().mean().sqrt()) == pytest.approx(noise, rel=0.1)
        draws, truth = recovery.draws["effect"][:, side, 0].numpy(), test.features["effect"][side, 0].numpy()
        assert 0.86 < coverage(truth, draws) < 0.94


def test_every_draw_is_the_point_with_the_residual_of_one_of_the_nearest_rows() -> None:
    train, test = world(200, seed=0), world(30, seed=1)
    recovery = recovered(fitted(train), test, draws=4000)
    x, y = train.features["cause"][:, 0], train.features["effect"][:, 0]
    fit = fit_ridge(x, y)
    for i, row in enumerate(test.features["cause"][:, 0]):
        nearest = (x - row).square().sum(dim=1).argsort()[:NEIGHBOURS]
        point = recovery.features["effect"][i, 0]
        torch.testing.assert_close(point, fit(row[None])[0])
        expected = fit.residuals[nearest]
        drawn = recovery.draws["effect"][:, i, 0] - point
        which = (drawn[:, None] - expected).abs().amax(dim=2)
        assert float(which.min(dim=1).values.max()) < 1e-5
        # All of them are drawn, about equally often: 100 times each, of deviation 10.
        counts = which.argmin(dim=1).bincount(minlength=NEIGHBOURS)
        assert int(counts.min()) > 50
        assert int(counts.max()) < 150
        torch.testing.assert_close(recovery.std["effect"][i, 0], expected.std(dim=0, correction=0))


def test_of_few_rows_all_are_neighbours() -> None:
    train, test = world(7, seed=0), world(5, seed=1)
    recovery = recovered(fitted(train), test, draws=500)
    fit = fit_ridge(train.features["cause"][:, 0], train.features["effect"][:, 0])
    expected = fit.residuals.std(dim=0, correction=0).expand(5, -1)
    torch.testing.assert_close(recovery.std["effect"][:, 0], expected)
    assert len(recovery.draws["effect"][:, 0, 0].unique(dim=0)) == 7


def test_where_no_two_rows_hold_both_sides_the_training_split_is_drawn_from() -> None:
    train, test = world(50, seed=0), world(5, seed=1)
    apart = torch.arange(50) < 25
    model = fitted(
        replace(train, present=torch.stack([apart, ~apart], dim=1), available=torch.stack([apart, ~apart], 1))
    )
    recovery, values = recovered(model, test, draws=200), train.features["effect"][25:, 0]
    torch.testing.assert_close(recovery.features["effect"][:, 0], values.mean(0).expand(5, -1))
    torch.testing.assert_close(recovery.std["effect"][:, 0], values.std(0, correction=0).expand(5, -1))
    assert all(bool((values == draw).all(dim=1).any()) for draw in recovery.draws["effect"][:, 0, 0])


def test_a_target_of_one_value_is_drawn_without_a_deviation() -> None:
    def constant(batch: SequenceBatch) -> SequenceBatch:
        return replace(batch, features={**batch.features, "effect": torch.full((batch.size, 1, 3), 0.7)})

    recovery = recovered(fitted(constant(world(100, seed=0))), world(5, seed=1), draws=20)
    torch.testing.assert_close(recovery.draws["effect"], torch.full((20, 5, 1, 3), 0.7))
    assert float(recovery.std["effect"].max()) < 1e-6


@pytest.mark.parametrize("world", WORLDS)
def test_the_point_does_not_depend_on_the_draws(world: str) -> None:
    torch.manual_seed(0)
    model = RegressionFill(WORLDS[world], FusionConfig()).eval()
    model.fit([make_batch(WORLDS[world], size=60, gaps=True)])
    batch = every_pattern(make_batch(WORLDS[world], size=30, seed=1))
    with torch.no_grad():
        few, many = (model.recover(batch, generator(n, "r"), draws=n) for n in (1, 20))
    for name in batch.names:
        assert torch.equal(few.features[name], many.features[name])
        assert torch.equal(few.std[name], many.std[name])
        assert len(few.draws[name]) == 1 and len(many.draws[name]) == 20


@pytest.mark.parametrize("method", [RegressionFill, Neighbours])
def test_a_long_sequence_is_drawn_by_its_mean_over_time(monkeypatch: pytest.MonkeyPatch, method: type[RowFill]) -> None:
    monkeypatch.setattr(row_store, "FLAT", 20)  # text and audio have 30 and 18 numbers
    schema, train = WORLDS["sequences"], make_batch(WORLDS["sequences"], size=60)
    torch.manual_seed(0)
    model = method(schema, FusionConfig()).eval()
    model.fit([train])
    batch = make_batch(schema, size=9, seed=1).hide(torch.tensor([False, True, True]).expand(9, -1))
    with torch.no_grad():
        recovery = model.recover(batch, generator(0, "r"), draws=5)
    for x in (recovery.features["text"], recovery.std["text"], *recovery.draws["text"]):
        assert x.shape == batch.features["text"].shape
        assert torch.equal(x, x[:, :1].expand_as(x))
    assert float(recovery.std["text"].min()) > 0
    real = batch.frames("audio")
    assert all(torch.equal(draw[real], batch.features["audio"][real]) for draw in recovery.draws["audio"])
    if method is Neighbours:
        frames = train.frames("text")
        means = train.readable("text").sum(1) / frames.sum(1, keepdim=True)
        assert all(
            bool(torch.isclose(means, draw).all(1).any()) for draw in recovery.draws["text"][:, :, 0].flatten(0, 1)
        )


def test_a_sequence_shorter_or_longer_than_the_answer_is_cut_or_padded() -> None:
    schema = WORLDS["sequences"]
    torch.manual_seed(0)
    model = RegressionFill(schema, FusionConfig()).eval()
    model.fit([make_batch(schema, size=60)])
    batch = make_batch(schema, size=9, seed=1).hide(torch.tensor([False, True, True]).expand(9, -1))

    def of_length(frames: int) -> Recovery:
        text = torch.zeros(9, frames, 5)
        other = replace(
            batch,
            features={**batch.features, "text": text},
            valid={**batch.valid, "text": torch.ones(9, frames, dtype=torch.bool)},
        )
        with torch.no_grad():
            return model.recover(other, generator(0, "r"), draws=3)

    whole, short, long = of_length(6), of_length(4), of_length(8)
    for field in ("features", "std", "draws"):
        full, few, many = (getattr(recovery, field)["text"] for recovery in (whole, short, long))
        assert torch.equal(few, full[..., :4, :])
        assert torch.equal(many[..., :6, :], full)
        assert not bool(many[..., 6:, :].any())
