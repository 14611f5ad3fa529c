"""The run folder: everything that is known of one training, whole at every moment.

========================  ===============================================================================
``config.json``           the resolved configuration, written before the first step
``schema.json``           modalities in their order, and the task
``normaliser.*``          what features were normalised with (``.safetensors`` and ``.json``)
``run.json``              status, data checksum, seed, versions, sha256 of the weights and of the files above
``log.jsonl``             steps and epochs; ``timing.jsonl`` when they were done
``checkpoints/``          where to go on from, until training is done
``certainty.json``        how sure predictions may be, once training is done; absent where that is not calibrated
``model.safetensors``     the chosen weights, once training is done
========================  ===============================================================================

``files`` in ``run.json`` has the sha256 of a file's content before and now, written before the file is: a process
killed between the two leaves a file that has one of them.  Runs of an older md2n have no sha256 there; their files are
read unchecked.  Reading needs no lock.
"""

import datetime
import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from md2n.config import from_mapping, to_mapping
from md2n.durable import encode_json, make_directory, tidy, write_bytes, write_json
from md2n.errors import RunError
from md2n.evaluation.certainty import Certainty
from md2n.reading import parse_json, read_bytes, read_json, reading
from md2n.shapes import Tensor
from md2n.training.checkpoint import CheckpointStore
from md2n.training.lock import FolderLock
from md2n.training.log import RunLog
from md2n.training.run_identity import ROUNDING, check_same, check_same_data, differences, identity_hash
from md2n.training.versions import versions
from md2n.training.weights import decode_tensors, encode_tensors

CONFIG, SCHEMA, RUN, MODEL, LOCK = "config.json", "schema.json", "run.json", "model.safetensors", ".lock"
CHECKPOINTS, NORMALISER, CELLS, CERTAINTY = "checkpoints", "normaliser", "cells", "certainty.json"
FILES = "files"  # in run.json
LEAVINGS = {"failed.json", "tensorboard"}  # what md2n may have written before a run began
LARGEST_BYTES = 1 << 36  # of weights
RESTORE = "restore the file, or train again"
# Types of the facts in run.json that md2n reads, where they are there.
TYPES = {"status": str, "seed": int, "config_hash": str, "data": dict, "versions": dict, "model_sha256": str}

Status = Literal["running", "stopped", "failed", "done"]


