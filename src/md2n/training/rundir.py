"""The run folder: everything that is known of one training, whole at every moment.

========================  ===============================================================================
``config.json``           the resolved configuration, written before the first step
``schema.json``           modalities in their order, and the task
``normaliser.*``          what features were normalised with (``.safetensors`` and ``.json``)
``run.json``              status, data checksum, seed, versions, sha256 of the weights and of the files above
``log.jsonl``             steps and epochs; ``timing.jsonl`` what the clock said of them
``checkpoints/``          where to go on from, until training is done
``model.safetensors``     the chosen weights, once training is done
========================  ===============================================================================
"""

import datetime
import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from md2n.durable import encode_json, make_directory, tidy, write_bytes, write_json
from md2n.errors import RunError
from md2n.shapes import Tensor
from md2n.training.checkpoint import CheckpointStore
from md2n.training.lock import FolderLock
from md2n.training.log import RunLog
from md2n.training.run_identity import ROUNDING, check_same, check_same_data, differences, identity_hash
from md2n.training.runfiles import CHECKPOINTS, CONFIG, LOCK, MODEL, SCHEMA, is_begun, read_config, read_run
from md2n.training.versions import versions
from md2n.training.vouching import FILES, RUN, put, vouched
from md2n.training.weights import encode_tensors

# What md2n itself may have put into a folder before a run began there.
LEAVINGS = {"failed.json", "tensorboard"}

Status = Literal["running", "stopped", "failed", "done"]


class RunDir:
    """A run folder opened for training; a context manager that holds its lock.

    Args:
        path: the folder; made if absent.
        config: the resolved configuration as nested tables, with ``seed`` at the top.
        notice: told, in a sentence, what a person should know.

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
        put(self.path, CONFIG, encode_json(self.config))

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.config["seed"])

    def describe(self, schema: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Records what is trained on; before the first step, and checked when a run goes on.

        Args:
            schema: modalities (a list, in order) and task.
            data: ``name`` and ``checksum`` at least.

        Raises:
            RunError: the data are not the ones this run began with.
        """
        begun = read_run(self.path) if is_begun(self.path) else None
        if begun:
            check_same_data(self.path, begun.get("data"), data)
        facts = {
            "format": 1,
            "status": "running",
            "seed": self.seed,
            "config_hash": identity_hash(self.config),
            "data": dict(data),
            "versions": versions(),
            "began": begun["began"] if begun else _now(),
            FILES: begun.get(FILES, {}) if begun else vouched(self.path, (CONFIG,)),
        }
        write_json(self.path / RUN, facts)
        put(self.path, SCHEMA, encode_json(dict(schema)))

    def record(self, status: Status, **facts: Any) -> None:
        """Sets the status in ``run.json``, and further facts.

        Raises:
            StorageError: it cannot be written.
        """
        write_json(self.path / RUN, read_run(self.path) | {"status": status, "changed": _now()} | facts)

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Writes ``name.safetensors`` and ``name.json``; ``run.json`` vouches for both.

        Raises:
            StorageError: they cannot be written.
        """
        put(self.path, f"{name}.safetensors", encode_tensors(tensors))
        put(self.path, f"{name}.json", encode_json(dict(facts)))

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
        self.record("done", model_sha256=hashlib.sha256(content).hexdigest(), **facts)
        return self.path / MODEL

    def clock(self, event: str, **facts: Any) -> None:
        """A line of ``timing.jsonl``."""
        self.timing.write({"event": event, "time": _now(), **facts})
        self.timing.flush()


def tidy_finished(path: Path) -> None:
    """Removes what a killed process left in the folder of a finished run; nothing where another process is at work.

    Raises:
        StorageError: it cannot be removed.
    """
    with suppress(RunError), FolderLock(path / LOCK):
        tidy(path)
        CheckpointStore(path / CHECKPOINTS, lambda text: None).clear()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
