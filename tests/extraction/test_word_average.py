"""Means over words, by hand."""

from itertools import pairwise

import numpy as np
import pytest

from md2n.errors import DataError
from md2n.extraction.base import Track, Word
from md2n.extraction.word_average import average_over


def track(values: list[float], valid: list[bool] | None = None) -> Track:
    """A column of frames of 0.1 s each."""
    starts = np.arange(len(values)) / 10
    flags = np.array(valid if valid is not None else [True] * len(values))
    column = np.array(values, np.float32)[:, None]
    return Track(column, flags, np.stack([starts, starts + 0.1], axis=1), ("one note",))


def test_frames_count_by_how_long_they_lie_in_the_word() -> None:
    words = (Word("a", 0.0, 0.2), Word("b", 0.25, 0.4))
    found = average_over(track([1.0, 3.0, 5.0, 8.0]), words)
    np.testing.assert_allclose(found.values[:, 0], [2.0, (5 * 0.05 + 8 * 0.1) / 0.15], rtol=1e-6)
    assert found.valid.all() and found.notes == ("one note",)
    np.testing.assert_array_equal(found.intervals_s, [[0.0, 0.2], [0.25, 0.4]])


def test_invalid_frames_are_never_read_and_a_word_without_any_is_invalid() -> None:
    words = (Word("a", 0.0, 0.2), Word("b", 0.2, 0.3), Word("c", 5.0, 6.0))
    found = average_over(track([1.0, np.nan, np.nan], [True, False, False]), words)
    assert found.valid.tolist() == [True, False, False]
    np.testing.assert_array_equal(found.values[:, 0], [1.0, 0.0, 0.0])


def test_words_keep_the_mean_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=40).tolist()
    cuts = np.sort(np.concatenate([[0.0, 4.0], rng.uniform(0, 4, 6)]))
    found = average_over(track(values), [Word("w", a, b) for a, b in pairwise(cuts)])
    assert float(found.values[:, 0] @ np.diff(cuts)) / 4 == pytest.approx(np.mean(values), abs=1e-6)


def test_what_has_no_place_in_time_is_refused() -> None:
    loose = Track(np.ones((1, 1), np.float32), np.ones(1, bool), np.full((1, 2), np.nan))
    with pytest.raises(DataError, match="without a place in time"):
        average_over(loose, [Word("a", 0.0, 1.0)])
    with pytest.raises(DataError, match="no words"):
        average_over(track([1.0]), [])
