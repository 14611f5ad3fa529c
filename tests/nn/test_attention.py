"""Attention reads what it may and nothing else."""

import torch
from torch import nn

from md2n.nn.attention import Attention
from md2n.nn.embedding import PositionEmbedding, sinusoidal
from md2n.nn.transformer import Transformer
from md2n.seeding import generator


def test_matches_the_softmax_written_out() -> None:
    torch.manual_seed(0)
    attention = Attention(6, 2, source_width=5).double()
    g = generator(0, "x")
    x, y = torch.randn(3, 4, 6, generator=g).double(), torch.randn(3, 7, 5, generator=g).double()
    readable = torch.rand(3, 7, generator=g) < 0.6
    readable[:, 0] = True
    q = attention.query(x).view(3, 4, 2, 3)
    k, v = attention.key_value(y).view(3, 7, 2, 2, 3).unbind(2)
    weight = torch.einsum("bqhd,bkhd->bhqk", q, k) / 3**0.5
    weight = weight.masked_fill(~readable[:, None, None], -torch.inf).softmax(-1)
    expected = attention.out(torch.einsum("bhqk,bkhd->bqhd", weight, v).reshape(3, 4, 6))
    torch.testing.assert_close(attention(x, y, readable), expected)


def test_a_row_with_nothing_to_read_gets_zero() -> None:
    attention = Attention(4, 2)
    nn.init.ones_(attention.out.bias)
    readable = torch.tensor([[True, False], [False, False]])
    mixed = attention(torch.randn(2, 3, 4), torch.randn(2, 2, 4), readable)
    assert bool((mixed[1] == 0).all())
    assert bool((mixed[0] != 0).any())


def test_unreadable_keys_change_nothing() -> None:
    transformer = Transformer(8, 2, 2, cross=True).eval()
    x, y = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    readable = torch.tensor([[True, True, False, False, True]]).expand(2, -1)
    other = torch.where(readable[..., None], y, 1e4)
    torch.testing.assert_close(transformer(x, readable, y), transformer(x, readable, other), atol=0, rtol=0)


def test_sinusoids_start_at_zero_phase_and_turn_at_their_own_rate() -> None:
    code = sinusoidal(torch.tensor([0.0, 1.0]), 4, period=100.0)
    torch.testing.assert_close(code[0], torch.tensor([0.0, 0.0, 1.0, 1.0]))
    expected = torch.tensor([1.0, 0.1]).sin()
    torch.testing.assert_close(code[1, :2], expected)


def test_positions_tell_frames_apart_at_any_length() -> None:
    placed = PositionEmbedding(16)(torch.zeros(1, 200, 16))[0]
    distance = torch.cdist(placed, placed) + 9 * torch.eye(200)
    assert float(distance.min()) > 0.05
