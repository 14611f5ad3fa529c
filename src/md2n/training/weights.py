"""A model's weights as safetensors: the whole state, parameters and buffers, by name."""

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from md2n.errors import RunError
from md2n.reading import reading
from md2n.shapes import Tensor


def state_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The model's whole state on the CPU, copied, so that tied weights are stored under each of their names."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], source: str = "the checkpoint") -> None:
    """Loads a whole state, every name and shape as the model has them.

    Args:
        model: gets the weights, on its own device.
        weights: as ``state_tensors`` gives them.
        source: where they come from, for the message.

    Raises:
        RunError: names or shapes differ.
    """
    first = next(model.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    try:
        model.load_state_dict({name: value.to(device) for name, value in weights.items()})
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise RunError(f"{source} does not fit the model: {reason}", "was it written by another md2n?") from error


@torch.no_grad()
def load_parameters(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Copies values into the parameters of the same names."""
    for name, p in model.named_parameters():
        p.copy_(values[name])


def encode_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """The bytes of a safetensors file; equal tensors give equal bytes."""
    content: bytes = safetensors.torch.save({name: value.cpu().contiguous() for name, value in tensors.items()})
    return content


def decode_tensors(content: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors in the bytes of a safetensors file.

    Args:
        content: of the file.
        path: of the file, for the message.

    Raises:
        RunError: not safetensors, or truncated.
    """
    with reading(path, RunError, "restore it, or train again", "is not a whole safetensors file"):
        tensors: dict[str, Tensor] = safetensors.torch.load(content)
    return tensors
