"""Findings of the checks of a data set."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """One finding.

    Args:
        severity: ``error``: results from these data mean nothing, or the data cannot be used; ``warning``: know this
            before you publish; ``info``: a fact about the data.
        code: the rule's name, stable across versions (``identical-rows``).
        message: what was found, with names and counts.
        hint: the next step; empty for ``info``.
    """

    severity: Severity
    code: str
    message: str
    hint: str = ""
