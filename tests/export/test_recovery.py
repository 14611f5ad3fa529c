"""The dense recovery is that of the model, row by row, for every sampler that draws no fresh noise."""

from dataclasses import replace

import pytest
import torch

from md2n.diffusion.process import make_process
from md2n.errors import UsageError
from md2n.export.recovery import DenseRecovery
from md2n.export.reference import FixedNoise
from md2n.methods.md2n.config import DiffusionConfig
from md2n.methods.md2n.recovery import DuplexRecovery
from md2n.nn.config import TransformerConfig

M, L, D, B = 3, 4, 8, 9
PLAIN = DiffusionConfig(network=TransformerConfig(layers=1, heads=2, width=16, dropout=0.0))
VARIANTS = {
    "default": {},
    "multistep": {"sampler": "multistep"},
    "deterministic, equal angles": {"sampler": "deterministic", "strides": "angle"},
    "learned partner, one network": {"partner": "learned", "shared": True},
    "noise prediction, no first guess": {"prediction": "noise", "first_guess": False},
    "linear transfer": {"transfer": "linear"},
}


def recovery(**changed: object) -> DuplexRecovery:
    """One with random weights: those of a new network are partly zero."""
    config = replace(PLAIN, **changed)
    d = config
    process = make_process(d.steps, d.t1, d.t2, d.schedule, d.transfer, d.variance)
    torch.manual_seed(0)
    made_up = DuplexRecovery(M, L, D, process, config).eval()
    for parameter in made_up.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    if made_up.variance is not None:
        made_up.variance.table.uniform_(0.05, 0.6)
    return made_up


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Latents that are NaN where missing, every kind of pattern, noise."""
    available = torch.tensor([[bool(p & 1), bool(p & 2), bool(p & 4)] for p in (1, 2, 3, 4, 5, 6, 7, 7, 1)])
    latents = torch.randn(B, M, L, D)
    return torch.where(available[:, :, None, None], latents, torch.nan), available, torch.randn(B, M, L, D)


@pytest.mark.parametrize("calls", [1, 2, 5])
@pytest.mark.parametrize("name", VARIANTS)
def test_it_is_the_models(name: str, calls: int) -> None:
    model = recovery(**VARIANTS[name])
    latents, available, noise = inputs()
    with torch.no_grad():
        best, drawn = DenseRecovery(model, calls)(latents, available, noise)
        wanted, draws = model.recover(latents, available, FixedNoise(noise), calls)
    torch.testing.assert_close(best, wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(drawn, draws, rtol=1e-4, atol=1e-4)
    assert (calls == 1) == torch.equal(best, drawn)


def test_without_noise_the_draws_are_the_estimates() -> None:
    latents, available, _ = inputs()
    with torch.no_grad():
        best, drawn = DenseRecovery(recovery(), 2)(latents, available)
    assert torch.equal(best, drawn)


@pytest.mark.parametrize(
    "changed", [{"cascade": True}, {"start": "noise"}, {"transfer": "none"}, {"sampler": "ancestral"}], ids=str
)
def test_what_is_no_fixed_chain_is_refused_by_its_setting(changed: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(changed))):
        DenseRecovery(recovery(**changed), 3)
