"""What ``docs/performance.md`` is made from: one run, written as raw numbers."""

import platform
from pathlib import Path

import torch

from benchmarks import costs, growth, parts
from md2n.durable import write_json

FILE = Path("results/performance.json")


def report(out: Path = FILE) -> None:
    """Measures and writes; about five CPU-minutes."""
    torch.set_num_threads(1)
    print("ratios of training steps", flush=True)
    ratios = parts.ratios()
    print("where time goes", flush=True)
    shares = parts.measured()
    print("how cost grows", flush=True)
    numbers = {
        "setting": {"threads": 1, "batch": costs.BATCH, "torch": torch.__version__, "processor": platform.machine()},
        "ratios": ratios,
        "parts": shares,
        "growth": growth.measured(),
    }
    write_json(out, numbers)
    print(f"written: {out}")
