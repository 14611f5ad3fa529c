"""Keeps in results/ what a benchmark measured, and writes docs/benchmark.md from it.

    python -m scripts.benchmark runs/benchmark

``make benchmark`` runs the benchmark itself first (hours; resumable).
"""

import sys
from pathlib import Path

from md2n.experiment.outcome import read_outcomes
from scripts import generate
from scripts.archive import KEPT, keep
from scripts.archive_samples import keep_samples


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    outcomes = read_outcomes([Path(sys.argv[1])], lambda text: print(text, file=sys.stderr))
    keep(KEPT, outcomes.rows, outcomes.runs, outcomes.failures)
    keep_samples(KEPT, outcomes.rows, outcomes.runs)
    generate.write()


if __name__ == "__main__":
    main()
