"""How cost grows: a training step, a prediction and a recovery over modalities, frames, rows and network calls.

All points of a round are measured one after another, and the rounds repeated, so that what else the machine does is
spread over them.  CPU-seconds of one thread; every round is kept, and the page takes medians.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from benchmarks.costs import BATCH, random_batch
from md2n.batch import SequenceBatch
from md2n.experiment.config import resolve
from md2n.methods.base import MultimodalModel
from md2n.methods.catalogue import build, config_class
from md2n.methods.md2n.model import MD2N
from md2n.missing import draw_available
from md2n.modality import Modality, Schema, Task
from md2n.seeding import generator

ROUNDS = 5
MODALITIES = (2, 3, 4, 5, 6, 7, 8)
FRAMES = (1, 5, 10, 25, 50, 100, 200, 400)
ROWS = (100, 1_000, 10_000)
MANY = 100_000  # rows that are only calibrated on
CALLS = (2, 4, 8, 16, 32)
WIDTH = 32  # numbers of a frame
DRAWS = 8
METHODS = ("modality_dropout", "md2n")


@dataclass(frozen=True)
class Point:
    """One thing whose cost is measured at one size.

    Args:
        over: what grows: ``modalities``, ``frames``, ``rows`` or ``calls``.
        what: ``step``, ``prediction``, ``recovery``, ``epoch`` or ``calibration``.
        method: name of the method.
        size: of what grows.
        task: what is timed.
        rounds: how often.
    """

    over: str
    what: str
    method: str
    size: int
    task: Callable[[], object]
    rounds: int = ROUNDS


def world(modalities: int, frames: int) -> Schema:
    """Modalities of equal size with a real label."""
    return Schema(tuple(Modality(f"m{k}", WIDTH, frames) for k in range(modalities)), Task("regression"))


def made(method: str, schema: Schema, sets: Sequence[str] = ()) -> MultimodalModel:
    """An untrained model with its default settings; of md2n, with ``sets`` changed."""
    torch.manual_seed(0)
    settings = resolve("default", sets).model.settings if method == "md2n" else config_class(method)()
    return build(method, schema, settings)


def step(model: MultimodalModel, batch: SequenceBatch) -> Callable[[], object]:
    """Loss and gradients of a batch under drawn patterns, in training mode."""
    g = generator(0, "steps")

    def task() -> None:
        model.train()
        model.zero_grad()
        model.loss(batch.hide(draw_available(batch.present, g, 0.15)), g).total.backward()  # type: ignore[no-untyped-call]

    return task


def use(model: MultimodalModel, call: Callable[[], object]) -> Callable[[], object]:
    """A call in evaluation mode, without gradients."""

    def task() -> None:
        model.eval()
        with torch.inference_mode():
            call()

    return task


def first_hidden(batch: SequenceBatch) -> SequenceBatch:
    """The batch without its first modality."""
    return batch.hide(batch.present & (torch.arange(batch.present.shape[1]) > 0))


def at(over: str, size: int, schema: Schema) -> Iterator[Point]:
    """Step, prediction and recovery for one world."""
    batch = random_batch(schema)
    shown = first_hidden(batch)
    for method in METHODS:
        model = made(method, schema)
        yield Point(over, "step", method, size, step(model, batch))
        # mypy infers no type of a lambda with a default
        yield Point(over, "prediction", method, size, use(model, lambda m=model: m.predict(shown, generator(0, "b"))))  # type: ignore[misc]
        if isinstance(model, MD2N):
            # mypy infers no type of a lambda with a default
            yield Point(over, "recovery", method, size, use(model, lambda m=model: m.recover(shown, generator(0, "b"))))  # type: ignore[misc]


def over_calls() -> Iterator[Point]:
    """Draws by the diffusion itself, with as many network calls for each."""
    schema = world(3, 1)
    model, shown = made("md2n", schema), first_hidden(random_batch(schema))
    for calls in CALLS:

        def task(calls: int = calls) -> None:
            assert isinstance(model, MD2N)
            model.draw_latents(shown, shown.noise(generator(0, "b")), calls, DRAWS)

        yield Point("calls", "recovery", "md2n", calls, use(model, task))


def over_rows() -> Iterator[Point]:
    """An epoch, predictions, a calibration on the rows of a training set, and a recovery from them."""
    schema = world(3, 1)
    model, batch = made("md2n", schema), random_batch(schema)
    assert isinstance(model, MD2N)
    shown, one = first_hidden(batch), step(model, batch)

    def repeated(task: Callable[[], object], rows: int) -> Callable[[], object]:
        return lambda: [task() for _ in range(-(-rows // BATCH))]

    predicting = use(model, lambda: model.predict(shown, generator(0, "b")))
    held_out = [random_batch(schema, 100)]
    for rows in (*ROWS, MANY):
        if rows in ROWS:
            yield Point("rows", "epoch", "md2n", rows, repeated(one, rows), 3 if rows < 10_000 else 1)
            yield Point("rows", "prediction", "md2n", rows, repeated(predicting, rows), 3)
        fitted = made("md2n", schema)
        assert isinstance(fitted, MD2N)
        training = random_batch(schema, rows)
        batches = [training.select(part) for part in torch.split(torch.arange(rows), BATCH)]
        calibrating = use(fitted, partial(fitted.calibrate, batches, held_out))
        yield Point("rows", "calibration", "md2n", rows, calibrating, 1)
        # mypy infers no type of a lambda with a default
        yield Point("rows", "recovery", "md2n", rows, use(fitted, lambda f=fitted: f.recover(shown, generator(0, "b"))))  # type: ignore[misc]


def measured() -> list[dict[str, Any]]:
    """Every point; see ``timed``."""
    torch.set_num_threads(1)
    points = [
        *(p for m in MODALITIES for p in at("modalities", m, world(m, 1))),
        *(p for frames in FRAMES for p in at("frames", frames, world(3, frames))),
        *over_calls(),
        *over_rows(),
    ]
    return timed(points)


def timed(points: Sequence[Point]) -> list[dict[str, Any]]:
    """The CPU-seconds of every point and round; a point that is measured several times is warmed up."""
    taken: list[list[float]] = [[] for _ in points]
    for point in points:
        if point.rounds > 1:
            point.task()
    for number in range(ROUNDS):
        for point, seconds in zip(points, taken):
            if number < point.rounds:
                begun = time.process_time()
                point.task()
                seconds.append(round(time.process_time() - begun, 6))
    return [
        {"over": p.over, "what": p.what, "method": p.method, "size": p.size, "cpu_s": seconds}
        for p, seconds in zip(points, taken)
    ]
