"""The three stages of Sec. 3.3, named by what the reverse process does in them.

The paper names the forward stages and the inference stages oppositely.  Here a stage has its inference name:

    T ........ t2 ........ t1 ........ 0
     STRUCTURE   TRANSFER   REFINEMENT

Forward in time the chain of ``x^m`` is its own in REFINEMENT, is moved to ``x^a`` in TRANSFER, and is that of ``x^a``
in STRUCTURE.
"""

from dataclasses import dataclass
from enum import Enum

from md2n.errors import ConfigError, UsageError


class Stage(Enum):
    """A stretch of steps; both the first and the last step of a stretch are written on the right."""

    STRUCTURE = "structure"  # (t2, T]: the chain carries the partner; recovery lays down the global structure
    TRANSFER = "transfer"  # (t1, t2]: the chain moves from one end to the other
    REFINEMENT = "refinement"  # (0, t1]: the chain carries its own clean latent; recovery adds detail


@dataclass(frozen=True)
class Stages:
    """Where time is divided.

    Args:
        t1: last step of refinement, >= 0; 0 leaves refinement out.
        t2: last step of transfer, > t1; T leaves structure out.
        steps: T.

    Raises:
        ConfigError: not 0 <= t1 < t2 <= steps.
    """

    t1: int
    t2: int
    steps: int

    def __post_init__(self) -> None:
        if not 0 <= self.t1 < self.t2 <= self.steps:
            raise ConfigError(
                f"t1 = {self.t1}, t2 = {self.t2}, steps = {self.steps} do not divide time into stages",
                "choose 0 <= t1 < t2 <= steps (the paper: 200, 800, 1000)",
            )

    def stage_of(self, t: int) -> Stage:
        """The stage of step t in 1..T.

        Raises:
            UsageError: t is not a step.
        """
        if not 1 <= t <= self.steps:
            raise UsageError(f"{t} is not a step of the diffusion", f"steps are 1..{self.steps}")
        if t <= self.t1:
            return Stage.REFINEMENT
        return Stage.TRANSFER if t <= self.t2 else Stage.STRUCTURE
