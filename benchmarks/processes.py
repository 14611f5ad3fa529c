"""How much faster a training step is with two processes than with one: wall time, so on two cores without other work.

The real commands: what a longer training takes more than a shorter one, by the steps that it has more.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from md2n.data.readers.arrays import from_arrays
from md2n.data.store import write_store
from md2n.seeding import numpy_generator

FEW, MANY = 4, 20  # steps of the two trainings
ROUNDS = 3
ROWS, MODALITIES, FRAMES, DIM = 2_048, 3, 50, 32
CASES = ((512, "digits"), (128, "sequences"), (512, "sequences"))  # batch, data
ONE = (sys.executable, "-m", "md2n")
TWO = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "md2n")


def two_processes() -> None:
    """Prints both and their ratio, medians of rounds in turn."""
    with tempfile.TemporaryDirectory(prefix="md2n-bench-") as folder:
        rng = numpy_generator(0, "processes")
        shape = ROWS, FRAMES, DIM
        made = {f"m{k}": rng.standard_normal(shape, dtype=np.float32) for k in range(MODALITIES)}
        sequences = Path(folder) / "sequences"
        splits = ["valid" if i % 8 == 0 else "train" for i in range(ROWS)]
        write_store(sequences, from_arrays(made, rng.standard_normal(ROWS), splits=splits))
        for batch, data in CASES:
            source = str(sequences) if data == "sequences" else data
            taken: dict[tuple[str, ...], list[float]] = {ONE: [], TWO: []}
            for _ in range(ROUNDS):
                for program, seconds in taken.items():
                    few, many = (_trained(program, source, batch, steps) for steps in (FEW, MANY))
                    seconds.append((many - few) / (MANY - FEW))
            one, two = median(taken[ONE]), median(taken[TWO])
            print(
                f"training step, {data}, batch {batch}: {one:.2f} s with one process, {two:.2f} s with two, "
                f"{one / two:.2f} times as fast",
                flush=True,
            )


def _trained(program: tuple[str, ...], data: str, batch: int, steps: int) -> float:
    """Seconds of a whole training."""
    with tempfile.TemporaryDirectory(prefix="md2n-bench-") as folder:
        sets = (
            f"trainer.batch_size={batch}",
            f"trainer.steps={steps}",
            "trainer.validations=1",
            "model.calibration=none",
        )
        words = [w for s in sets for w in ("--set", s)]
        begun = time.perf_counter()
        subprocess.run(
            [*program, "train", "--data", data, "--out", str(Path(folder) / "run"), "--quiet", *words],
            check=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - begun
