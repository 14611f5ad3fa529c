"""What a training and a recovery of many rows cost, from short runs of the real commands on this machine.

CPU seconds are taken as linear.  A recovery of n rows with c network calls each takes ``start + n (row + c call)``, a
training on n rows for e epochs ``start + n e epoch``: what it does once, on some validation rows, hardly grows with n.
Three or four runs give the numbers of the one, two those of the other.  Every run is a process with one thread, so its
memory is its own, too.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from md2n.brief import brief
from md2n.data.readers.arrays import from_arrays
from md2n.data.readers.table_file import arrow
from md2n.data.store import write_store
from md2n.errors import Md2nError, UsageError
from md2n.experiment.costs import read_cost
from md2n.seeding import numpy_generator

FEW, MORE = 64, (512, 4096)
"""Rows of recoveries: few, and as many as take so much longer that it can be told."""
LONGER = 2.0
"""Seconds that can be told."""
TRAINED = ((512, 2), (512, 6))
"""Rows and epochs of the two trainings."""
CACHED = 2 * 4
"""Bytes that a training keeps of a number: as it is stored, and normalised."""


@dataclass(frozen=True)
class Sizes:
    """What rows look like.

    Args:
        modalities: M.
        length: frames of each modality; vectors if 1.
        dim: features of a frame.
    """

    modalities: int = 3
    length: int = 1
    dim: int = 32

    @property
    def numbers(self) -> int:
        """In a row with every modality."""
        return self.modalities * self.length * self.dim


@dataclass(frozen=True)
class Measured:
    """How one command ended.

    Args:
        cpu_s: seconds of processor, Python's start included.
        mib: the most memory that it had.
    """

    cpu_s: float
    mib: float


@dataclass(frozen=True)
class RecoveryCost:
    """CPU seconds and memory of a recovery in parts.

    Args:
        start: seconds, whatever the rows.
        row: seconds of a row, without network calls.
        call: seconds of a network call for a row.
        mib: of the process, with a part of few rows.
        part_row: bytes of a row more in a part.
        read: bytes of a row in the Parquet file.
        write: bytes of a row in the parts.
    """

    start: float
    row: float
    call: float
    mib: float
    part_row: float
    read: float
    write: float

    __repr__ = brief

    def cpu_s(self, rows: float, calls: int) -> float:
        """Seconds of one core for all rows."""
        return self.start + rows * (self.row + calls * self.call)

    def memory_mib(self, part: int) -> float:
        """Of one process, whose parts have so many rows."""
        return self.mib + max(0, part - FEW) * self.part_row / 2**20


@dataclass(frozen=True)
class TrainingCost:
    """CPU seconds, memory and traffic of a training.

    Args:
        start: seconds, whatever the rows.
        epoch: seconds of a row in every epoch.
        mib: of the process, on few rows.
        parameters: of the model.
        sizes: of a row.
    """

    start: float
    epoch: float
    mib: float
    parameters: int
    sizes: Sizes

    __repr__ = brief

    def cpu_s(self, rows: float, epochs: int) -> float:
        """Seconds of one core; less where a training stops early."""
        return self.start + rows * epochs * self.epoch

    def memory_mib(self, rows: float) -> float:
        """Of the process, if all data stay in memory; where they do not, the system reads the store again."""
        return self.mib + rows * self.sizes.numbers * CACHED / 2**20

    def step_bytes(self, processes: int) -> float:
        """Bytes of gradients that each process sends in a step, round a ring; rows that are gathered come on top."""
        return 2 * (processes - 1) / processes * 4 * self.parameters


def measure(
    sizes: Sizes,
    model: str,
    draws: int,
    steps: int,
    settings: Sequence[str] = (),
    progress: Callable[[int, int, str], None] = lambda done, total, now: None,
) -> tuple[TrainingCost, RecoveryCost]:
    """Short trainings and recoveries on made data; half of their rows miss one modality.

    Args:
        sizes: of a row.
        model: a method that recovers.
        draws: of a recovery.
        steps: network calls of a draw.
        settings: ``path=value`` of the training.
        progress: receives how many runs are done, of how many, and what is run now.

    Raises:
        UsageError: sizes that are not positive, a system without such measurements, or as the commands.
        Md2nError: a command that failed, with its own words and exit code.
    """
    if min(sizes.modalities - 1, sizes.length, sizes.dim, draws, steps) < 1:
        raise UsageError(
            "a plan needs two or more modalities, and positive sizes, draws and steps", "give such numbers"
        )
    if not hasattr(os, "wait4"):
        raise UsageError("this system does not say what a process has cost", "run md2n plan on Linux or macOS")
    total = len(TRAINED) + len(MORE) + 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trained = []
        for i, (rows, epochs) in enumerate(TRAINED):
            progress(i, total, f"training on {rows} rows for {epochs} epochs")
            if not i:
                _store(folder / f"store-{rows}", sizes, rows)
            sets = [*settings, f"trainer.epochs={epochs}", "trainer.threads=1", "trainer.device=cpu"]
            words = ["train", "--data", folder / f"store-{rows}", "--model", model, "--out", folder / f"run-{i}", "-q"]
            trained.append(_run([*words, *(f"--set={one}" for one in sets)]))
        run = folder / f"run-{len(TRAINED) - 1}"

        def recover(rows: int, some: int, calls: int) -> Measured:
            progress(len(TRAINED) + len(runs), total, f"recovering {rows} rows with {some * calls} network calls each")
            if not (folder / f"{rows}.parquet").is_file():
                _parquet(folder / f"{rows}.parquet", sizes, rows)
            out = folder / f"out-{rows}-{some * calls}"
            words = ["recover", run, "--data", folder / f"{rows}.parquet", "--out", out, "--parts", rows, "-q"]
            runs.append(_run([*words, "--draws", some, "--steps", calls]))
            return runs[-1]

        runs: list[Measured] = []
        few, rows = recover(FEW, draws, steps), 0
        for rows in MORE:
            more = recover(rows, draws, steps)
            if more.cpu_s - few.cpu_s >= LONGER:
                break
        single = recover(rows, 1, 1)
        progress(total, total, "")
        size = (folder / f"{rows}.parquet").stat().st_size / rows, _bytes(folder / f"out-{rows}-1") / rows
        parameters = int(read_cost(run).get("parameters", 0))
    recovery = _recovery((few, more, single), rows, draws * steps, *size)
    return _training(trained, parameters, sizes), recovery


def _training(runs: Sequence[Measured], parameters: int, sizes: Sizes) -> TrainingCost:
    (rows, epochs), (_, longer) = TRAINED
    epoch = max(0.0, runs[1].cpu_s - runs[0].cpu_s) / (rows * (longer - epochs))
    return TrainingCost(max(0.0, runs[0].cpu_s - rows * epochs * epoch), epoch, runs[0].mib, parameters, sizes)


def _recovery(runs: Sequence[Measured], rows: int, calls: int, read: float, write: float) -> RecoveryCost:
    """From runs on ``FEW`` and on ``rows`` rows with so many calls, and on ``rows`` rows with one."""
    few, more, one = runs
    slope = max(0.0, more.cpu_s - few.cpu_s) / (rows - FEW)
    start = max(0.0, few.cpu_s - FEW * slope)
    single = min(max(0.0, one.cpu_s - start) / rows, slope)
    call = (slope - single) / (calls - 1) if calls > 1 else 0.0
    part_row = max(0.0, more.mib - few.mib) * 2**20 / (rows - FEW)
    return RecoveryCost(start, slope - calls * call, call, few.mib, part_row, read, write)


# md2n in a process that notes its own peak of memory.  What the system notes of a child (ru_maxrss) is at least what
# its parent has.
WATCHED = """
import atexit, re, sys

