"""Reading frames of a memory map in little memory.

Pages of a mapped file that were read once count as this process's memory until the system is short of it, so an epoch
would end with the whole store in memory.  Therefore frames are read in pieces, and the pages are released after each.
They stay in the system's cache: reading them again costs no disk.
"""

import mmap

import numpy as np
import numpy.typing as npt

from md2n.data.samples import Array

PIECE = 1024  # frames read between giving pages back; a page fault maps up to 64 KiB, so at most 64 MiB at a time


def frame_index(offsets: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Positions of all frames of the samples ``rows``, end to end, in that order.

    >>> frame_index(np.array([0, 2, 2, 5]), np.array([2, 0])).tolist()
    [2, 3, 4, 0, 1]
    """
    starts, lengths = offsets[rows], offsets[rows + 1] - offsets[rows]
    before = np.cumsum(lengths) - lengths
    return np.asarray(np.repeat(starts - before, lengths) + np.arange(int(lengths.sum())), np.int64)


def gather(values: Array, index: npt.NDArray[np.int64]) -> Array:
    """``values[index]`` as an array in memory; the pages of a memory map are given back while reading."""
    if not isinstance(values, np.memmap):
        return np.asarray(values[index])
    out = np.empty((len(index), *values.shape[1:]), values.dtype)
    for start in range(0, len(index), PIECE):
        out[start : start + PIECE] = values[index[start : start + PIECE]]
        release(values)
    return out


def release(values: Array) -> None:
    """Gives the pages of a read-only memory map back to the system; anything else is left alone."""
    pages = getattr(values, "_mmap", None)
    # Pages of a map that may be written to can hold changes that stand nowhere else.
    if isinstance(pages, mmap.mmap) and getattr(values, "mode", "") == "r" and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)
