"""What a check has to say: how bad, which rule, what was found, what to do."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """One thing found in a data set.

    Args:
        severity: ``error``: numbers from these data mean nothing, or they cannot be used; ``warning``: know this before
            you publish; ``info``: how the data are.
        code: the rule's name, stable across versions (``identical-rows``).
        message: what was found, with names and counts.
        hint: the next step; empty for ``info``.
    """

    severity: Severity
    code: str
    message: str
    hint: str = ""
