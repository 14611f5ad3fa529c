"""``make bench``: speed and size, measured in CPU-seconds on one thread; figures are printed, never asserted.

python -m benchmarks               everything but what needs a trained run
python -m benchmarks step recovery draws imder size help frontends
python -m benchmarks longclip      voice and face over ten minutes: CPU-seconds, memory (three minutes)
python -m benchmarks gpu           every method on CUDA beside the CPU, and its speed there (--help says more)
python -m benchmarks performance   what docs/performance.md is made from (five CPU-minutes)
python -m benchmarks processes     two processes beside one; wall time, on two free cores
python -m benchmarks calls RUN     recovery quality and accuracy against network calls, for a trained run
"""

import argparse
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks import calls, costs, extraction, gpu, parts, performance, processes, size

KNOWN = {
    "help": costs.help_time,
    "step": costs.training_step,
    "recovery": costs.recovery,
    "draws": parts.draws,
    "imder": costs.beside_imder,
    "size": size.epoch,
    "frontends": extraction.front_end_costs,
    "performance": performance.report,
    "longclip": extraction.long_clip,
    "processes": processes.two_processes,
}
USUAL = ("help", "step", "recovery", "draws", "imder", "size", "frontends")


def main() -> None:
    if sys.argv[1:2] == ["gpu"]:  # it has options of its own
        sys.exit(gpu.main(sys.argv[2:]))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure")
    names = parser.parse_args().names or USUAL
    if names[0] == "calls":
        if len(names) != 2:
            parser.error("calls takes one trained run: python -m benchmarks calls RUN")
        calls.report(names[1])
        return
    if unknown := [name for name in names if name not in KNOWN]:
        parser.error(f"nothing is called '{unknown[0]}'; known: {', '.join([*KNOWN, 'calls RUN', 'gpu'])}")
    for name in names:
        KNOWN[name]()


if __name__ == "__main__":
    main()