def note():
    with open("/proc/self/status") as status, open(sys.argv[1], "w") as peak:
        peak.write(re.search(r"VmHWM:\\s+(\\d+)", status.read())[1])

if sys.platform == "linux":
    atexit.register(note)
from md2n.cli.main import run
run(sys.argv[2:])
"""


def _run(words: Sequence[Any]) -> Measured:
    """``md2n WORDS`` in a process of its own, with one thread."""
    with tempfile.TemporaryFile() as errors, tempfile.NamedTemporaryFile() as peak:
        command = [sys.executable, "-c", WATCHED, peak.name, *map(str, words)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            lines = dict(line.partition(": ")[::2] for line in errors.read().decode(errors="replace").splitlines())
            error = Md2nError(
                lines.get("error", f"`md2n {words[0]}` ended with {process.returncode}"), lines.get("next", "")
            )
            error.exit_code = max(1, process.returncode)
            raise error
        noted = peak.read()
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Measured(usage.ru_utime + usage.ru_stime, int(noted or usage.ru_maxrss) / unit)


def _features(sizes: Sizes, rows: int) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Modalities of one cause; every second row misses one, each in turn."""
    rng = numpy_generator(0, "plan")
    cause = rng.normal(size=(rows, 1, 1))
    shape = rows, sizes.length, sizes.dim
    features = {}
    for k in range(sizes.modalities):
        cube = (cause + rng.normal(size=shape)).astype(np.float32)
        cube[1 + 2 * k :: 2 * sizes.modalities] = np.nan
        features[f"m{k}"] = cube[:, 0] if sizes.length == 1 else cube
    return features


def _store(path: Path, sizes: Sizes, rows: int) -> None:
    splits = ["valid" if i % 7 == 5 else "test" if i % 7 == 6 else "train" for i in range(rows)]
    write_store(path, from_arrays(_features(sizes, rows), ["no", "yes"] * (rows // 2), splits=splits))


def _parquet(path: Path, sizes: Sizes, rows: int) -> None:
    columns = {}
    for name, cube in _features(sizes, rows).items():
        cells = [None if np.isnan(row).all() else row if row.ndim == 1 else list(row) for row in cube]
        columns[name] = arrow().array(cells)
    arrow().parquet.write_table(arrow().table(columns), path)


def _bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.glob("part-*"))
