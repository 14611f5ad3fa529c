"""How large plain objects are when they are walked as a tree, though they share parts: the sum that ten lists hide.

A file of a kilobyte can build thirty lists, each of which names the one before ten times.  In memory they are small; to
whoever walks them (``numpy.asarray``, ``str``) they are 10^30 entries.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

ENTRY_BYTES = 8


class TooLarge(Exception):  # noqa: N818 - it is caught where the file's name is known
    """A tree of more bytes than allowed, or one that contains itself."""


def weigh(root: Any, most: int) -> int:
    """Bytes of an object as a tree: eight for every entry, and those of texts, long integers and arrays.

    Args:
        root: dictionaries, lists, tuples, sets, arrays and plain values.
        most: bytes allowed.

    Raises:
        TooLarge: it is larger, or contains itself.
    """
    if not _holds(root):
        return _leaf(root)
    whole: dict[int, int] = {}
    open_ids = {id(root)}
    # Every frame is a holder, the entries that are still to be weighed, and the sum of the others.
    frames: list[tuple[Any, Iterator[Any], list[int]]] = [(root, _entries(root), [ENTRY_BYTES])]
    while frames:
        holder, entries, total = frames[-1]
        for entry in entries:
            if not _holds(entry):
                total[0] += ENTRY_BYTES + _leaf(entry)
            elif id(entry) in whole:
                total[0] += ENTRY_BYTES + whole[id(entry)]
            elif id(entry) in open_ids:
                raise TooLarge("it holds a list or dictionary that contains itself")
            else:
                open_ids.add(id(entry))
                frames.append((entry, _entries(entry), [ENTRY_BYTES]))
                break
            if total[0] > most:
                raise TooLarge("its lists share their parts, and written out would take many times its size")
        else:
            frames.pop()
            open_ids.discard(id(holder))
            whole[id(holder)] = total[0]
            if frames:
                frames[-1][2][0] += ENTRY_BYTES + total[0]
                if frames[-1][2][0] > most:
                    raise TooLarge("its lists share their parts, and written out would take many times its size")
    return whole[id(root)]


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list | tuple | set | frozenset) or (
        isinstance(value, np.ndarray) and value.dtype.kind == "O"
    )


def _entries(holder: Any) -> Iterator[Any]:
    if isinstance(holder, dict):
        return (part for item in dict.items(holder) for part in item)
    return iter(holder.flat if isinstance(holder, np.ndarray) else holder)


def _leaf(value: Any) -> int:
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if isinstance(value, np.ndarray):
        return value.nbytes
    return value.bit_length() // 8 if isinstance(value, int) else 0
