"""Randomness comes in by argument: one run seed, and one named stream for each thing that draws."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch


def stream_seed(seed: int, *stream: str | int) -> int:
    """A 63-bit seed for the named stream of a run; streams with different names are independent.

    >>> stream_seed(0, "shuffle", 3) == stream_seed(0, "shuffle", 3) != stream_seed(0, "shuffle", 4)
    True
    """
    text = "/".join([str(seed), *map(str, stream)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def sample_keys(ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """``[N]`` 63-bit numbers that say who a sample is, by its id alone: those of one id are the same in any data set.

    >>> sample_keys(np.asarray(["a", "b", "a"])).tolist()[::2] == [stream_seed(0, "sample", "a")] * 2
    True
    """
    return np.asarray([stream_seed(0, "sample", str(i)) for i in ids], np.int64)


def generator(seed: int, *stream: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """A torch generator for the named stream."""
    return torch.Generator(device=device).manual_seed(stream_seed(seed, *stream))


def numpy_generator(seed: int, *stream: str | int) -> np.random.Generator:
    """A NumPy generator for the named stream."""
    return np.random.default_rng(stream_seed(seed, *stream))
