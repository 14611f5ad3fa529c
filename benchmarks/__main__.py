"""``make bench``: speed and size, measured in CPU-seconds on one thread; figures are printed, never asserted.

python -m benchmarks               everything but what needs a trained run
python -m benchmarks step recovery imder size help frontends
python -m benchmarks longclip      voice and face over ten minutes: CPU-seconds, memory (three minutes)
python -m benchmarks gpu           every method on CUDA beside the CPU, and its speed there (--help says more)
python -m benchmarks performance   what docs/performance.md is made from (four CPU-minutes)
python -m benchmarks calls RUN     recovery quality and accuracy against network calls, for a trained run
"""

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks import calls, costs, extraction, gpu, performance, size


def main() -> None:
    names = sys.argv[1:] or ["help", "step", "recovery", "imder", "size", "frontends"]
    if names[0] == "calls":
        calls.report(names[1])
        return
    if names[0] == "gpu":
        sys.exit(gpu.main(names[1:]))
    known = {
        "help": costs.help_time,
        "step": costs.training_step,
        "recovery": costs.recovery,
        "imder": costs.beside_imder,
        "size": size.epoch,
        "frontends": extraction.front_end_costs,
        "performance": performance.report,
        "longclip": extraction.long_clip,
    }
    for name in names:
        known[name]()


main()
