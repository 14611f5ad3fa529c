"""Encoders of a modality: frames that are not valid have no effect."""

import pytest
import torch

from md2n.methods.parts.utterance import compact, make_utterance_encoder
from md2n.modality import Modality
from md2n.seeding import generator


def test_flagged_frames_close_up_in_their_order() -> None:
    x = torch.arange(8.0).view(2, 4, 1)
    flags = torch.tensor([[False, True, False, True], [True, False, False, False]])
    found, kept = compact(x, flags)
    assert found[..., 0].tolist() == [[1, 3], [4, 0]]
    assert kept.tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize("words", [False, True], ids=["lstm", "convolution"])
def test_holes_and_padding_change_nothing(words: bool) -> None:
    torch.manual_seed(0)
    encoder = make_utterance_encoder(Modality("text", 3, 6), words, 8, dropout=0.0).eval()
    x = torch.randn(2, 4, 3, generator=generator(0, "x"))
    plain = encoder(x, torch.ones(2, 4, dtype=torch.bool))
    flags = torch.tensor([True, False, True, True, False, True, False]).expand(2, 7)
    holed = torch.full((2, 7, 3), 9.0)
    holed[flags] = x.reshape(-1, 3)
    torch.testing.assert_close(encoder(holed, flags), plain)
    other = x.flip(1)
    assert not torch.allclose(encoder(other, torch.ones(2, 4, dtype=torch.bool)), plain)


@pytest.mark.parametrize("words", [False, True], ids=["lstm", "convolution"])
def test_a_short_sequence_beside_a_long_one_is_as_alone(words: bool) -> None:
    torch.manual_seed(0)
    encoder = make_utterance_encoder(Modality("text", 3, 6), words, 8, dropout=0.0).eval()
    x = torch.randn(2, 6, 3, generator=generator(0, "x"))
    flags = torch.arange(6) < torch.tensor([[6], [1]])
    torch.testing.assert_close(encoder(x, flags)[1:], encoder(x[1:, :1], flags[1:, :1]))
