"""Encoders: normalised per token, blind to invalid frames, and simple where they must be."""

import pytest
import torch

from md2n.coders.decoder import make_decoder
from md2n.coders.encoder import make_encoder, stretches
from md2n.modality import Modality
from md2n.seeding import generator

KINDS = ["query", "convolution", "linear"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 9])
def test_tokens_have_zero_mean_and_unit_scale(kind: str, length: int) -> None:
    encoder = make_encoder(Modality("m", 5, length), kind, 4, 8, 16, 0.0)
    x = torch.randn(3, length, 5, generator=generator(0, "x"))
    tokens = encoder(x, torch.ones(3, length, dtype=torch.bool))
    assert tokens.shape == (3, 4, 8)
    torch.testing.assert_close(tokens.mean(-1), torch.zeros(3, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(tokens.square().mean(-1), torch.ones(3, 4), atol=2e-2, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_invalid_frames_are_not_read(kind: str) -> None:
    encoder = make_encoder(Modality("m", 5, 9), kind, 4, 8, 16, 0.0).eval()
    x = torch.randn(3, 9, 5, generator=generator(1, "x"))
    valid = torch.rand(3, 9, generator=generator(2, "x")) < 0.5
    valid[:, 0] = True
    torch.testing.assert_close(encoder(x, valid), encoder(torch.where(valid[..., None], x, 100.0), valid))


def test_stretches_are_the_identity_where_positions_are_frames() -> None:
    valid = torch.ones(2, 5, dtype=torch.bool)
    torch.testing.assert_close(stretches(valid, 5, 5), torch.eye(5).expand(2, -1, -1))


def test_stretches_average_the_valid_frames_of_their_time() -> None:
    valid = torch.tensor([[True, True, False, True, True, True]])
    expected = torch.tensor([[[0.5, 0.5, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0.5, 0.5]]])
    torch.testing.assert_close(stretches(valid, 6, 3), expected)


def test_a_stretch_without_valid_frames_weighs_nothing() -> None:
    valid = torch.tensor([[True, False, False, False]])
    torch.testing.assert_close(stretches(valid, 4, 2), torch.tensor([[[1.0, 0, 0, 0], [0, 0, 0, 0]]]))


def test_frames_past_the_longest_known_length_join_the_last_stretch() -> None:
    weights = stretches(torch.ones(1, 6, dtype=torch.bool), 4, 2)
    torch.testing.assert_close(weights[0, 1], torch.tensor([0, 0, 0.25, 0.25, 0.25, 0.25]))


@pytest.mark.parametrize("length", [1, 6])
def test_a_decoder_learns_to_invert_an_encoder(length: int) -> None:
    """Sixteen numbers through a latent of 4 x 8 come back: the pair loses nothing that it need not lose."""
    torch.manual_seed(0)
    modality = Modality("m", 3, length)
    encoder, decoder = make_encoder(modality, "auto", 4, 8, 32, 0.0), make_decoder(modality, 4, 8, 32)
    x = torch.randn(64, length, 3, generator=generator(3, "x")) * (1.0 if length == 1 else 0.3)
    x = x + torch.randn(64, 1, 3, generator=generator(4, "x"))
    valid = torch.ones(64, length, dtype=torch.bool)
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-2)
    for _ in range(200):
        optimiser.zero_grad()
        error = (decoder(encoder(x, valid), length) - x).square().mean()
        error.backward()
        optimiser.step()
    assert error.item() < 0.15 * float(x.var())


def test_a_sequence_decodes_to_any_length_with_the_same_beginning() -> None:
    decoder = make_decoder(Modality("m", 3, 6), 4, 8, 32).eval()
    latent = torch.randn(2, 4, 8, generator=generator(5, "x"))
    torch.testing.assert_close(decoder(latent, 10)[:, :6], decoder(latent, 6))
