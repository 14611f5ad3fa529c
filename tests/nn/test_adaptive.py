"""Blocks steered by a context."""

import torch

from md2n.nn.adaptive import AdaptiveBlock, AdaptiveNorm
from md2n.seeding import generator


def stir(module: torch.nn.Module) -> None:
    g = generator(0, "stir")
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=g))


def test_the_context_has_no_say_at_first_and_one_after() -> None:
    block = AdaptiveBlock(8, 2)
    x, y, contexts = torch.randn(2, 3, 8), torch.randn(2, 5, 8), torch.randn(2, 2, 8)
    readable = torch.ones(2, 5, dtype=torch.bool)
    before = [block(x, c, block.keys_values(y), readable) for c in contexts]
    assert torch.equal(*before)
    stir(block)
    after = [block(x, c, block.keys_values(y), readable) for c in contexts]
    assert not torch.allclose(*after)


def test_the_norm_is_scaled_and_shifted_by_the_context() -> None:
    norm = AdaptiveNorm(4, 2)
    with torch.no_grad():
        norm.steer.bias.copy_(torch.tensor([1.0, 1, 1, 1, 5, 5, 5, 5]))
    out = norm(torch.randn(3, 2, 4), torch.zeros(3, 2))
    torch.testing.assert_close(out.mean(-1), torch.full((3, 2), 5.0))
    torch.testing.assert_close(out.std(-1, unbiased=False), torch.full((3, 2), 2.0), rtol=1e-3, atol=0)


def test_a_row_with_nothing_to_read_is_moved_by_itself_alone() -> None:
    block = AdaptiveBlock(8, 2)
    stir(block)
    x, c = torch.randn(2, 3, 8), torch.randn(2, 8)
    nothing = torch.zeros(2, 5, dtype=torch.bool)
    some, other = (block(x, c, block.keys_values(torch.randn(2, 5, 8)), nothing) for _ in range(2))
    assert torch.equal(some, other)
    assert bool(some.isfinite().all())


def test_tokens_hear_one_another_and_the_source() -> None:
    block = AdaptiveBlock(8, 2)
    stir(block)
    x, y, c = torch.randn(2, 3, 8), torch.randn(2, 5, 8), torch.randn(2, 8)
    readable = torch.tensor([[True, True, False, False, False], [False] * 5])
    out = block(x, c, block.keys_values(y), readable)
    moved = x.clone()
    moved[:, 0] += torch.randn(8)
    told = block(moved, c, block.keys_values(y), readable)
    assert not torch.isclose(told[:, 1:], out[:, 1:]).all(dim=-1).any()  # a token hears of another one's change
    louder = y.clone()
    louder[:, 0] += torch.randn(8)
    told = block(x, c, block.keys_values(louder), readable)
    assert not torch.allclose(told[0], out[0])
    assert torch.equal(told[1], out[1])
