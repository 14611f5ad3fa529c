"""Total correlation: known values, invariances, and derivatives at equal singular values."""

import pytest
import torch

from md2n.methods.dcca.correlation import canonical_correlations, whitening
from md2n.seeding import generator

RIDGE = 1e-3


def draw(rows: int, width: int, stream: str = "a") -> torch.Tensor:
    return torch.randn(rows, width, generator=generator(0, stream), dtype=torch.float64)


def test_equal_codes_correlate_by_one_but_for_the_ridge() -> None:
    codes = draw(200, 4)
    squares = torch.linalg.eigvalsh(torch.cov(codes.T))
    expected = (squares / (squares + RIDGE)).flip(0)
    torch.testing.assert_close(canonical_correlations(codes, codes, RIDGE), expected)


def test_a_pair_of_single_columns_has_pearsons_correlation() -> None:
    a = draw(300, 1)
    b = 0.6 * a + 0.8 * draw(300, 1, "b")
    pearson = torch.corrcoef(torch.cat([a, b], dim=1).T)[0, 1].abs()
    assert canonical_correlations(a, b, 1e-12).item() == pytest.approx(pearson.item(), abs=1e-9)


def test_independent_codes_hardly_correlate_and_more_of_them_less() -> None:
    few, many = (canonical_correlations(draw(n, 3), draw(n, 3, "b"), RIDGE).max() for n in (50, 5000))
    assert many < 0.08 < few


def test_shifts_and_mixtures_of_components_change_nothing() -> None:
    a, b = draw(100, 3), draw(100, 3, "b") + 0.5 * draw(100, 3)
    mixed = a @ draw(3, 3, "mix") + 7.0
    torch.testing.assert_close(canonical_correlations(mixed, b, 1e-12), canonical_correlations(a, b, 1e-12))


def test_views_may_have_codes_of_different_widths() -> None:
    assert canonical_correlations(draw(50, 2), draw(50, 5, "b"), RIDGE).shape == (2,)


def test_the_derivative_is_right() -> None:
    a, b = draw(12, 3).requires_grad_(), draw(12, 3, "b").requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: canonical_correlations(x, y, RIDGE).sum(), (a, b))


def test_the_derivative_stays_right_where_all_correlations_are_equal() -> None:
    # White codes, so every singular value is the same: derivatives of single vectors would be divided by zero.
    a = draw(30, 4)
    a = (a - a.mean(dim=0)) @ whitening(a, 1e-12)
    assert canonical_correlations(a, a, RIDGE).std() < 1e-9
    b = a.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda y: canonical_correlations(a, y, RIDGE).sum(), (b,))


def test_a_code_that_is_no_number_gives_nan_and_no_exception() -> None:
    codes = draw(10, 2)
    broken = codes.clone()
    broken[3, 1] = float("nan")
    assert bool(canonical_correlations(codes, broken, RIDGE).isnan().all())


def test_whitened_codes_have_unit_covariance() -> None:
    codes = draw(500, 3) @ torch.tensor([[2.0, 0, 0], [1.0, 0.1, 0], [0, 0, 30.0]], dtype=torch.float64)
    white = (codes - codes.mean(dim=0)) @ whitening(codes, 1e-9)
    torch.testing.assert_close(torch.cov(white.T), torch.eye(3, dtype=torch.float64), atol=1e-5, rtol=0)


def test_a_single_row_has_no_variance_to_whiten_by() -> None:
    torch.testing.assert_close(whitening(draw(1, 2), 0.25), 2.0 * torch.eye(2, dtype=torch.float64))
