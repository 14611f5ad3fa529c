"""An array file that grows: written front to back, its length known at the end."""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from md2n.data.gather import release
from md2n.data.samples import Array

BLOCK = 2**24  # bytes written at a time


class NpyWriter:
    """An ``.npy`` file that grows along its first axis; the same bytes as ``numpy.save`` of the whole."""

    def __init__(self, path: Path, dtype: npt.DTypeLike, *tail: int) -> None:
        self.dtype, self.tail, self.length = np.dtype(dtype), tail, 0
        self._stream = path.open("wb")
        self._header()

    def append(self, array: Array) -> None:
        """Adds ``[n, *tail]``, a memory map block by block."""
        rows = max(1, BLOCK // max(1, self.dtype.itemsize * int(np.prod(self.tail))))
        for start in range(0, len(array), rows):
            self._stream.write(np.ascontiguousarray(array[start : start + rows], self.dtype).data)
            release(array)
        self.length += len(array)

    def close(self) -> None:
        """Writes the header of what was appended, and all to the disk."""
        try:
            self._stream.seek(0)
            self._header()
            self._stream.flush()
            os.fsync(self._stream.fileno())
        finally:
            self._stream.close()

    def abandon(self) -> None:
        """Closes the file as it is; what could not be written is thrown away."""
        with suppress(OSError):
            self._stream.close()

    def _header(self) -> None:
        # NumPy leaves room in the header for the first axis to grow, so it keeps its length.
        described = np.lib.format.dtype_to_descr(self.dtype)
        header = {"descr": described, "fortran_order": False, "shape": (self.length, *self.tail)}
        np.lib.format.write_array_header_1_0(self._stream, header)
