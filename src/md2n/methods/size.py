"""How large a method may be: a number in a file is not believed before memory is taken for it.

A configuration or a schema can ask for a billion layers.  Settings that count something are held to ``LARGEST``, and
while a method is built its parameters are counted as they are made, before they get their first values.  No torch is
imported here until something is built.
"""

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from md2n.errors import ConfigError
from md2n.modality import Schema

LARGEST = 1 << 14  # of a setting that counts something; the widest layer of a published method has some thousands
MOST_PARAMETERS = 1 << 27  # numbers: half a gigabyte, and four times that in training
MOST_TENSORS = 20_000  # of parameters, which bounds layers
WIDEST = 1 << 24  # features of a modality, or frames of a sequence
SMALLER = "choose smaller widths, fewer layers, or fewer features"


def check_sizes(settings: Any, where: str) -> None:
    """Refuses settings that count more than any method has.

    Args:
        settings: a configuration, with others nested in it.
        where: its dotted path, for the message.

    Raises:
        ConfigError: a whole number beyond ``LARGEST``.
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
    """While a method is built inside: ends it where it becomes too large.

    Args:
        name: of the method, for the message.
        schema: it is built for.

    Raises:
        ConfigError: more parameters than ``MOST_PARAMETERS``, more tensors than ``MOST_TENSORS``, a modality beyond
            ``WIDEST``, or more memory than there is.
    """
    from torch.nn.modules import module

    for modality in schema.modalities:
        if max(modality.dim, modality.length) > WIDEST:
            raise ConfigError(
                f"modality '{modality.name}' has {modality.dim} features and {modality.length} frames, more than a "
                f"method is built for ({WIDEST})",
                "split its sequences, or reduce its features",
            )
    here, numbers, tensors = threading.get_ident(), 0, 0

    def count(owner: Any, key: str, tensor: Any) -> None:
        nonlocal numbers, tensors
        if tensor is None or threading.get_ident() != here:
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
        # torch reports memory that it cannot have as a RuntimeError that says so.
        if isinstance(error, RuntimeError) and "allocate" not in str(error) and "memory" not in str(error):
            raise
        raise ConfigError(f"'{name}' would take more memory than there is", SMALLER) from error
    finally:
        for hook in hooks:
            hook.remove()
