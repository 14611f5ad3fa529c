"""Work in separate processes, one thread each: a piece that kills its process is lost alone.

A process is spawned, prepares once (loads models), and gets one piece at a time.  If it dies (a decoder crashes on a
broken file, memory runs out), its piece comes back as ``Died``, another process takes its place, and the rest goes on.
If the parent dies, its processes lose their connection and end.
"""

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from md2n.errors import Md2nError, RunError

Piece = TypeVar("Piece")
PieceIn = TypeVar("PieceIn", contravariant=True)
ResultOut = TypeVar("ResultOut", covariant=True)
Result = TypeVar("Result")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@runtime_checkable
class Work(Protocol[PieceIn, ResultOut]):
    """What is done to every piece; it is pickled on its way to a process."""

    def prepare(self) -> None:
        """Once in every process, before the first piece.

        Raises:
            Md2nError: nothing can be done; the parent raises the same.
        """
        ...

    def __call__(self, piece: PieceIn, /) -> ResultOut:
        """One piece.

        Raises:
            Md2nError: the whole must stop; the parent raises the same.
        """
        ...


@dataclass(frozen=True)
class Died:
    """What came of a piece whose process died over it."""

    reason: str


@dataclass
class _Hand(Generic[Piece]):
    process: BaseProcess
    line: Connection
    piece: Piece | None = None


def each(work: Work[Piece, Result], pieces: Sequence[Piece], workers: int) -> Iterator[tuple[Piece, Result | Died]]:
    """Every piece with what came of it, in the order in which they are done.

    Args:
        work: what is done.
        pieces: handed out in order.
        workers: processes at a time; 0 does the work in this process.

    Raises:
        Md2nError: the work refused.
        RunError: a process died before its first piece.
    """
    if workers and pieces:
        yield from _in_processes(work, pieces, workers)
        return
    for i, piece in enumerate(pieces):
        if not i:
            work.prepare()
        yield piece, work(piece)


def _in_processes(
    work: Work[Piece, Result], pieces: Sequence[Piece], workers: int
) -> Iterator[tuple[Piece, Result | Died]]:
    hands: list[_Hand[Piece]] = []
    left = deque(pieces)
    try:
        while left or hands:
            while len(hands) < workers and sum(h.piece is None for h in hands) < len(left):
                hands.append(_hired(work))
            for line in wait([h.line for h in hands]):
                hand = next(h for h in hands if h.line is line)
                done, hand.piece = hand.piece, None
                try:
                    refused, answer = hand.line.recv()
                except (EOFError, ConnectionError):
                    hands.remove(hand)
                    reason = _ending(hand.process)
                    if done is None:
                        raise RunError(f"a process of the extraction {reason}", "run it with fewer --workers") from None
                    yield done, Died(f"the process that read it {reason}")
                    continue
                if refused:
                    kind, message, hint = answer
                    raise kind(message, hint)
                # The next piece first: what is done with this one must not keep the process waiting.
                if left:
                    hand.piece = left.popleft()
                    with suppress(ConnectionError):  # it has died since; its line says so in the next round
                        hand.line.send(hand.piece)
                else:
                    hands.remove(hand)
                    hand.line.close()
                if done is not None:
                    yield done, answer
    finally:
        for hand in hands:
            hand.process.terminate()
            hand.process.join()
            hand.line.close()


def _hired(work: Work[Piece, Result]) -> "_Hand[Piece]":
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    with _one_thread():
        process.start()
    theirs.close()
    return _Hand(process, ours)


def _serve(line: Connection, work: Work[Any, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends its processes
    with suppress(EOFError, ConnectionError):  # the parent has gone
        try:
            work.prepare()
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(1)
            line.send((False, None))
            while True:
                line.send((False, work(line.recv())))
        except Md2nError as refusal:
            line.send((True, (type(refusal), refusal.message, refusal.hint)))


def _ending(process: BaseProcess) -> str:
    process.join()
    code = process.exitcode or 0
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was killed by {signal.Signals(-code).name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that are started here have one thread: more would fight over the cores that the others have."""
    before = {k: os.environ.get(k) for k in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
