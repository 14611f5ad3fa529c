"""The ridge against closed form, and the floor's behaviour in a linear world."""

import pytest
import torch
from sklearn.linear_model import Ridge as Reference

from md2n.models.baselines.ridge import fit_ridge
from md2n.seeding import generator


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
    """Noise regressed on noise, both centred by person: a fit that interpolates must not be believed."""
    g = generator(3, "x")

    def centred(columns: int) -> torch.Tensor:
        rows = torch.randn(36, 7, columns, generator=g)
        return (rows - rows.mean(1, keepdim=True)).flatten(0, 1)

    x, y = centred(214), centred(20)  # 252 rows of rank 216: nearly interpolated
    assert float(fit_ridge(x, y)(centred(214)).square().mean()) < 0.25
