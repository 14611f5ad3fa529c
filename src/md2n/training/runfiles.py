"""What stands in a run folder, and reading it; reading needs no lock, and checks what ``run.json`` vouches for."""

import hashlib
from pathlib import Path
from typing import Any

from md2n.errors import RunError
from md2n.reading import parse_json, read_bytes, read_json, reading
from md2n.shapes import Tensor
from md2n.training.vouching import LARGEST_BYTES, RESTORE, RUN, checked
from md2n.training.weights import decode_tensors

CONFIG, SCHEMA, MODEL, LOCK = "config.json", "schema.json", "model.safetensors", ".lock"
CHECKPOINTS, NORMALISER, CELLS = "checkpoints", "normaliser", "cells"
# What md2n itself reads of a run's facts, where they are there.
KINDS: dict[str, dict[str, type]] = {
    RUN: {"status": str, "seed": int, "config_hash": str, "data": dict, "versions": dict, "model_sha256": str},
}


def is_begun(path: Path) -> bool:
    """True where there is something to go on from: a checkpoint, or the chosen weights.

    A folder in which nothing was saved yet may be used for another configuration.
    """
    saved = (path / CHECKPOINTS).is_dir() and any((path / CHECKPOINTS).iterdir())
    return (path / CONFIG).exists() and (saved or (path / MODEL).exists())


def is_finished(path: Path) -> bool:
    """True where training is done and the chosen weights are whole."""
    if not (path / RUN).exists() or not (path / MODEL).exists():
        return False
    facts = read_run(path)
    with reading(path / MODEL, RunError, RESTORE):
        sha = hashlib.sha256(read_bytes(path / MODEL, LARGEST_BYTES)).hexdigest()
    return facts.get("status") == "done" and facts.get("model_sha256") == sha


def read_config(path: Path) -> dict[str, Any]:
    """The resolved configuration of a run folder.

    Raises:
        RunError: absent, damaged or changed.
    """
    return _read(path, CONFIG)


def read_run(path: Path) -> dict[str, Any]:
    """The facts of a run folder: status, data, seed, versions.

    Raises:
        RunError: absent or damaged.
    """
    return _read(path, RUN)


def read_schema(path: Path) -> dict[str, Any]:
    """The schema of a run folder, as tables.

    Raises:
        RunError: absent, damaged or changed.
    """
    return _read(path, SCHEMA)


def read_tensors(path: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What ``RunDir.save_tensors`` wrote: tensors and facts.

    Raises:
        RunError: absent, damaged or changed.
    """
    facts = _read(path, f"{name}.json")
    return _tensors(path, f"{name}.safetensors"), facts


def read_weights(path: Path) -> dict[str, Tensor]:
    """The chosen weights of a finished run, checked against their sha256.

    Raises:
        RunError: training is not done, or the file is damaged.
    """
    facts = read_run(path)
    if not (path / MODEL).exists():
        raise RunError(
            f"{path} has no trained model yet (status: {facts.get('status')})",
            "give the same `md2n train` command again: it goes on where it was",
        )
    if not is_finished(path):
        raise RunError(
            f"{path / MODEL} is not what training wrote",
            "restore the file, or give the same `md2n train` command again: it trains again, to the same bits",
        )
    return _tensors(path, MODEL)


def _tensors(path: Path, name: str) -> dict[str, Tensor]:
    with reading(path / name, RunError, RESTORE):
        return decode_tensors(checked(path, name), path / name)


def _read(path: Path, name: str) -> dict[str, Any]:
    if not path.is_dir():
        raise RunError(f"there is no run folder {path}", "give the folder that `md2n train --out` wrote")
    with reading(path / name, RunError, RESTORE):
        if not (path / name).exists():
            raise RunError(f"{path} has no {name}", "give the folder that `md2n train --out` wrote")
        value = read_json(path / name) if name == RUN else parse_json(checked(path, name))
    if not isinstance(value, dict):
        raise RunError(f"{path / name} holds no JSON object", RESTORE)
    for key, kind in KINDS.get(name, {}).items():
        if not isinstance(value.get(key, kind()), kind):
            raise RunError(f"'{path / name}': {key} is a {type(value[key]).__name__}, not a {kind.__name__}", RESTORE)
    return value
