"""Methods from files of other people: one file, one method, named like the file.

The environment variable ``MD2N_METHODS`` lists the files, separated as in ``PATH``.  A file has

    METHOD = MyMethod        a ``MultimodalModel``
    SETTINGS = MySettings    a frozen dataclass; ``FusionConfig`` if it is left out

and runs as any program that its user starts: nothing holds it back.
"""

import importlib
import importlib.util
import os
import sys
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from md2n.errors import UsageError

ENVIRONMENT = "MD2N_METHODS"
TRIED, CLASSES = 4, 3  # samples and classes of a first answer
EXAMPLE = "docs/add-a-method.md has an example"


def files() -> dict[str, Path]:
    """Name of a method -> its file, of all files that the environment lists.

    Raises:
        UsageError: a file that is not there, or whose name cannot be a method's.
    """
    listed = [Path(path) for path in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if path]
    return {name_of(path): path.resolve() for path in listed}


def name_of(path: Path) -> str:
    """The method's name: that of the file.

    Raises:
        UsageError: there is no such Python file, or its name is no identifier.
    """
    if path.suffix != ".py" or not path.is_file():
        raise UsageError(f"'{path}' is no Python file", f"give the file of a method; {EXAMPLE}")
    if not path.stem.isidentifier():
        raise UsageError(f"'{path.name}' cannot name a method", "rename it: letters, digits and _ alone")
    return path.stem


def reachable(path: Path) -> str:
    """Makes a file importable, after everything that is installed; gives the name of its module.

    Raises:
        UsageError: another module has this name.
    """
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    importlib.invalidate_caches()
    spec = importlib.util.find_spec(path.stem)
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != path:
        raise UsageError(f"another module is called '{path.stem}'", f"give {path.name} another name")
    return path.stem


def check(path: Path) -> None:
    """Imports a file, looks at what it offers, and lets its untrained method answer four made samples.

    Raises:
        UsageError: it cannot be imported, or it has no ``METHOD``, or ``SETTINGS`` that are no dataclass, or its
            answers are of a wrong shape.
    """
    from md2n.methods.base import Card, MultimodalModel

    name = reachable(path)
    try:
        module = importlib.import_module(name)
    except Exception as error:  # whatever a stranger's file does
        raise UsageError(f"{path.name} cannot be imported: {type(error).__name__}: {error}", "mend the file") from error
    method = getattr(module, "METHOD", None)
    if not (isinstance(method, type) and issubclass(method, MultimodalModel)):
        raise UsageError(f"{path.name} has no METHOD that is a MultimodalModel", EXAMPLE)
    if not isinstance(getattr(method, "card", None), Card):
        raise UsageError(f"the METHOD of {path.name} has no card", f"say where it is from; {EXAMPLE}")
    settings = getattr(module, "SETTINGS", None)
    if settings is not None and not (isinstance(settings, type) and is_dataclass(settings)):
        raise UsageError(f"the SETTINGS of {path.name} are no dataclass", EXAMPLE)
    shape = _tried(method, settings)
    if shape not in (None, (TRIED, CLASSES)):
        raise UsageError(
            f"the METHOD of {path.name} answers {TRIED} samples of {CLASSES} classes with shape {list(shape or ())}",
            f"give a row for each sample and a column for each class: [{TRIED}, {CLASSES}]",
        )


def _tried(method: Any, settings: Any) -> tuple[int, ...] | None:
    """The shape of what an untrained method predicts; None if it cannot yet, which a run will show."""
    import torch

    from md2n.batch import SequenceBatch
    from md2n.methods.parts.config import FusionConfig
    from md2n.modality import Modality, Schema, Task
    from md2n.seeding import generator

    schema = Schema(
        (Modality("a", 3, 1), Modality("b", 2, 4)), Task("classification", "y", tuple(map(str, range(CLASSES))))
    )
    flags = torch.ones(TRIED, 2, dtype=torch.bool)
    batch = SequenceBatch(
        {m.name: torch.zeros(TRIED, m.length, m.dim) for m in schema.modalities},
        {m.name: torch.ones(TRIED, m.length, dtype=torch.bool) for m in schema.modalities},
        flags,
        flags,
        torch.zeros(TRIED, dtype=torch.long),
        torch.arange(TRIED),
    )
    try:
        with torch.random.fork_rng([]), torch.inference_mode():
            model = method(schema, (settings or FusionConfig)()).eval()
            return tuple(model.predict(batch, generator(0, "trial")).output.shape)
    except Exception:  # whatever a stranger's method does
        return None


def has_settings(path: Path) -> bool:
    """Whether a file says anything of ``SETTINGS``; read, not run."""
    return any(line.startswith("SETTINGS") for line in path.read_text(encoding="utf-8").splitlines())
