"""Modalities at positions: the frames of a position, and the way back to frames."""

import pytest
import torch

from md2n.methods.parts.positions import (
    PositionEncoder,
    at_positions,
    mean_square,
    over_frames,
    position_count,
    truth_at_positions,
)
from md2n.modality import Modality
from md2n.seeding import generator
from tests.worlds import WORLDS, make_batch


def test_as_many_positions_as_frames_are_the_frames() -> None:
    x = torch.randn(2, 6, 3, generator=generator(0, "x"))
    frames = torch.ones(2, 6, dtype=torch.bool)
    found, some = at_positions(x, frames, 6, 6)
    torch.testing.assert_close(found, x)
    assert bool(some.all())
    assert torch.equal(over_frames(found, 6, 6), found)


def test_a_position_is_the_mean_of_its_valid_frames() -> None:
    x = torch.tensor([[[1.0], [3.0], [5.0], [99.0], [0.0], [0.0]]])
    frames = torch.tensor([[True, True, True, False, False, False]])
    found, some = at_positions(x, frames, 6, 3)
    torch.testing.assert_close(found[0, :, 0], torch.tensor([2.0, 5.0, 0.0]))
    assert some[0].tolist() == [True, True, False]
    assert over_frames(found, 6, 7)[0, :, 0].tolist() == [2.0, 2.0, 5.0, 5.0, 0.0, 0.0, 0.0]


def test_a_vector_is_translated_in_one_step_and_a_sequence_in_few() -> None:
    assert [position_count(Modality("x", 3, length), 16) for length in (1, 8, 50)] == [1, 8, 16]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_features_at_positions_enter_as_frames_do(length: int) -> None:
    modality = Modality("x", 3, length)
    torch.manual_seed(0)
    encoder = PositionEncoder(modality, 5, 8, 0.0).eval()
    x = torch.randn(2, length, 3, generator=generator(0, "x"))
    tokens, some = encoder(x, torch.ones(2, length, dtype=torch.bool))
    assert tokens.shape == (2, 5, 8)
    assert bool(some.all())
    if 5 % length == 0:
        torch.testing.assert_close(encoder.encode_translation(x), tokens)


def test_truth_is_what_the_data_hold_whatever_is_hidden() -> None:
    schema = WORLDS["mixed"]
    batch = make_batch(schema, gaps=True)
    lowered = batch.hide(torch.eye(4, dtype=torch.bool).repeat(3, 1) | (batch.present.sum(dim=1, keepdim=True) == 1))
    for k, modality in enumerate(schema.modalities):
        found, real = truth_at_positions(lowered, modality, 3)
        assert torch.equal(found, truth_at_positions(batch, modality, 3)[0])
        assert bool(torch.isfinite(found).all())
        assert torch.equal(real.any(dim=1), batch.present[:, k])


def test_nothing_is_summed_where_nothing_is_flagged() -> None:
    found, truth = torch.ones(2, 3, 4), torch.zeros(2, 3, 4)
    where = torch.tensor([[True, False, False], [False, False, False]])
    total, count = mean_square(found, truth, where)
    assert (float(total), int(count)) == (1.0, 1)
    assert float(mean_square(found, truth, ~where & where)[0]) == 0.0
