"""Settings of Majority.  No torch here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MajorityConfig:
    """Majority has no settings."""
