"""Versions of what a run's bits depend on, and where they differ from those of today."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

PACKAGES = ("md2n", "torch", "numpy", "safetensors")
READING = ("md2n", "torch", "numpy")  # of these a prediction depends on


def versions() -> dict[str, str]:
    """Of Python and of the packages, as they are installed here."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def changed_versions(before: Any, only: tuple[str, ...] = ()) -> str:
    """Where versions differ from those of today, in words; empty where none does.

    >>> changed_versions({"torch": "1.0", "python": platform.python_version()}, only=("python",))
    ''

    Args:
        before: name -> version, as ``versions`` gave them; what is not in it is not compared.
        only: look at these alone; at all if empty.
    """
    now = versions()
    held = before if isinstance(before, Mapping) else {}
    names = [name for name in now if name in held and (not only or name in only)]
    return ", ".join(f"{name} {held[name]} then and {now[name]} now" for name in names if held[name] != now[name])
