"""The run folder of a training in several processes: the first one reads and writes it, the others touch no file.

What the first process reads, or is refused, the others are told (``from_first``).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from md2n.evaluation.certainty import Certainty
from md2n.parallel.group import count, from_first, is_first
from md2n.shapes import Tensor
from md2n.training.checkpoint import Checkpoint, CheckpointStore
from md2n.training.log import RunLog
from md2n.training.rundir import CHECKPOINTS, RunDir, Status


def open_run(path: Path, config: Mapping[str, Any], notice: Callable[[str], None]) -> RunDir:
    """The run folder for training in it; arguments as in ``RunDir``."""
    return RunDir(path, config, notice) if count() == 1 else SharedRun(path, config, notice)


class SharedRun(RunDir):
    """A ``RunDir`` for every process; arguments and errors are those of ``RunDir``."""

    def __init__(self, path: Path, config: Mapping[str, Any], notice: Callable[[str], None]) -> None:
        super().__init__(path, config, notice)
        self.checkpoints = SharedCheckpoints(path / CHECKPOINTS, notice)
        if not is_first():
            self.log = self.timing = NoLog(path)

    def __enter__(self) -> "SharedRun":
        from_first(lambda: str(RunDir.__enter__(self)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if is_first():
            super().__exit__(kind, error, trace)

    def describe(self, schema: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        from_first(lambda: RunDir.describe(self, schema, data))

    def record(self, status: Status, **facts: Any) -> None:
        if is_first():
            super().record(status, **facts)

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        if is_first():
            super().save_tensors(name, tensors, facts)

    def save_certainty(self, certainty: Certainty) -> None:
        if is_first():
            super().save_certainty(certainty)

    def finish(self, weights: Mapping[str, Tensor], **facts: Any) -> Path:
        return from_first(lambda: RunDir.finish(self, weights, **facts))


class SharedCheckpoints(CheckpointStore):
    """A ``CheckpointStore`` for every process."""

    def save(self, checkpoint: Checkpoint) -> None:
        if is_first():
            super().save(checkpoint)

    def newest(self) -> Checkpoint | None:
        return from_first(lambda: CheckpointStore(self.folder, self.notice).newest())

    def load(self, name: str) -> Checkpoint:
        return from_first(lambda: CheckpointStore(self.folder, self.notice).load(name))

    def clear(self) -> None:
        if is_first():
            super().clear()


class NoLog(RunLog):
    """The log of a process that does not write."""

    def write(self, record: Mapping[str, Any]) -> None: ...

    def flush(self) -> int:
        return 0

    def cut(self, offset: int) -> bool:
        return True
