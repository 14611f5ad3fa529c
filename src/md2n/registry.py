"""Names that load code only when asked for: ``Registry.get("md2n")`` imports one module, ``names()`` imports none."""

import importlib
from typing import Any

from md2n.errors import UsageError, did_you_mean


class Registry:
    """A lazy table from names to ``module:attribute``.

    Args:
        kind: what the names are, for messages ("model", "schedule").
        entries: name -> ``package.module:Attribute``.
    """

    def __init__(self, kind: str, entries: dict[str, str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def names(self) -> tuple[str, ...]:
        """Known names, in the order of the table."""
        return tuple(self._entries)

    def add(self, name: str, entry: str) -> None:
        """One name more, or another meaning for a known one."""
        self._entries[name] = entry

    def check(self, name: str) -> str:
        """The name itself, if known.

        Raises:
            UsageError: unknown; the hint names the nearest known one.
        """
        if name not in self._entries:
            raise UsageError(f"no {self.kind} is called '{name}'", did_you_mean(name, self._entries))
        return name

    def get(self, name: str) -> Any:
        """What the name stands for; imports its module.

        Raises:
            UsageError: unknown name.
        """
        _, _, attribute = self._entries[self.check(name)].partition(":")
        return getattr(importlib.import_module(self.module(name)), attribute)

    def module(self, name: str) -> str:
        """The module that ``get`` would import.

        Raises:
            UsageError: unknown name.
        """
        return self._entries[self.check(name)].partition(":")[0]
