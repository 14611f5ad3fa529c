"""Examples below what a command's help says."""

from collections.abc import Callable
from inspect import cleandoc
from typing import Any


def add_examples(command: Callable[..., Any], examples: str) -> None:
    """Puts examples behind a command's docstring, whose indentation would else be printed."""
    command.__doc__ = f"{cleandoc(command.__doc__ or '')}\n{examples}"
