"""Versions of the packages that a run's bits depend on, and what changed since."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

PACKAGES = ("md2n", "torch", "numpy", "safetensors")
READING = ("md2n", "torch", "numpy")  # of these a prediction depends on


def versions() -> dict[str, str]:
    """Versions of Python and of the packages on this machine."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def changed_versions(before: Any, only: tuple[str, ...] = ()) -> str:
    """What differs from the versions on this machine, in words; empty where nothing does.

    >>> changed_versions({"torch": "1.0", "python": platform.python_version()}, only=("python",))
    ''

    Args:
        before: name -> version, as ``versions`` gave them; names that are not in it are not compared.
        only: compare these alone; by default all.
    """
    now = versions()
    then = before if isinstance(before, Mapping) else {}
    names = [name for name in now if name in then and (not only or name in only)]
    return ", ".join(f"{name} {then[name]} then and {now[name]} now" for name in names if then[name] != now[name])