class RunDir:
    """A run folder opened for training; a context manager that holds its lock.

    Args:
        path: the folder; made if absent.
        config: the resolved configuration as nested tables, with ``seed`` at the top.
        notice: receives sentences that a person should read.

    Raises:
        RunError: the folder holds a run of another configuration, or something that is no run; or another process
            trains in it (on entering).
        StorageError: it cannot be written.
    """

    def __init__(
        self, path: Path, config: Mapping[str, Any], notice: Callable[[str], None] = lambda text: None
    ) -> None:
        self.path = path
        self.config = dict(config)
        self.notice = notice
        self.checkpoints = CheckpointStore(path / CHECKPOINTS, notice)
        self.log = RunLog(path / "log.jsonl")
        self.timing = RunLog(path / "timing.jsonl", durable=False)
        self._lock = FolderLock(path / LOCK)

    def __enter__(self) -> "RunDir":
        names = {p.name for p in self.path.iterdir()} if self.path.is_dir() else set()
        if not names & {LOCK, CONFIG} and names - LEAVINGS:
            raise RunError(f"{self.path} is not empty and holds no run", "give a new or an empty folder to --out")
        make_directory(self.path)
        self._lock.__enter__()
        try:
            tidy(self.path)
            self._claim()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.__exit__(kind, error, trace)

    def _claim(self) -> None:
        if is_begun(self.path):
            before = read_config(self.path)
            check_same(self.path, before, self.config)
            for text in differences(before, self.config, only=ROUNDING):
                self.notice(f"{text}: bits may differ from here on")
            if before == self.config:
                return
        write_file(self.path, CONFIG, encode_json(self.config))

    def describe(self, schema: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Records what is trained on, before the first step; when a run goes on, the data are compared.

        Args:
            schema: modalities (a list, in order) and task.
            data: ``name`` and ``checksum`` at least.

        Raises:
            RunError: the data are not the ones this run began with.
        """
        begun = read_run(self.path) if is_begun(self.path) else None
        if begun:
            check_same_data(self.path, begun.get("data"), data)
            files = begun.get(FILES, {})
        else:
            files = {CONFIG: [_sha256((self.path / CONFIG).read_bytes())]}
        facts = {
            "format": 1,
            "status": "running",
            "seed": int(self.config["seed"]),
            "config_hash": identity_hash(self.config),
            "data": dict(data),
            "versions": versions(),
            "began": begun["began"] if begun else _now(),
            FILES: files,
        }
        write_json(self.path / RUN, facts)
        write_file(self.path, SCHEMA, encode_json(dict(schema)))

    def record(self, status: Status, **facts: Any) -> None:
        """Sets the status in ``run.json``, and further facts.

        Raises:
            StorageError: it cannot be written.
        """
        write_json(self.path / RUN, read_run(self.path) | {"status": status, "changed": _now()} | facts)

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Writes ``name.safetensors`` and ``name.json``, and their sha256.

        Raises:
            StorageError: they cannot be written.
        """
        write_file(self.path, f"{name}.safetensors", encode_tensors(tensors))
        write_file(self.path, f"{name}.json", encode_json(dict(facts)))

    def save_certainty(self, certainty: Certainty) -> None:
        """Writes how sure the predictions of the chosen weights may be.

        Raises:
            StorageError: it cannot be written.
        """
        write_file(self.path, CERTAINTY, encode_json(to_mapping(certainty)))

    def finish(self, weights: Mapping[str, Tensor], **facts: Any) -> Path:
        """Writes the chosen weights and marks the run done.

        Args:
            weights: the model's whole state.
            facts: what else ``run.json`` should say: scores, steps.

        Returns:
            The path of ``model.safetensors``.

        Raises:
            StorageError: it cannot be written.
        """
        content = encode_tensors(weights)
        write_bytes(self.path / MODEL, content)
        self.record("done", model_sha256=_sha256(content), **facts)
        return self.path / MODEL

    def clock(self, event: str, **facts: Any) -> None:
        """Writes a line of ``timing.jsonl``."""
        self.timing.write({"event": event, "time": _now(), **facts})
        self.timing.flush()


def tidy_finished(path: Path) -> None:
    """Removes what a killed process left in the folder of a finished run, unless another process works there.

    Raises:
        StorageError: it cannot be removed.
    """
    with suppress(RunError), FolderLock(path / LOCK):
        tidy(path)
        CheckpointStore(path / CHECKPOINTS, lambda text: None).clear()


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
        sha256 = _sha256(read_bytes(path / MODEL, LARGEST_BYTES))
    return facts.get("status") == "done" and facts.get("model_sha256") == sha256


def read_config(path: Path) -> dict[str, Any]:
    """The resolved configuration of a run folder.

    Raises:
        RunError: absent, damaged or changed.
    """
    return _read(path, CONFIG)


def read_schema(path: Path) -> dict[str, Any]:
    """The schema of a run folder, as tables.

    Raises:
        RunError: absent, damaged or changed.
    """
    return _read(path, SCHEMA)


def read_certainty(path: Path) -> Certainty | None:
    """How sure the predictions of a run may be; None where that was not calibrated, as in a run of an older md2n.

    Raises:
        RunError: damaged or changed.
        ConfigError: another table.
    """
    return from_mapping(Certainty, _read(path, CERTAINTY)) if (path / CERTAINTY).exists() else None


def read_run(path: Path) -> dict[str, Any]:
    """The facts of a run folder: status, data, seed, versions.

    Raises:
        RunError: absent or damaged.
    """
    facts = _read(path, RUN)
    for key, kind in TYPES.items():
        if not isinstance(facts.get(key, kind()), kind):
            raise RunError(f"'{path / RUN}': {key} is a {type(facts[key]).__name__}, not a {kind.__name__}", RESTORE)
    return facts


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


def write_file(path: Path, name: str, content: bytes) -> None:
    """Writes a file of a run folder, after its sha256 where the folder has a ``run.json`` already.

    Raises:
        StorageError: it cannot be written.
        RunError: ``run.json`` is damaged.
    """
    facts = _facts(path)
    if facts is not None:
        before, now = _digests(facts, name)[-1:], _sha256(content)
        files = facts[FILES] if isinstance(facts.get(FILES), dict) else {}
        digests = before if before == [now] else [*before, now]
        write_json(path / RUN, {**facts, FILES: {**files, name: digests}})
    write_bytes(path / name, content)


def _checked(path: Path, name: str) -> bytes:
    """The content of a file that has the sha256 in ``run.json``, if one is there."""
    content = read_bytes(path / name, LARGEST_BYTES)
    digests = _digests(_facts(path) or {}, name)
    if digests and _sha256(content) not in digests:
        raise RunError(
            f"{path / name} is not what md2n wrote: its checksum differs from that in {RUN}",
            "restore the file, or train into another folder",
        )
    return content


def _facts(path: Path) -> dict[str, Any] | None:
    """``run.json``; None where there is none yet."""
    with reading(path / RUN, RunError, RESTORE):
        return read_run(path) if (path / RUN).exists() else None


def _digests(facts: Mapping[str, Any], name: str) -> list[str]:
    files = facts.get(FILES)
    digests = files.get(name) if isinstance(files, dict) else None
    return [str(d) for d in digests] if isinstance(digests, list) else []


def _tensors(path: Path, name: str) -> dict[str, Tensor]:
    with reading(path / name, RunError, RESTORE):
        return decode_tensors(_checked(path, name), path / name)


def _read(path: Path, name: str) -> dict[str, Any]:
    """The JSON object in a file of a run folder."""
    if not path.is_dir():
        raise RunError(f"there is no run folder {path}", "give the folder that `md2n train --out` wrote")
    with reading(path / name, RunError, RESTORE):
        if not (path / name).exists():
            raise RunError(f"{path} has no {name}", "give the folder that `md2n train --out` wrote")
        value = read_json(path / name) if name == RUN else parse_json(_checked(path, name))
    if not isinstance(value, dict):
        raise RunError(f"{path / name} holds no JSON object", RESTORE)
    return value


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
