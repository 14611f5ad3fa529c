"""Factor analysis against the formulas of a joint Gaussian, in float64."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.errors import DataError
from md2n.evaluation.recovery import coverage, crps
from md2n.methods.base import Recovery
from md2n.methods.factor_analysis import gaussian
from md2n.methods.factor_analysis.gaussian import Blocks, Factors, choose_and_fit, fit, improved
from md2n.methods.factor_analysis.model import FactorAnalysis
from md2n.methods.parts.config import FusionConfig
from md2n.modality import Modality, Schema
from md2n.seeding import generator
from tests.worlds import CLASSES, make_batch

WIDTHS = (4, 3, 2)
SCHEMA = Schema(tuple(Modality(n, w) for n, w in zip(("a", "b", "c"), WIDTHS)), CLASSES)


def truth(components: int = 2) -> Factors:
    g = generator(0, "factors")
    size = sum(WIDTHS)
    mean, loading = torch.randn(size, generator=g).double(), torch.randn(size, components, generator=g).double()
    return Factors(mean, loading, 0.2 + torch.rand(size, generator=g).double())


def joint(factors: Factors) -> torch.Tensor:
    return factors.loading @ factors.loading.T + factors.noise.diag()


def rows(factors: Factors, count: int, seed: int) -> torch.Tensor:
    unit = torch.randn(count, sum(WIDTHS), generator=generator(seed, "rows")).double()
    return factors.mean + unit @ torch.linalg.cholesky(joint(factors)).T


def gappy(count: int, seed: int, components: int = 2) -> Blocks:
    """Rows of which each lacks a block, and a third has all; what is lacking is not to be read."""
    held = torch.ones(count, 3, dtype=torch.bool)
    place = torch.arange(count)
    held[place[place % 3 > 0], place[place % 3 > 0] % 2 + place[place % 3 > 0] % 5 % 2] = False
    data = Blocks(rows(truth(components), count, seed), held, WIDTHS)
    return replace(data, rows=torch.where(torch.stack([data.columns(h) for h in held]), data.rows, math.nan))


def batch_of(values: torch.Tensor) -> SequenceBatch:
    parts = torch.split(values, list(WIDTHS), dim=1)
    batch = make_batch(SCHEMA, size=len(values))
    return replace(batch, features={n: x[:, None] for n, x in zip(SCHEMA.names, parts)})


def of_truth() -> FactorAnalysis:
    torch.manual_seed(0)
    model = FactorAnalysis(SCHEMA, FusionConfig()).eval().double()
    factors = truth()
    model.mean.copy_(factors.mean)
    model.loading[:, :2] = factors.loading
    model.noise.copy_(factors.noise)
    return model


def recovered(model: FactorAnalysis, batch: SequenceBatch, given: list[bool], draws: int) -> Recovery:
    with torch.no_grad():
        return model.recover(batch.hide(torch.tensor(given).expand(batch.size, -1)), generator(0, "use"), draws=draws)


@pytest.mark.parametrize("given", [[True, False, False], [False, True, True], [False, False, True]])
def test_mean_and_covariance_are_those_of_the_joint_gaussian(given: list[bool]) -> None:
    """Draws of all missing modalities together: what they share of the latent is in their covariance."""
    factors, count = truth(), 20_000
    x = rows(factors, 2, seed=1)
    recovery = recovered(of_truth(), batch_of(x), given, draws=count)
    a = Blocks(x, torch.ones(2, 3, dtype=torch.bool), WIDTHS).columns(torch.tensor(given))
    sigma = joint(factors)
    slope = sigma[~a][:, a] @ torch.linalg.inv(sigma[a][:, a])
    mean = factors.mean[~a] + (x[:, a] - factors.mean[a]) @ slope.T
    covariance = sigma[~a][:, ~a] - slope @ sigma[a][:, ~a]
    missing = [n for n, g in zip(SCHEMA.names, given) if not g]
    point, std, draws = (
        torch.cat([x[n].squeeze(-2) for n in missing], dim=-1)
        for x in (recovery.features, recovery.std, recovery.draws)
    )
    torch.testing.assert_close(point, mean)
    torch.testing.assert_close(std, covariance.diag().sqrt().expand_as(std))
    for i in range(2):
        torch.testing.assert_close(draws[:, i].mean(dim=0), mean[i], atol=0.03, rtol=0)
        torch.testing.assert_close(draws[:, i].T.cov(), covariance, atol=0.06, rtol=0.03)


def test_log_densities_are_those_of_torch() -> None:
    factors = truth()
    x = rows(factors, 5, seed=1)
    expected = torch.distributions.MultivariateNormal(factors.mean, joint(factors)).log_prob(x)
    torch.testing.assert_close(factors.log_density(x, factors.covariance()), expected)


def test_no_iteration_makes_rows_with_missing_blocks_less_likely() -> None:
    data = gappy(90, seed=1)
    factors, floor = gaussian._start(data, 2)
    likelihoods = []
    for _ in range(30):
        before = float(data.log_densities(factors).sum())
        factors, likelihood = improved(data, factors, floor)
        likelihoods.append(likelihood)
        assert likelihood == pytest.approx(before)
    assert likelihoods[-1] > likelihoods[0] + 10
    assert all(after > before - 1e-9 for before, after in pairwise(likelihoods))


def test_the_fit_finds_the_gaussian_of_many_rows_with_missing_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussian, "ENOUGH", 1e-6)
    monkeypatch.setattr(gaussian, "ITERATIONS", 150)
    factors = fit(gappy(4000, seed=1), 2)
    torch.testing.assert_close(factors.mean, truth().mean, atol=0.1, rtol=0)
    torch.testing.assert_close(joint(factors), joint(truth()), atol=0.15, rtol=0.1)


@pytest.mark.parametrize("components", [1, 4])
def test_held_out_rows_choose_the_number_of_components(components: int) -> None:
    assert choose_and_fit(gappy(900, seed=1, components=components), 64).loading.shape[1] == components


def test_in_a_gaussian_world_intervals_hold_what_they_say() -> None:
    model = FactorAnalysis(SCHEMA, FusionConfig()).eval().double()
    model.fit([batch_of(rows(truth(), 900, seed=1))])
    test = batch_of(rows(truth(), 400, seed=2))
    given = [True, True, False]
    recovery, ideal = (recovered(m, test, given, draws=40) for m in (model, of_truth()))
    actual = test.features["c"][:, 0].numpy()
    assert 0.86 < coverage(actual, recovery.draws["c"][:, :, 0].numpy()) < 0.94
    best = crps(actual, ideal.draws["c"][:, :, 0].numpy())
    assert crps(actual, recovery.draws["c"][:, :, 0].numpy()) == pytest.approx(best, rel=0.03)


def test_numbers_that_never_change_and_fewer_rows_than_numbers_are_fitted() -> None:
    x = rows(truth(), 6, seed=1)
    x[:, 0] = 0.7
    model = FactorAnalysis(SCHEMA, FusionConfig()).eval().double()
    model.fit([batch_of(x)])
    recovery = recovered(model, batch_of(x), [False, True, True], draws=4)
    torch.testing.assert_close(recovery.features["a"][..., 0], torch.full((6, 1), 0.7).double(), atol=1e-3, rtol=0)
    assert all(bool(torch.isfinite(v).all()) for v in recovery.draws.values())


def test_a_modality_that_no_training_sample_holds_is_refused_by_name() -> None:
    batch = batch_of(rows(truth(), 10, seed=1)).hide(torch.tensor([True, False, True]).expand(10, -1))
    with pytest.raises(DataError, match="no training sample holds modality 'b'"):
        FactorAnalysis(SCHEMA, FusionConfig()).fit([replace(batch, present=batch.available)])
