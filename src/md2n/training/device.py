"""The device of a computation, and its precision."""

from contextlib import AbstractContextManager, nullcontext

import torch

from md2n.errors import UsageError
from md2n.modality import Task


def choose_device(name: str) -> torch.device:
    """The device of that name on this machine.

    Args:
        name: ``auto`` (CUDA, then MPS, then the CPU), ``cpu``, ``cuda`` or ``mps``.

    Raises:
        UsageError: this machine has none.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    if not present.get(name, False):
        reason = "torch was built without CUDA" if name == "cuda" and torch.version.cuda is None else "none was found"
        raise UsageError(f"device '{name}' is not available: {reason}", "use --device auto, or --device cpu")
    return torch.device(name)


def require_precision(task: Task, device: torch.device) -> None:
    """Refuses a device whose precision blurs the labels.

    Raises:
        UsageError: the label needs float64 (``Task.double``), which MPS does not have.
    """
    if task.double and device.type == "mps":
        raise UsageError(
            f"label '{task.label}' ({task.centre:g}, give or take {task.scale:g}) needs float64, which device 'mps' "
            "does not have",
            "use --device cpu, or subtract the offset from the label",
        )


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context a loss is computed in.

    Args:
        precision: ``float32``, or ``bfloat16`` for matrix products (weights stay float32).
        device: of the model.

    Raises:
        UsageError: bfloat16 elsewhere than on CUDA.
    """
    if precision == "float32":
        return nullcontext()
    if device.type != "cuda":
        raise UsageError(f"precision 'bfloat16' is for CUDA, the device is '{device.type}'", "use float32 here")
    return torch.autocast("cuda", dtype=torch.bfloat16)
