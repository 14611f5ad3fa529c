"""Point estimates and draws of a recovery: shared network calls, and the number of calls."""

import pytest
import torch
from torch import Tensor

from md2n.diffusion.process import make_process
from md2n.methods.md2n.config import DiffusionConfig
from md2n.methods.md2n.recovery import DuplexRecovery
from md2n.noise import SampleNoise
from md2n.seeding import generator

MODALITIES, TOKENS, WIDTH = 3, 4, 8
AVAILABLE = torch.tensor([[True, False, False], [True, True, False], [False, True, True], [True, True, True]])
SWITCHES = {
    "default": DiffusionConfig(),
    "noise predicted": DiffusionConfig(prediction="noise"),
    "from noise": DiffusionConfig(start="noise"),
    "no transfer": DiffusionConfig(transfer="none"),
    "ancestral": DiffusionConfig(sampler="ancestral"),
    "gaussian": DiffusionConfig(sampler="gaussian"),
    "cascade": DiffusionConfig(cascade=True),
    "shared": DiffusionConfig(shared=True),
}


def made(config: DiffusionConfig, moved: float = 0.05) -> DuplexRecovery:
    torch.manual_seed(0)
    process = make_process(config.steps, config.t1, config.t2, config.schedule, config.transfer, config.variance)
    recovery = DuplexRecovery(MODALITIES, TOKENS, WIDTH, process, config).double().eval()
    with torch.no_grad():
        for p in recovery.parameters():
            p.add_(moved * torch.randn_like(p))
    return recovery


def noise(seed: int = 0) -> SampleNoise:
    return SampleNoise.of(torch.arange(len(AVAILABLE)), generator(seed, "draws"))


def latents() -> Tensor:
    g = generator(0, "latents")
    x = torch.randn(len(AVAILABLE), MODALITIES, TOKENS, WIDTH, generator=g, dtype=torch.float64)
    return torch.nn.functional.layer_norm(x, x.shape[-1:])


def calls_of(recovery: DuplexRecovery) -> list[int]:
    """Records the number of rows in every later call of a network."""
    seen: list[int] = []
    for network in recovery.own:
        network.register_forward_hook(lambda module, given, answer: seen.append(len(given[0])))
    return seen


@pytest.mark.parametrize("name", SWITCHES)
@torch.no_grad()
def test_what_is_available_stays_and_nothing_missing_is_read(name: str) -> None:
    recovery, x = made(SWITCHES[name]), latents()
    poisoned = x.masked_fill(~AVAILABLE[:, :, None, None], torch.nan)
    best, drawn = recovery.recover(poisoned, AVAILABLE, noise(), steps=3, draws=2)
    for filled, flags in ((best, AVAILABLE), (drawn, AVAILABLE.repeat(2, 1))):
        assert torch.equal(filled[flags], x.repeat(len(filled) // len(x), 1, 1, 1)[flags])
        assert bool(filled.isfinite().all())


@torch.no_grad()
def test_the_estimate_is_the_one_that_fusion_meets() -> None:
    recovery, x = made(SWITCHES["default"]), latents()
    best, _ = recovery.recover(x, AVAILABLE, noise(), steps=3, draws=2)
    assert torch.equal(best, recovery.estimate(x, AVAILABLE, noise(1)))


@pytest.mark.parametrize("name", ["default", "noise predicted", "shared"])
@torch.no_grad()
def test_the_shared_first_call_is_what_every_draw_would_have_made(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recovery, x = made(SWITCHES[name]), latents()
    _, shared = recovery.recover(x, AVAILABLE, noise(), steps=4, draws=3)
    plain = recovery.sampler.sample
    monkeypatch.setattr(recovery.sampler, "sample", lambda *given, first, variance: plain(*given, variance=variance))
    _, apart = recovery.recover(x, AVAILABLE, noise(), steps=4, draws=3)
    torch.testing.assert_close(shared, apart, rtol=1e-10, atol=1e-10)
    assert float((shared[: len(x)] - shared[len(x) : 2 * len(x)]).abs().max()) > 1e-3  # draws, not copies


@pytest.mark.parametrize(("name", "calls"), [("default", 1 + 3), ("from noise", 1 + 4), ("no transfer", 1 + 4)])
@torch.no_grad()
def test_calls_of_a_recovery(name: str, calls: int) -> None:
    """One call for the estimate and four for the draws, or three if the draws share their first call with it."""
    recovery, x = made(SWITCHES[name]), latents()
    seen = calls_of(recovery)
    recovery.recover(x[1:2], AVAILABLE[1:2], noise().rows(torch.tensor([1])), steps=4, draws=5)
    assert seen == [1] + [5] * (calls - 1)


@pytest.mark.parametrize("name", SWITCHES)
@torch.no_grad()
def test_one_call_gives_draws_without_spread(name: str) -> None:
    """From noise too, where two calls are the fewest that pass t2: so the evaluator asks for true latents."""
    recovery, x = made(SWITCHES[name]), latents()
    best, drawn = recovery.recover(x, AVAILABLE, noise(), steps=1, draws=2)
    torch.testing.assert_close(drawn, best.repeat(2, 1, 1, 1))
