"""Draws that lie in the gaps between candidates."""

import numpy as np
import torch

from md2n.evaluation.recovery import coverage
from md2n.methods.parts.rows import between, choices
from md2n.noise import SampleNoise
from md2n.seeding import generator


def noise(size: int) -> SampleNoise:
    return SampleNoise.of(torch.arange(size), generator(3, "noise"))


def test_every_gap_is_as_likely_and_the_outer_ones_are_as_wide_as_their_neighbours() -> None:
    values = torch.tensor([0.0, 1.0, 3.0, 7.0])
    drawn = between(noise(1), values[torch.tensor([2, 0, 3, 1])].view(1, 4, 1), 40_000)[:, 0, 0]
    edges = torch.tensor([-1.0, 0.0, 1.0, 3.0, 7.0, 11.0])
    share = torch.histogram(drawn, edges).hist / len(drawn)
    torch.testing.assert_close(share, torch.full((5,), 0.2), atol=0.01, rtol=0)
    assert float(drawn.min()) < -0.9
    assert float(drawn.max()) > 10.9
    inside = drawn[(drawn > 3) & (drawn < 7)]
    assert abs(float(inside.mean()) - 5) < 0.05  # and within a gap all places are


def test_intervals_of_twenty_draws_hold_what_they_say_where_candidates_drawn_as_they_are_hold_less() -> None:
    every = torch.randn(6000, 21, 1, generator=generator(0, "exchangeable"), dtype=torch.float64)
    truth, candidates = every[:, 0].numpy(), every[:, 1:]
    held = [coverage(truth, draw(noise(6000), candidates, 20).numpy(), 0.9) for draw in (between, choices)]
    assert abs(held[0] - 0.9) < 0.015
    assert held[1] < 0.87  # 1.53 / 21 of the truth lies beyond each end of what 20 of 20 values are drawn to


def test_numbers_of_a_draw_go_together_as_a_candidates_do() -> None:
    first = torch.randn(50, 20, 1, generator=generator(0, "together"), dtype=torch.float64)
    drawn = between(noise(50), torch.cat([first, 2 * first + 1, -first], dim=2), 30)
    torch.testing.assert_close(drawn[..., 1], 2 * drawn[..., 0] + 1, atol=1e-9, rtol=0)
    # Where one number rises with the other's fall they agree in their gaps, not in the place within them.
    assert np.corrcoef(drawn[..., 0].flatten(), drawn[..., 2].flatten())[0, 1] < -0.98


def test_what_candidates_share_is_drawn_as_it_is() -> None:
    candidates = torch.tensor([0.0] * 15 + [1.0, 2.0, 3.0, 4.0, 5.0]).view(1, 20, 1)
    drawn = between(noise(1), candidates, 5000)
    assert abs(float((drawn == 0).float().mean()) - 15 / 21) < 0.02  # 14 gaps between zeros, one below them
    assert float(drawn.min()) == 0
    alike = torch.full((4, 20, 3), 2.5)
    assert torch.equal(between(noise(4), alike, 7), alike[:, 0].expand(7, -1, -1))


def test_one_candidate_is_all_there_is() -> None:
    only = torch.randn(3, 1, 2, generator=generator(0, "only"))
    assert torch.equal(between(noise(3), only, 4), only[:, 0].expand(4, -1, -1))


def test_a_draw_does_not_hang_on_the_samples_beside_it() -> None:
    candidates = torch.randn(6, 20, 3, generator=generator(0, "beside"))
    some = torch.tensor([4, 1])
    whole = between(noise(6), candidates, 5)
    part = between(noise(6).rows(some), candidates[some], 5)
    assert torch.equal(part, whole[:, some])
