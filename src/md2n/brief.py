"""Short descriptions for people: of records that hold arrays, and of many names.

A dataclass prints every number it holds, which is two megabytes for the recovery of a small test split.  One whose
fields are arrays, or grow with the data, has ``__repr__ = brief`` instead.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

MOST = 4  # entries of a collection that are shown one by one
LONGEST = 60  # characters of one value


def brief(record: Any) -> str:
    """``Name(field=..., ...)``: arrays by type and shape, collections by their first entries and their number.

    Args:
        record: an instance of a dataclass.
    """
    shown = (f"{f.name}={_value(getattr(record, f.name))}" for f in dataclasses.fields(record) if f.repr)
    return f"{type(record).__name__}({', '.join(shown)})"


def first_few(names: Iterable[Any], most: int = 3) -> str:
    """The first of many names, for a message.

    >>> first_few(range(9))
    '0, 1, 2, ...'
    """
    every = list(names)
    return ", ".join(map(str, every[:most])) + (", ..." if len(every) > most else "")


def _value(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        if not value.shape:
            return str(value.item())
        kind = "text" if getattr(value.dtype, "kind", "") in ("U", "O") else str(value.dtype).removeprefix("torch.")
        return f"{kind}[{', '.join(map(str, value.shape))}]"
    if isinstance(value, Mapping):
        entries = [f"{key}: {_value(inner)}" for key, inner in list(value.items())[:MOST]]
        return f"{{{_joined(entries, len(value))}}}"
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        opening, closing = "[]" if isinstance(value, list) else "()"
        if len(value) > MOST:  # all of one kind: the first says what they are
            return f"{opening}{_value(value[0])}, ... {len(value)} in all{closing}"
        return f"{opening}{', '.join(map(_value, value))}{closing}"
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."


def _joined(entries: list[str], count: int) -> str:
    return ", ".join(entries) + (f", ... {count} in all" if count > len(entries) else "")
