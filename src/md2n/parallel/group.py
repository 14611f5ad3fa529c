"""The processes of one training, which ``torchrun`` starts: their number, and what they say to one another.

All of them run the same program on the same data with the same seed.  They meet in collective calls, which every one
has to make in the same order.  The first process, of rank 0, decides what depends on anything else: on what is in the
run folder, on the clock, on a signal.  In a single process nothing here does anything.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

from md2n.errors import InterruptedRun, LostProcess, Md2nError, UsageError
from md2n.shapes import Tensor

STARTED = "TORCHELASTIC_RUN_ID"  # torchrun sets it in the processes it starts
T = TypeVar("T")
all_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor  # its name before torch 2.13


def count() -> int:
    """Number of processes; 1 outside ``joined``."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if count() > 1 else 0


def is_first() -> bool:
    """Whether this process writes: one does."""
    return rank() == 0


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Within the block the processes that torchrun started are one training; without torchrun it does nothing.

    Args:
        device: kind of device that the training is for.  On ``cuda`` every process of a machine has a GPU of its own
            and they talk through NCCL, on ``cpu`` through Gloo.

    Raises:
        UsageError: fewer GPUs than processes on this machine, or another kind of device.
        LostProcess: another process ended.
    """
    if STARTED not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if device not in ("cpu", "cuda"):
        raise UsageError(f"several processes cannot train on device '{device}'", "use --device cpu, or one process")
    if device == "cuda":
        place, present = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if place >= present:
            raise UsageError(
                f"{os.environ['LOCAL_WORLD_SIZE']} processes on this machine share {present} GPU(s)",
                f"give torchrun --nproc-per-node {present}, or use --device cpu",
            )
        torch.cuda.set_device(place)
    with _talking():
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield
    except InterruptedRun as stop:
        if is_first():
            raise
        raise SystemExit(stop.exit_code) from stop  # the first process says it for all
    except Md2nError as error:
        if not is_first():
            error.message = f"process {rank()}: {error.message}"
        raise
    finally:
        dist.destroy_process_group()


def from_first(compute: Callable[[], T]) -> T:
    """What the first process computes, in all of them; the others do not call ``compute``.

    Args:
        compute: gives anything that can be pickled.

    Raises:
        Md2nError: what ``compute`` raised in the first process, in the others with its text.
        LostProcess: another process ended.
    """
    if count() == 1:
        return compute()
    answer: list[object] = [None, None]
    refusal: Md2nError | None = None
    if is_first():
        try:
            answer[0] = compute()
        except Md2nError as error:
            refusal = error
            answer[1] = (error.message, error.hint, error.exit_code)
    with _talking():
        dist.broadcast_object_list(answer, src=0, device=_device())
    if refusal is not None:
        raise refusal
    if isinstance(answer[1], tuple):
        message, hint, code = answer[1]
        other = Md2nError(message, hint)
        other.exit_code = code
        raise other
    return answer[0]  # type: ignore[return-value]  # it went through the first process's T


def agreed(stop_wanted: Callable[[], str]) -> Callable[[], str]:
    """``stop_wanted`` such that all processes stop after the same step: once one of them has a signal.

    Args:
        stop_wanted: gives the name of a signal, or the empty string.
    """
    if count() == 1:
        return stop_wanted

    def of_any() -> str:
        name = stop_wanted()
        number = torch.tensor(int(signal.Signals[name]) if name else 0, device=_device())
        with _talking():
            dist.all_reduce(number, dist.ReduceOp.MAX)
        return signal.Signals(int(number)).name if int(number) else ""

    return of_any


@torch.no_grad()
def mean_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces every gradient by its mean over the processes; a parameter without one in any of them keeps none.

    Raises:
        LostProcess: another process ended.
    """
    trained = list(parameters)
    if count() == 1 or not trained:
        return
    there = torch.tensor([p.grad is not None for p in trained]).to(trained[0])
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
    every = torch.cat([there, *(g.flatten() for g in gradients)])  # one call, however many parameters
    with _talking():
        dist.all_reduce(every)
    every /= count()
    flags, *parts = torch.split(every, [len(trained), *(p.numel() for p in trained)])
    for p, flag, part in zip(trained, flags.tolist(), parts):
        p.grad = part.view_as(p) if flag else None


def gathered(own: Tensor, sizes: list[int]) -> Tensor:
    """The rows of all processes, in the order of their ranks.

    Args:
        own: ``[sizes[rank], ...]`` of this process.
        sizes: rows of each process.

    Raises:
        LostProcess: another process ended.
    """
    if own.dtype == torch.bool:  # Gloo has no such numbers
        return gathered(own.to(torch.uint8), sizes).bool()
    most = max(sizes)
    padded = own.contiguous()
    if len(own) < most:
        padded = torch.cat([padded, own.new_zeros((most - len(own), *own.shape[1:]))])
    everyone = own.new_empty((len(sizes) * most, *own.shape[1:]))
    with _talking():
        all_gather(everyone, padded)
    if min(sizes) == most:
        return everyone
    return torch.cat([rows[:size] for rows, size in zip(torch.split(everyone, most), sizes)])


def _device() -> torch.device:
    """Where what is said has to be."""
    nccl = dist.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if nccl else torch.device("cpu")


@contextmanager
def _talking() -> Iterator[None]:
    """Names the error of a call that the other processes do not answer any more."""
    try:
        yield
    except RuntimeError as error:
        raise LostProcess(
            "another process of this training ended, or does not answer",
            "look at what the other processes printed; the same command goes on from the last checkpoint",
        ) from error
