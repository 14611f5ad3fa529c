"""Cutting squares out of pictures: known pixels at known places."""

import numpy as np
import pytest

from md2n.extraction.vision.region import Region, crop


def picture(height: int = 40, width: int = 60) -> np.ndarray:
    """Red is 3 x, green is 5 y, at the middles of pixels."""
    y, x = np.mgrid[:height, :width]
    return np.stack([3 * x, 5 * y, 0 * x], axis=2).astype(np.uint8)


def test_a_square_of_the_same_size_is_the_pixels_themselves() -> None:
    rgb = picture()
    np.testing.assert_allclose(crop(rgb, Region(30, 20, 16), 16), rgb[12:28, 22:38], atol=1e-4)


def test_a_turn_of_90_degrees_is_a_transposition() -> None:
    rgb = picture()
    seen = crop(rgb, Region(30, 20, 16, np.pi / 2), 16)
    np.testing.assert_allclose(seen, np.rot90(rgb[12:28, 22:38]), atol=1e-3)


@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2])
def test_pixels_are_where_the_region_says(angle: float) -> None:
    region = Region(30, 20, 17.3, angle)
    seen = crop(picture(), region, 9)
    grid = (np.arange(9) + 0.5) / 9
    points = np.stack([np.tile(grid, 9), np.repeat(grid, 9)], axis=1)
    place = region.to_picture(points) - 0.5
    np.testing.assert_allclose(seen.reshape(-1, 3)[:, :2], place * (3, 5), atol=1e-3)


def test_beyond_the_edges_is_the_nearest_pixel_or_the_given_value() -> None:
    rgb = np.full((10, 10, 3), 200, np.uint8)
    assert crop(rgb, Region(0, 5, 10), 10).min() == 200
    seen = crop(rgb, Region(0, 5, 10), 10, outside=7.0)
    assert (seen[:, :5] == 7).all() and (seen[:, 5:] == 200).all()


@pytest.mark.parametrize("x", [100.0, 3.0, 197.0, -50.0, 400.0])
def test_a_large_square_is_averaged_not_picked(x: float) -> None:
    """A chessboard of single pixels is grey, wherever the square lies."""
    board = np.indices((200, 200)).sum(axis=0) % 2 * 200
    seen = crop(np.repeat(board[..., None], 3, axis=2).astype(np.uint8), Region(x, 100, 160, 0.3), 16)
    assert np.abs(seen - 100).max() < 1


def test_a_picture_of_one_pixel_has_one_colour() -> None:
    assert (crop(np.full((1, 1, 3), 9, np.uint8), Region(0.5, 0.5, 1), 128) == 9).all()
