"""How much memory the arrays of one file may take.

A compressed byte can become a thousand, and a head of ten bytes can promise any shape.  So shapes are compared with the
size of the file before memory is taken: a file may take ``FREE_BYTES`` and ``RATIO`` times its own size, which arrays
of measurements do not exceed.  Numbers count as float32 at least, because they are converted to it.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from md2n.data.samples import Array
from md2n.errors import DataError

FREE_BYTES = 1 << 27
RATIO = 128
LEAST_BYTES = 4
HINT = "if that is what it should hold, save the arrays without compression"


class Budget:
    """What is left of the memory that one file may take.

    Args:
        path: of the file.
        size: of the file, bytes; looked up if not given.
    """

    def __init__(self, path: Path, size: int | None = None) -> None:
        self._path = path
        self._size = path.stat().st_size if size is None else size
        self.left = FREE_BYTES + RATIO * self._size

    def spend(self, shape: Sequence[int], itemsize: int, what: str) -> None:
        """Takes an array's bytes from the budget.

        Args:
            shape: as the file declares it; an axis without entries counts as one entry, because others are walked.
            itemsize: bytes of an entry.
            what: name of the array, for the message.

        Raises:
            DataError: more than is left.
        """
        needed = math.prod(max(1, int(n)) for n in shape) * max(itemsize, LEAST_BYTES)
        if needed > self.left:
            product = " x ".join(map(str, shape)) or "one"
            raise DataError(
                f"'{self._path}': '{what}' declares {product} entries ({needed} bytes), more than a file of "
                f"{self._size} bytes may hold",
                HINT,
            )
        self.left -= needed


def texts(values: Any, path: Path) -> Array:
    """``[N]`` of a list of texts; each takes as much memory as the longest.

    Raises:
        DataError: no list of texts, or too much memory.
    """
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise DataError(f"'{path}' holds no list of texts", "import or copy the data again")
    longest = max(map(len, values), default=0)
    Budget(path).spend((len(values), longest), 4, f"a text of {longest} characters")
    return np.array(values, dtype=np.str_)
