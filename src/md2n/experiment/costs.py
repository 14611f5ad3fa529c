"""What a run cost, written into its folder: ``cost.json``.

======================  ==========================================================================================
``parameters``          numbers that the method holds as parameters
``training``            ``cpu_s`` and ``wall_s`` of the loop, validation and checkpoints included, over all sessions
``peak_memory_mib``     the largest resident memory of any training session's process, Python and torch included
``prediction``          protocol -> ``cpu_s`` inside the method, and ``samples``, of the last measuring
``recovery``            likewise, with ``draws``; a sample counts once, however many of its modalities were hidden
======================  ==========================================================================================

CPU seconds rather than seconds: they hardly depend on what else the machine does.  A session that was killed counts up
to its last epoch.
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from md2n.durable import write_json
from md2n.reading import read_json
from md2n.training.observer import EpochReport, Silent

COST = "cost.json"


def read_cost(run: Path) -> dict[str, Any]:
    """The costs of a run folder; empty where none were recorded, or where they cannot be read."""
    try:
        costs = read_json(run / COST)
    except (OSError, ValueError):
        return {}
    return costs if isinstance(costs, dict) else {}


def record_cost(run: Path, facts: Mapping[str, Any]) -> None:
    """Adds facts to the costs of a run folder.

    Raises:
        StorageError: it cannot be written.
    """
    write_json(run / COST, read_cost(run) | dict(facts))


class TrainingMeter(Silent):
    """Watches one session of training and keeps its costs in the run folder, epoch by epoch.

    Args:
        run: the run folder.
        parameters: of the method.
        begun: whether the run goes on from an earlier session.
    """

    def __init__(self, run: Path, parameters: int, begun: bool) -> None:
        self.run, self.parameters = run, parameters
        earlier = read_cost(run) if begun else {}
        self.before = earlier.get("training", {"cpu_s": 0.0, "wall_s": 0.0})
        self.peak = float(earlier.get("peak_memory_mib") or 0.0)
        self.cpu, self.wall = time.process_time(), time.monotonic()

    def begin(self, step: int, steps: int) -> None:
        self.cpu, self.wall = time.process_time(), time.monotonic()

    def epoch(self, report: EpochReport) -> None:
        self.end()

    def end(self) -> None:
        """Writes what has been spent up to now."""
        spent = {"cpu_s": time.process_time() - self.cpu, "wall_s": time.monotonic() - self.wall}
        training = {name: round(self.before[name] + value, 3) for name, value in spent.items()}
        facts: dict[str, Any] = {"parameters": self.parameters, "training": training}
        if (peak := peak_memory_mib()) is not None:
            facts["peak_memory_mib"] = round(max(self.peak, peak), 1)
        record_cost(self.run, facts)


def peak_memory_mib() -> float | None:
    """The largest resident memory this process ever had; None where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (1 << 20) if sys.platform == "darwin" else largest / (1 << 10)
