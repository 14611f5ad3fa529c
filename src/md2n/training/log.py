"""The run's log: one JSON object a line, cut back on resume to what the checkpoint knows of.

``log.jsonl`` has only what follows from configuration, data and seed, so two runs of one experiment write the same
bytes, stopped or not.  Times are in ``timing.jsonl``, which is never cut.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from md2n.durable import refused


class RunLog:
    """An append-only file of JSON lines.

    Args:
        path: made when first written to.
        durable: whether ``flush`` waits for the disk.
    """

    def __init__(self, path: Path, durable: bool = True) -> None:
        self.path = path
        self.durable = durable
        self._waiting: list[str] = []

    def write(self, record: Mapping[str, Any]) -> None:
        """Adds a line; it reaches the disk with the next ``flush``."""
        self._waiting.append(json.dumps(record, allow_nan=False) + "\n")

    def flush(self) -> int:
        """Writes the waiting lines to the file.

        Returns:
            The size of the file in bytes: the offset in a checkpoint.

        Raises:
            StorageError: it cannot be written; the lines stay waiting.
        """
        try:
            with self.path.open("ab") as file:
                file.write("".join(self._waiting).encode())
                file.flush()
                if self.durable:
                    os.fsync(file.fileno())
                size = file.tell()
        except OSError as error:
            raise refused(self.path, error) from error
        self._waiting.clear()
        return size

    def cut(self, offset: int) -> bool:
        """Removes everything after ``offset`` bytes.

        Returns:
            False where the file is shorter than that: lines are missing from it.

        Raises:
            StorageError: it cannot be written.
        """
        self._waiting.clear()
        size = self.path.stat().st_size if self.path.exists() else 0
        if size > offset:
            try:
                os.truncate(self.path, offset)
            except OSError as error:
                raise refused(self.path, error) from error
        return size >= offset


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; a last line that a kill cut short is left out."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
