"""``md2n train`` in two processes with the environment that torchrun gives them, on sixty digits."""

import multiprocessing
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from md2n.cli import main
from md2n.cli.progress import watch  # noqa: F401 - likewise
from md2n.data import digits
from md2n.data.ready import load_datasets
from md2n.experiment.config import resolve
from md2n.methods.catalogue import build
from md2n.methods.parts.config import FusionConfig
from md2n.training.loop import Loop
from tests.serve.trained import settings, sixty_digits

# Imports what is put off: once, not in every process.
torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
main.command("train")
build("modality_dropout", load_datasets(sixty_digits(), resolve(None, data="digits").data).schema, FusionConfig())
WORDS = ["train", "--data", "digits", "--model", "modality_dropout", "--out", "run"]


@dataclass(frozen=True)
class Fate:
    """A signal that a process sends itself before a step, counted from 0."""

    rank: int
    step: int
    number: int


@dataclass(frozen=True)
class Ended:
    """How one of the processes ended."""

    code: int
    out: str
    err: str


def _member(number: int, port: int, words: list[str], fate: Fate | None) -> None:
    torch.set_num_threads(1)
    os.fsync = lambda handle: None
    place = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in place.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "test"}
    digits.load_digits = sixty_digits
    if fate is not None and fate.rank == number:
        step = Loop.step

        def fatal(loop: Loop, positions: object) -> None:
            if loop.progress.step == fate.step:
                os.kill(os.getpid(), fate.number)
            step(loop, positions)  # type: ignore[arg-type]

        Loop.step = fatal  # type: ignore[method-assign]
    for handle, name in ((1, "out.txt"), (2, "err.txt")):
        os.dup2(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), handle)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    main.run(words)


def _begin(folder: str, *rest: object) -> None:
    os.chdir(folder)
    _member(*rest)  # type: ignore[arg-type]


def in_job(folder: Path, *more: str, fate: Fate | None = None, processes: int = 2) -> list[Ended]:
    """Runs ``md2n train`` and waits for its end.

    Args:
        folder: each process works in a folder of its own there, with the run in ``run``.
        more: arguments.
        fate: of one of them.
        processes: one of them alone trains by itself.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.parallel.job", "tests.parallel.pair"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [*WORDS, *(w for s in settings("modality_dropout") for w in ("--set", s)), *more]
    places = [folder / str(rank) for rank in range(2)][:processes]
    members = []
    for rank, place in enumerate(places):
        place.mkdir(parents=True, exist_ok=True)
        task, known = (_begin, (rank, port, words, fate)) if processes > 1 else (_alone, (words,))
        members.append(context.Process(target=task, args=(str(place), *known)))
    for member in members:
        member.start()
    for member in members:
        member.join(120)
        member.kill()
        member.join()
    texts = [[(place / name).read_text(encoding="utf-8") for name in ("out.txt", "err.txt")] for place in places]
    return [Ended(int(member.exitcode or 0), *text) for member, text in zip(members, texts)]


def _alone(folder: str, words: list[str]) -> None:
    os.chdir(folder)
    for handle, name in ((1, "out.txt"), (2, "err.txt")):
        os.dup2(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), handle)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    digits.load_digits = sixty_digits
    main.run(words)
