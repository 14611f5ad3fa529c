"""A table of two modalities with gaps; flushing to the disk guards against power cuts only, and is slow."""

import os
from collections.abc import Iterator

import numpy as np
import pytest

NAMES = ("acc_x", "acc_y", "acc_z", "hr_mean", "hr_std")


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


def gappy(rows: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """``[N, 5]`` of one cause, a fifth of each modality and some cells missing, row 3 altogether; the cause."""
    rng = np.random.default_rng(seed)
    cause = rng.normal(size=rows)
    table = cause[:, None] * np.array([1, 1, -1, 10, 10]) + rng.normal(size=(rows, 5)) / 9
    table[::5, :3] = np.nan
    table[1::5, 3:] = np.nan
    table[4, 1] = np.nan
    table[3] = np.nan
    return table, cause
