"""Tables of b_t, a_t, abar_t."""

import pytest
import torch

from md2n.diffusion.schedule import SCHEDULES, make_schedule
from md2n.errors import ConfigError, UsageError
from md2n.methods.imder.variance_exploding import VarianceExploding

EVERY = pytest.mark.parametrize("name", SCHEDULES.names())


@EVERY
@pytest.mark.parametrize("steps", [2, 3, 10, 999, 1000, 1001, 4000])
def test_tables_hold_together(name: str, steps: int) -> None:
    s = make_schedule(name, steps)
    assert s.steps == steps
    assert s.beta.dtype == s.alpha.dtype == s.abar.dtype == torch.float64
    assert float(s.beta[0]) == 0
    assert float(s.abar[0]) == 1
    assert bool(((s.beta[1:] > 0) & (s.beta[1:] < 1)).all())
    assert bool((s.abar.diff() < 0).all())
    torch.testing.assert_close(s.abar[1:], s.abar[:-1] * (1 - s.beta[1:]), rtol=1e-14, atol=0)


@EVERY
def test_the_same_fraction_of_the_way_keeps_the_same_signal(name: str) -> None:
    """However many steps there are; the cosine's last b_t is cut, so its very end may differ."""
    fine = make_schedule(name, 1000).abar
    for steps in (10, 40, 2000):
        at = torch.arange(0, steps, max(steps // 10, 1))
        torch.testing.assert_close(make_schedule(name, steps).abar[at], fine[at * 1000 // steps], rtol=1e-9, atol=0)


@pytest.mark.parametrize(("name", "first", "last"), [("vp_linear", 1e-4, 0.02), ("scaled_linear", 0.00085, 0.012)])
def test_linear_schedules_begin_and_end_as_named(name: str, first: float, last: float) -> None:
    beta = make_schedule(name, 1000).beta
    assert float(beta[1]) == pytest.approx(first, rel=1e-12)
    assert float(beta[-1]) == pytest.approx(last, rel=1e-12)
    root = beta[1:] if name == "vp_linear" else beta[1:].sqrt()
    torch.testing.assert_close(root.diff(), root.diff()[0].expand(999), rtol=1e-9, atol=0)


def test_cosine_is_half_way_where_the_squared_cosine_is() -> None:
    s = make_schedule("cosine", 1000)
    # f(u) = cos^2((u + 0.008) / 1.008 * pi / 2); at u = 0.496 the angle is pi / 4
    assert float(s.abar[496]) == pytest.approx(0.5, abs=1e-3)
    assert float(s.beta.max()) == 0.999


def test_the_exploding_chain_is_imders_at_unit_scale() -> None:
    std = VarianceExploding(25.0).std(torch.linspace(0, 1, 1001, dtype=torch.float64))
    abar = make_schedule("exploding", 1000).abar
    torch.testing.assert_close((1 - abar) / abar, std.square(), rtol=1e-9, atol=1e-12)


def test_phi_takes_any_time_and_stays_in_double() -> None:
    s = make_schedule("scaled_linear", 10)
    phi = s.phi(torch.tensor([0.0, 0.5, 10.0]))
    assert phi.dtype == torch.float64
    torch.testing.assert_close(phi, torch.stack([s.abar[0], s.abar[1].sqrt(), s.abar[10]]).sqrt())


def test_unknown_names_and_too_few_steps_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'cosine'"):
        make_schedule("cosin", 10)
    with pytest.raises(ConfigError, match="steps = 1 has no stages"):
        make_schedule("cosine", 1)
