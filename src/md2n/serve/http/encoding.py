"""Replies as JSON."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def encode(content: Any) -> bytes:
    """JSON of tables, lists and arrays; a NaN, which is an unknown number, becomes null."""
    return json.dumps(plain(content), allow_nan=False, separators=(",", ":")).encode()


def plain(content: Any) -> Any:
    """The same of Python's own types."""
    if isinstance(content, np.ndarray):
        if content.dtype.kind != "f" or bool(np.isfinite(content).all()):
            return content.tolist()
        known = content.astype(np.object_)
        known[~np.isfinite(content)] = None
        return known.tolist()
    if isinstance(content, Mapping):
        return {str(k): plain(v) for k, v in content.items()}
    if isinstance(content, list | tuple):
        return [plain(v) for v in content]
    return content.item() if isinstance(content, np.generic) else content
