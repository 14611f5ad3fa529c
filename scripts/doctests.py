"""Puts the doctests of docstrings into code blocks, before mkdocstrings reads them as Markdown quotations."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^|(?<=\n))(?:[ ]*>>> .*(?:\n(?!\s*\n|\s*$).*)*)")


def fenced(text: str) -> str:
    """The docstring with a ``pycon`` fence around every example."""

    def block(match: re.Match[str]) -> str:
        indent = re.match(" *", match[0])[0]  # type: ignore[index]
        return f"{indent}```pycon\n{match[0]}\n{indent}```"

    return EXAMPLE.sub(block, text)


class Doctests(griffe.Extension):  # type: ignore[misc]
    """Does it for every object of the package."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
