"""FACET's tables as CMU-MOSEI distributes them (``FACET_4_2``): no header line, and a comma at the end of each line.

A row is the number of the picture, its time in seconds, and 35 numbers (evidence of emotions and action units, degrees
of the head) in an order that the file does not tell.  A row whose 35 numbers are all 0 is a picture without a face.
"""

import numpy as np

from md2n.data.readers.frames import as_features
from md2n.data.readers.text_table import Table
from md2n.data.readers.timed import ClipFrames, lasting, track_of
from md2n.errors import DataError

COLUMNS = 35


def is_bare_facet(table: Table) -> bool:
    """True for a table without a header that counts its pictures by ones, then tells their times, which rise."""
    if table.header or len(table.rows[0]) != 2 + COLUMNS:
        return False
    try:
        numbers, times = table.numbers([0, 1]).T
    except DataError:
        return False
    return bool((np.diff(numbers) == 1).all() and (np.diff(times) > 0).all() and np.isfinite(times).all())


def read_bare_facet(table: Table) -> ClipFrames:
    """The 35 columns, without names.

    Raises:
        DataError: a cell is no number.
    """
    features = as_features(table.numbers(range(2, 2 + COLUMNS)), f"'{table.path}'")
    without = (features == 0).all(axis=1)
    features[without] = np.nan
    notes = ["FACET without a header line: the 35 columns have no names"]
    notes += ["rows of zeros alone count as pictures without a face"] if without.any() else []
    track = track_of(features, lasting(table.numbers([1])[:, 0]))
    return ClipFrames(track, (), "FACET without header", notes=tuple(notes))
