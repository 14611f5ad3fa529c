"""A store of MOSEI's size, and one epoch over it: peak resident memory."""

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COUNT, FRAMES, DIMS = 22_856, 50, {"text": 768, "audio": 74, "vision": 35}


def epoch() -> None:
    """Generates the store, then walks one epoch over it in a process of its own and prints that process's peak."""
    folder = Path(tempfile.mkdtemp(prefix="md2n-bench-"))
    try:
        subprocess.run([sys.executable, "-c", f"from benchmarks.size import write; write({str(folder)!r})"], check=True)
        subprocess.run([sys.executable, "-c", f"from benchmarks.size import walk; walk({str(folder)!r})"], check=True)
    finally:
        shutil.rmtree(folder)


def write(folder: str) -> None:
    """The generated store."""
    from md2n.data.samples import LabelColumn, Ragged, Samples
    from md2n.data.store import write_store
    from md2n.modality import Task

    rng = np.random.default_rng(0)
    offsets = np.arange(COUNT + 1, dtype=np.int64) * FRAMES
    valid = np.ones(COUNT * FRAMES, np.bool_)
    modalities = {}
    for name, dim in DIMS.items():
        path = Path(folder) / f"{name}.npy"
        values = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(COUNT * FRAMES, dim))
        for start in range(0, len(values), 20_000):
            stop = min(start + 20_000, len(values))
            values[start:stop] = rng.standard_normal((stop - start, dim), dtype=np.float32)
        modalities[name] = Ragged(np.load(path, mmap_mode="r"), offsets, valid)
    labels = LabelColumn(rng.uniform(-3, 3, COUNT).astype(np.float32), Task("regression", low=-3, high=3))
    split = np.repeat(np.asarray([0, 1, 2], np.uint8), [16_326, 1_871, COUNT - 16_326 - 1_871])
    ids = np.asarray([f"{i:05d}" for i in range(COUNT)])
    write_store(Path(folder) / "store", Samples("generated", modalities, {"y": labels}, split, ids))


def walk(folder: str) -> None:
    """One epoch of training batches, in a shuffled order."""
    from md2n.data.config import DataConfig
    from md2n.data.dataset import epoch_order, iterate
    from md2n.data.ready import load, load_datasets

    begun = time.process_time()
    datasets = load_datasets(load(str(Path(folder) / "store")), DataConfig())
    count = sum(b.size for b in iterate(datasets.train, 32, epoch_order(len(datasets.train), 0, 0)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"one epoch of {count} samples: peak resident {peak:.2f} GiB, {time.process_time() - begun:.0f} CPU-s")
