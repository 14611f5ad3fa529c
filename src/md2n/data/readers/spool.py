"""Features that are read piece by piece, kept in files without a name instead of memory."""

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from md2n.data.samples import Array, Ragged, offsets_of


class Spool:
    """One modality that grows by pieces; at the end a memory map of a file that is gone when nobody holds it.

    Args:
        dim: feature size.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._values, self._cells = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - outlives this call
        self._valid: list[Array] = []
        self._lengths: list[Array] = []
        self._partly = False

    def append(self, piece: Ragged) -> None:
        """Adds samples."""
        self._values.write(np.ascontiguousarray(piece.values, np.float32).data)
        self._cells.write(np.ascontiguousarray(piece.known()).data)
        self._partly = self._partly or piece.cells is not None
        self._valid.append(piece.valid)
        self._lengths.append(piece.lengths)

    def ragged(self) -> Ragged:
        """All samples."""
        valid = _joined(self._valid, np.bool_)
        values = _mapped(self._values, np.float32, (len(valid), self.dim))
        cells = _mapped(self._cells, np.bool_, (len(valid), self.dim)) if self._partly else None
        return Ragged(values, offsets_of(_joined(self._lengths, np.int64)), valid, cells)


def _joined(parts: Sequence[Array], empty: Any) -> Array:
    return np.concatenate(parts) if parts else np.zeros(0, empty)


def _mapped(stream: Any, dtype: Any, shape: tuple[int, int]) -> Array:
    stream.flush()
    return np.memmap(stream, dtype, "r", shape=shape) if shape[0] else np.zeros(shape, dtype)
