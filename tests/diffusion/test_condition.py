"""Partner and condition: what one side says, and that nothing else is read."""

import pytest
import torch
from torch import Tensor

from md2n.diffusion.condition import LearnedPartner, condition_tokens, make_partner, partner
from md2n.errors import UsageError
from md2n.seeding import generator

KINDS = ("mean", "learned")


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Latents as encoders give them: zero mean and unit scale per token."""
    x = torch.randn(shape, generator=generator(seed, "latents")).double()
    return torch.nn.functional.layer_norm(x, x.shape[-1:])


def stirred(kind: str) -> torch.nn.Module:
    """A partner whose parameters are no longer those of the mean."""
    module = make_partner(kind, 3, 8).double()
    g = generator(0, "stir")
    with torch.no_grad():
        for p in module.parameters():
            p.add_(torch.randn(p.shape, generator=g))
    return module


def every_side() -> Tensor:
    return torch.tensor([[b >> k & 1 for k in range(3)] for b in range(8)], dtype=torch.bool)


def test_one_modality_is_its_own_partner() -> None:
    x = normal(3, 3, 4, 8)
    torch.testing.assert_close(partner(x, torch.eye(3, dtype=torch.bool)), x[range(3), range(3)], rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_every_partner_is_normalised_and_an_empty_side_gives_zeros(kind: str) -> None:
    mixed = stirred(kind)(normal(8, 3, 4, 8), every_side())
    assert not mixed[0].any()
    torch.testing.assert_close(mixed.mean(-1), torch.zeros(8, 4).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(mixed[1:].var(-1, unbiased=False), torch.ones(7, 4).double(), rtol=0, atol=1e-3)


def test_the_mean_is_of_the_side_alone() -> None:
    x = normal(1, 3, 4, 8)
    mean = (x[:, 0] + x[:, 2]) / 2
    expected = (mean - mean.mean(-1, keepdim=True)) / (mean.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(partner(x, torch.tensor([[True, False, True]])), expected)


def test_the_learned_mix_begins_as_the_mean_and_learns() -> None:
    x, side = normal(8, 3, 4, 8), every_side()
    module = LearnedPartner(3, 8).double()
    torch.testing.assert_close(module(x, side), partner(x, side))
    (module(x, side) * normal(8, 4, 8, seed=1)).sum().backward()
    for name, p in module.named_parameters():
        assert p.grad is not None
        assert bool(p.grad.isfinite().all())
        assert bool(p.grad.any()), name


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_on_the_side_is_not_read(kind: str) -> None:
    x, side, module = normal(8, 3, 4, 8), every_side(), stirred(kind)
    poisoned = torch.where(side[:, :, None, None], x, float("nan")).requires_grad_()
    mixed = module(poisoned, side)
    assert torch.equal(mixed, module(x, side))
    mixed.square().sum().backward()
    assert poisoned.grad is not None
    assert bool(poisoned.grad.isfinite().all())
    for clean, dirty in zip(condition_tokens(x, side), condition_tokens(poisoned, side)):
        assert torch.equal(clean, dirty)


def test_tokens_stand_modality_after_modality_with_their_flags() -> None:
    x = normal(1, 3, 2, 8)
    tokens, readable = condition_tokens(x, torch.tensor([[False, True, True]]))
    assert readable.tolist() == [[False, False, True, True, True, True]]
    assert torch.equal(tokens[0, 2:], x[0, 1:].reshape(4, 8))
    assert not tokens[0, :2].any()


def test_unknown_partner_is_refused() -> None:
    with pytest.raises(UsageError, match="no partner is called 'average'"):
        make_partner("average", 3, 8)
