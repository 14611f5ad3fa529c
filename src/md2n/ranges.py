"""The values that a setting may take, in words, from its annotation; for error messages."""

import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text in quotes",
    Path: "a path in quotes",
    types.NoneType: "null",
}


def allowed(annotation: Any) -> str:
    """The values that an annotation allows.

    >>> from annotated_types import Ge, Gt, Le
    >>> allowed(Annotated[int, Gt(0)])
    'a whole number above 0'
    >>> allowed(Annotated[float, Ge(0), Le(1)])
    'a number from 0 to 1'
    >>> allowed(Literal["auto", "cpu"])
    "one of 'auto', 'cpu'"
    """
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return f"{allowed(inner[0])}{_limits(inner[1:])}"
    if origin is Literal:
        return f"one of {', '.join(map(repr, inner))}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(allowed(kind) for kind in inner)
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        return f"a list, each of it {allowed(inner[0])}"
    if origin is Mapping:
        return f"a table, each of its values {allowed(inner[1])}"
    if origin is tuple:
        return f"a list of {len(inner)}: {', '.join(allowed(kind) for kind in inner)}"
    return KINDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _limits(metadata: tuple[Any, ...]) -> str:
    """`` above 0``, `` from 0 to 1``: of the bounds among an annotation's metadata."""
    bounds = {kind: getattr(m, kind) for m in metadata for kind in ("gt", "ge", "lt", "le") if hasattr(m, kind)}
    bounds = {kind: bound for kind, bound in bounds.items() if bound is not None}
    if bounds.keys() == {"ge", "le"}:
        return f" from {bounds['ge']} to {bounds['le']}"
    words = {"gt": "above", "ge": "of at least", "lt": "below", "le": "of at most"}
    text = " and ".join(f"{word} {bounds[kind]}" for kind, word in words.items() if kind in bounds)
    return f" {text}" if text else ""
