"""Limits on the size of a method, checked before memory is allocated.

A faulty configuration or schema can ask for a billion layers.  Integer settings are at most ``LARGEST``.  While a
method is built, its parameters are counted as they are registered, before they get their first values.  This module
imports torch only when a method is built.
"""

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from md2n.errors import ConfigError
from md2n.modality import Schema

LARGEST = 1 << 14  # largest integer setting; the widest layer of a published method has some thousands of units
MOST_PARAMETERS = 1 << 27  # half a gigabyte, and four times as much in training
MOST_TENSORS = 20_000  # parameter tensors; bounds the number of layers
WIDEST = 1 << 24  # features of a modality, or frames of a sequence
SMALLER = "choose smaller widths, fewer layers, or fewer features"


def check_sizes(settings: Any, where: str) -> None:
    """Refuses integer settings that are larger than any method needs.

    Args:
        settings: a configuration, possibly with nested configurations.
        where: its dotted path, for the message.

    Raises:
        ConfigError: an integer is larger than ``LARGEST``.
    """
    for field in dataclasses.fields(settings):
        value, path = getattr(settings, field.name), f"{where}.{field.name}" if where else field.name
        if dataclasses.is_dataclass(value):
            check_sizes(value, path)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int) and abs(number) > LARGEST:
                raise ConfigError(f"{path} = {number} is larger than any method needs", f"at most {LARGEST}")


@contextmanager
def bounded(name: str, schema: Schema) -> Iterator[None]:
    """Context in which a method is built; stops the building of a method that becomes too large.

    Args:
        name: name of the method, for the message.
        schema: modalities and task of the method.

    Raises:
        ConfigError: more parameters than ``MOST_PARAMETERS``, more tensors than ``MOST_TENSORS``, a modality larger
            than ``WIDEST``, or not enough memory.
    """
    from torch.nn.modules import module

    for modality in schema.modalities:
        if max(modality.dim, modality.length) > WIDEST:
            raise ConfigError(
                f"modality '{modality.name}' has {modality.dim} features and {modality.length} frames, more than a "
                f"method is built for ({WIDEST})",
                "split its sequences, or reduce its features",
            )
    thread, numbers, tensors = threading.get_ident(), 0, 0

    def count(owner: Any, key: str, tensor: Any) -> None:
        nonlocal numbers, tensors
        if tensor is None or threading.get_ident() != thread:
            return
        numbers, tensors = numbers + tensor.numel(), tensors + 1
        if numbers > MOST_PARAMETERS or tensors > MOST_TENSORS:
            raise ConfigError(f"'{name}' would have more than {numbers} parameters in {tensors} tensors", SMALLER)

    hooks = [
        module.register_module_parameter_registration_hook(count),
        module.register_module_buffer_registration_hook(count),
    ]
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # torch reports a failed allocation as a RuntimeError whose text says so.
        if isinstance(error, RuntimeError) and "allocate" not in str(error) and "memory" not in str(error):
            raise
        raise ConfigError(f"'{name}' would take more memory than there is", SMALLER) from error
    finally:
        for hook in hooks:
            hook.remove()
