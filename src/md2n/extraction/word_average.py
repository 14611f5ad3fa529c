"""Frames averaged over words, which the field calls aligned: one frame per word in every modality."""

from collections.abc import Sequence

import numpy as np

from md2n.errors import DataError
from md2n.extraction.base import Track, Word


def average_over(track: Track, words: Sequence[Word]) -> Track:
    """One frame per word: the mean of the valid frames inside it, weighted by how long each lies in it.

    A word in which no valid frame falls is invalid, and zero.

    Args:
        track: frames in time, in any order.
        words: in the order of the result.

    Raises:
        DataError: frames without a place in time, or no words.
    """
    if not len(words):
        raise DataError("there are no words to average over", "give words in time, or align to nothing")
    if not np.isfinite(track.intervals_s).all():
        raise DataError("frames without a place in time cannot be averaged over words", "align to nothing instead")
    spans = np.array([(w.start_s, w.end_s) for w in words], np.float64)
    values = np.zeros((len(words), track.values.shape[1]), np.float64)
    valid = np.zeros(len(words), bool)
    starts, ends = track.intervals_s.T
    for i, (low, high) in enumerate(spans):
        inside = np.where(track.valid, np.minimum(ends, high) - np.maximum(starts, low), 0.0).clip(min=0.0)
        total = inside.sum()
        if total > 0:
            chosen = inside > 0
            values[i] = inside[chosen] @ track.values[chosen] / total
            valid[i] = True
    return Track(values.astype(np.float32), valid, spans, track.notes)
