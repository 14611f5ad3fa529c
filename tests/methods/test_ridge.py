"""The ridge compared with its closed form, and regression fill in a linear world."""

import pytest
import torch
from sklearn.linear_model import Ridge as Reference

from md2n.methods.parts import rows as row_store
from md2n.methods.parts.config import FusionConfig
from md2n.methods.parts.ridge import fit_ridge
from md2n.methods.regression_fill.model import RegressionFill
from md2n.seeding import generator
from tests.worlds import WORLDS, make_batch


@pytest.mark.parametrize(("rows", "inputs"), [(40, 6), (12, 30)], ids=["tall", "wide"])
def test_equals_the_closed_form_at_its_own_strength(rows: int, inputs: int) -> None:
    g = generator(0, "x")
    x = torch.randn(rows, inputs, generator=g, dtype=torch.float64)
    y = x[:, :3] @ torch.randn(3, 2, generator=g, dtype=torch.float64)
    y = y + 0.5 * torch.randn(rows, 2, generator=g, dtype=torch.float64)
    ours = fit_ridge(x, y)
    reference = Reference(alpha=ours.strength).fit(x.numpy(), y.numpy())
    new = torch.randn(5, inputs, generator=g, dtype=torch.float64)
    torch.testing.assert_close(ours(new), torch.from_numpy(reference.predict(new.numpy())), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("rows", "inputs"), [(40, 6), (12, 30)], ids=["tall", "wide"])
def test_residuals_are_those_of_fits_to_the_other_rows(rows: int, inputs: int) -> None:
    g = generator(4, "x")
    x = torch.randn(rows, inputs, generator=g, dtype=torch.float64) + 3
    y = x[:, :3] @ torch.randn(3, 2, generator=g, dtype=torch.float64)
    y = y + 0.5 * torch.randn(rows, 2, generator=g, dtype=torch.float64)
    ours = fit_ridge(x, y)
    for i in range(rows):
        others = torch.arange(rows) != i
        refit = Reference(alpha=ours.strength).fit(x[others].numpy(), y[others].numpy())
        expected = y[i] - torch.from_numpy(refit.predict(x[i : i + 1].numpy()))[0]
        torch.testing.assert_close(ours.residuals[i], expected, atol=1e-6, rtol=1e-6)


def test_with_constant_inputs_a_residual_is_from_the_mean_of_the_others() -> None:
    y = torch.arange(6.0).view(6, 1)
    expected = y - (y.sum() - y) / 5
    torch.testing.assert_close(fit_ridge(torch.ones(6, 3), y).residuals, expected)
    assert fit_ridge(torch.ones(1, 3), y[:1]).residuals.tolist() == [[0.0]]


def test_a_linear_world_is_recovered_exactly() -> None:
    g = generator(1, "x")
    x = torch.randn(200, 4, generator=g)
    weights = torch.randn(4, 3, generator=g)
    fit = fit_ridge(x, x @ weights + 2)
    new = torch.randn(10, 4, generator=g)
    torch.testing.assert_close(fit(new), new @ weights + 2, atol=0.02, rtol=0.02)


def test_pure_noise_is_shrunk_to_the_mean() -> None:
    g = generator(2, "x")
    x, y = torch.randn(60, 20, generator=g), torch.randn(60, 3, generator=g)
    new = torch.randn(500, 20, generator=g)
    assert float((fit_ridge(x, y)(new) - y.mean(0)).square().mean()) < 0.1


def test_constant_inputs_give_the_mean() -> None:
    y = torch.arange(6.0).view(6, 1)
    fit = fit_ridge(torch.ones(6, 3), y)
    torch.testing.assert_close(fit(torch.ones(2, 3)), torch.full((2, 1), 2.5))


def test_rows_centred_in_small_groups_do_not_fool_it() -> None:
    """Noise regressed on noise, both centred by person: cross-validation must not choose an interpolating fit."""
    g = generator(3, "x")

    def centred(columns: int) -> torch.Tensor:
        rows = torch.randn(36, 7, columns, generator=g)
        return (rows - rows.mean(1, keepdim=True)).flatten(0, 1)

    x, y = centred(214), centred(20)  # 252 rows of rank 216: nearly interpolated
    assert float(fit_ridge(x, y)(centred(214)).square().mean()) < 0.25


def filler(world: str, **batch: int) -> RegressionFill:
    torch.manual_seed(0)
    model = RegressionFill(WORLDS[world], FusionConfig()).eval()
    model.fit([make_batch(WORLDS[world], gaps=True, **batch)])
    return model


@pytest.mark.parametrize("world", WORLDS)
@torch.no_grad()
def test_a_gap_of_the_data_is_filled_in_training_as_it_is_in_use(world: str) -> None:
    model, batch = filler(world, size=60), make_batch(WORLDS[world], size=20, seed=1, gaps=True)
    assert not bool(batch.present.all())
    task = model.loss(batch, generator(0, "loss")).parts["task"]
    told = model.predict(batch, generator(0, "use")).output
    raw = model._raw(batch)
    assert torch.equal(model.backbone.head.output(raw), told)
    assert torch.equal(model.backbone.task_loss(raw, batch), task)


@torch.no_grad()
def test_regression_fill_recovers_what_is_linear_in_the_rest() -> None:
    model, batch = filler("vectors", size=400), make_batch(WORLDS["vectors"], size=200, seed=1)
    # Other seed, other maps from the cause: the truth here is a map of ours.
    truth = batch.features["ecg"][:, 0] @ torch.randn(6, 3, generator=generator(0, "map"))
    batch.features["eda"][:, 0] = truth
    model.fit([batch])
    back = model.recover(batch.hide(torch.tensor([True, False]).expand(200, -1)), generator(0, "r"))
    torch.testing.assert_close(back.features["eda"][:, 0], truth, atol=0.05, rtol=0.05)


def test_of_many_rows_a_sample_of_all_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_store, "ROWS", 50)
    model, batch = RegressionFill(WORLDS["vectors"], FusionConfig()), make_batch(WORLDS["vectors"], size=1000)
    flat = model.flat(batch)
    model.fit([batch])
    places = [int((flat == row).all(dim=1).nonzero()[0, 0]) for row in model.rows]
    assert len(set(places)) == 50
    assert 350 < sum(places) / 50 < 650  # of 1000, not the first
