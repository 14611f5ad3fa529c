"""Mutates a target's file again and again and says what came of it."""

import random
import resource
import time
import warnings
from collections.abc import Iterable

from md2n.errors import DataError, Md2nError
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import Target

SLOWEST_S, LARGEST_KB = 10.0, 1 << 20
NAMES = (
    "openface", "facet", "span", "samples.csv", "npy", "labels.csv", "clip npz",
    "mmsa pickle 2", "mmsa pickle 3", "mmsa pickle 4", "mmsa pickle 5", "savez", "savez_compressed", "masks",
    "csd labels", "csd covarep", "mat", "packed mat", "old mat", "mat 7.3",
    "a.TextGrid", "a.csv", "a.align", "word table", "wav", "clips' table", "transcript",
    "store manifest.json", "store ids.json", "store group.0.json", "store text.values.npy", "store text.offsets.npy",
    "store label.0.npy", "config toml", "config json",
    "run config.json", "run schema.json", "run run.json", "run normaliser.json", "run normaliser.safetensors",
    "run certainty.json", "run model.safetensors", "checkpoint state.json", "checkpoint tensors.safetensors", "results",
)  # fmt: skip


def attack(name: str, target: Target, seeds: Iterable[int]) -> list[str]:
    """What went wrong, a sentence each: other exceptions, refusals that name no file, time, memory."""
    whole, wrong = target.file.read_bytes(), []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        for seed in seeds:
            target.file.write_bytes(mutated(whole, random.Random(f"{name} {seed}")))
            begun = time.process_time()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    target.read()
            except Md2nError as error:
                if type(error) is DataError and not _names(error.message, target):
                    wrong.append(f"{name}, seed {seed}: names no file: {error.message[:200]}")
            except Exception as error:
                wrong.append(f"{name}, seed {seed}: {type(error).__name__}: {str(error)[:200]}")
            if time.process_time() - begun > SLOWEST_S:
                wrong.append(f"{name}, seed {seed}: took {time.process_time() - begun:.0f} s")
    finally:
        target.file.write_bytes(whole)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return wrong if grown < LARGEST_KB else [*wrong, f"{name}: took {grown >> 10} MiB"]


def _names(message: str, target: Target) -> bool:
    return target.file.name in message or str(target.file.parent) in message
