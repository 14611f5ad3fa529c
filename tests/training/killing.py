"""Training in a process that kills itself with SIGKILL at a chosen moment of writing, as a power cut would."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from md2n import durable
from md2n.training.log import RunLog
from tests.training.dummies import QUICK, Linear, Staged, do_train

torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])  # imports what torch puts off: once, not in every process
KINDS = {"linear": Linear, "staged": Staged}


def train_until(moment: int, path: str, kind: str, checkpoint_s: float) -> None:
    """Trains; dies at the moment of that number, counting from 0 everything that touches the disk."""
    torch.set_num_threads(1)
    os.fsync = lambda handle: None
    left = [moment]

    def now() -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **named: Any) -> Any:
            now()
            result = function(*args, **named)
            now()
            return result

        return wrapped

    def write(path: Path, content: bytes) -> None:
        now()
        path.write_bytes(content[: len(content) // 2])
        now()
        path.write_bytes(content)
        now()

    def flush(log: RunLog) -> int:
        waiting = "".join(log._waiting)
        with log.path.open("a") as file:
            file.write(waiting[: len(waiting) // 2])
            file.flush()
            now()
            file.write(waiting[len(waiting) // 2 :])
        log._waiting.clear()
        now()
        return log.path.stat().st_size

    durable._write = write
    RunLog.flush = flush  # type: ignore[method-assign]
    os.rename, os.replace, os.truncate = around(os.rename), around(os.replace), around(os.truncate)
    shutil.rmtree = around(shutil.rmtree)  # type: ignore[assignment]
    do_train(Path(path), replace(QUICK, epochs=3, checkpoint_s=checkpoint_s), KINDS[kind])
