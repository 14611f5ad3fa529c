"""c^2 of the Gaussian sampler: measured on validation samples, kept with the model, and read by the walk."""

from dataclasses import replace

import pytest
import torch

from md2n.methods.md2n.config import DiffusionConfig, MD2NConfig
from md2n.methods.md2n.end_variance import PRIOR, EndVariance
from md2n.methods.md2n.model import MD2N
from md2n.seeding import generator
from tests.methods.test_recovery import AVAILABLE, latents, made, noise
from tests.worlds import WORLDS, every_pattern, make_batch

GAUSSIAN = DiffusionConfig(sampler="gaussian")


def test_the_table_is_the_mean_squared_error_by_target_and_number_given_drawn_toward_the_targets_own() -> None:
    variance, rows = EndVariance(3, 1, 1), 4
    estimate, clean = torch.zeros(rows, 3, 1, 1), torch.zeros(rows, 3, 1, 1)
    available = torch.tensor([[True, False, False], [True, False, True], [True, False, True], [True, True, True]])
    hidden = ~available
    hidden[0, 2] = False  # the data do not hold it
    clean[:, 1, 0, 0] = torch.tensor([1.0, 2.0, 4.0, 9.0])
    variance.add(estimate, clean, available, hidden)
    variance.fit()
    own = (1 + 4 + 16) / 3
    assert float(variance.table[1, 1]) == pytest.approx((1 + PRIOR * own) / (1 + PRIOR))
    assert float(variance.table[1, 2]) == pytest.approx((4 + 16 + PRIOR * own) / (2 + PRIOR))
    assert float(variance.table[2].abs().sum()) == 0  # hidden from no sample that holds it
    assert variance.of(1, available[:2]).flatten().tolist() == variance.table[1, [1, 2]].flatten().tolist()


@pytest.mark.parametrize("steps", [2, 5])
@torch.no_grad()
def test_draws_vary_as_validation_says_in_any_number_of_calls(steps: int) -> None:
    # A new network answers as the ideal one where latents are unit noise, so c^2 = 1 is right.
    torch.manual_seed(0)
    recovery = made(GAUSSIAN, moved=0.0)
    assert recovery.variance is not None
    recovery.variance.table.fill_(1.0)
    drawn = recovery.recover(latents(), AVAILABLE, noise(), steps=steps, draws=2000)[1].view(2000, *latents().shape)
    gaps = drawn[:, ~AVAILABLE]
    assert float(gaps.var(dim=0).mean()) == pytest.approx(1, abs=0.01)
    plain = made(DiffusionConfig(), moved=0.0)
    few = plain.recover(latents(), AVAILABLE, noise(), steps=steps, draws=2000)[1].view(2000, *latents().shape)
    assert float(few[:, ~AVAILABLE].var(dim=0).mean()) < 0.9


@pytest.mark.parametrize("calibration", ["none", "walk"])
def test_training_ends_with_a_table_that_a_loaded_model_has_too(calibration: str) -> None:
    schema, config = WORLDS["mixed"], MD2NConfig(diffusion=GAUSSIAN, calibration=calibration)  # type: ignore[arg-type]
    torch.manual_seed(0)
    model, other = MD2N(schema, config).eval(), MD2N(schema, config).eval()
    with torch.no_grad():
        model.calibrate([make_batch(schema, size=20)], [make_batch(schema, size=12, seed=1)])
    assert model.recovery.variance is not None
    # No network sees more than M - 1 modalities, and none works without any.
    assert bool((model.recovery.variance.table[:, 1:] > 0).all())
    other.load_state_dict(model.state_dict())
    batch = every_pattern(make_batch(schema, size=12, seed=2)).poisoned()
    with torch.no_grad():
        one, two = (m.recover(batch, generator(0, "r"), draws=3) for m in (model, other))
    for k, name in enumerate(schema.names):
        gap = batch.missing[:, k]
        assert torch.equal(one.draws[name][:, gap], two.draws[name][:, gap])


def test_few_samples_tell_latent_numbers_apart_by_little() -> None:
    variance = EndVariance(2, 1, 2)
    clean = torch.tensor([0.0, 2.0]).expand(1, 2, 1, 2)
    variance.add(torch.zeros(1, 2, 1, 2), clean, torch.tensor([[True, False]]), torch.tensor([[False, True]]))
    variance.fit()
    own = [(error + PRIOR * 2) / (1 + PRIOR) for error in (0, 4)]
    expected = [(error + PRIOR * c2) / (1 + PRIOR) for error, c2 in zip((0, 4), own)]
    torch.testing.assert_close(variance.table[1, 1, 0], torch.tensor(expected))


def test_other_samplers_keep_no_table() -> None:
    model = MD2N(WORLDS["mixed"], MD2NConfig(diffusion=replace(GAUSSIAN, sampler="multistep")))
    assert not any("variance.table" in name for name in model.state_dict())
