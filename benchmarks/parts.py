"""Where the CPU time of a training step, a validation and a recovery goes.

Twice: by part of the model, forward calls only, and by kernel, backward included.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any
from unittest import mock

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.costs import cpu_seconds, random_batch
from benchmarks.growth import METHODS, first_hidden, made, step, use, world
from md2n.batch import SequenceBatch
from md2n.diffusion.score import ScoreNetwork
from md2n.methods.md2n.model import MD2N
from md2n.methods.parts.backbone import Backbone
from md2n.methods.parts.features import FeatureRecovery
from md2n.methods.parts.latent import LatentModel
from md2n.modality import Schema
from md2n.seeding import generator

ROUNDS = 9
DRAWS = 20
VALIDATION = 256
SERVED = 64  # samples of a recovery
# What would make a training step cheaper, and changes what is learned; and what small sets take besides.
SETTINGS = (
    "model.complete_view_distillation=0 model.complete_task=0",
    "model.complete_share=0.5",
    "model.diffusion.duplex=false",
    "model.diffusion.network.layers=1",
    "model.complete_view_distillation=0 model.complete_task=0 model.diffusion.duplex=false"
    " model.diffusion.network.layers=1",
    "model.recovered_dropout=on",
)
# Parts that call none of one another.
CALLS: tuple[tuple[str, type, str], ...] = (
    ("encoders", Backbone, "encode"),
    ("score networks", ScoreNetwork, "encode"),
    ("score networks", ScoreNetwork, "forward"),
    ("fusion and head", Backbone, "fuse"),
    ("decoders, loss", LatentModel, "decoding_loss"),
    ("decoders, draws", LatentModel, "decoded"),
    ("calibrated answer", FeatureRecovery, "answer"),
    ("backward", torch.Tensor, "backward"),
)
KERNELS = {
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm"),
    "attention": ("aten::_scaled_dot_product_flash",),
    "dropout": ("aten::bernoulli_",),
    "copies": ("aten::copy_", "aten::cat", "aten::index", "aten::index_copy"),
}


@contextmanager
def clocked(taken: dict[str, float]) -> Iterator[None]:
    """Adds the CPU-seconds of every part to ``taken``."""

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def clock(*arguments: Any, **named: Any) -> Any:
            begun = time.process_time()
            try:
                return call(*arguments, **named)
            finally:
                taken[name] += time.process_time() - begun

        return clock

    patches = [mock.patch.object(owner, name, timed(part, getattr(owner, name))) for part, owner, name in CALLS]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def by_part(task: Callable[[], object]) -> dict[str, float]:
    """Median CPU-seconds of each part and of the whole."""
    task()
    rounds: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        taken: dict[str, float] = defaultdict(float)
        begun = time.process_time()
        with clocked(taken):
            task()
        for name, seconds in {**taken, "whole": time.process_time() - begun}.items():
            rounds[name].append(seconds)
    return {name: round(median(seconds), 6) for name, seconds in rounds.items()}


def by_kernel(task: Callable[[], object]) -> dict[str, float]:
    """Share of CPU time of each group of kernels, and of all others."""
    task()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(3):
            task()
    events = [(e.key, e.self_cpu_time_total) for e in profiled.key_averages()]
    whole = sum(us for _, us in events)
    shares = {
        group: round(sum(us for key, us in events if key.startswith(names) and "backward" not in key) / whole, 4)
        for group, names in KERNELS.items()
        if group != "attention"
    }
    shares["attention"] = round(sum(us for key, us in events if key.startswith(KERNELS["attention"])) / whole, 4)
    return shares | {"all others": round(1 - sum(shares.values()), 4)}


def tasks() -> dict[str, Callable[[], object]]:
    """A step, a validation of 256 samples under drawn patterns and a calibrated recovery, at two sizes."""
    chosen: dict[str, Callable[[], object]] = {}
    for modalities, frames in ((3, 1), (3, 50), (6, 1)):
        schema = world(modalities, frames)
        where = f"M = {modalities}, {frames} frame{'s' if frames > 1 else ''}"
        batch, model = random_batch(schema), made("md2n", schema)
        assert isinstance(model, MD2N)
        chosen[f"training step, {where}"] = step(model, batch)
        many = random_batch(schema, VALIDATION)
        flags = torch.rand(many.present.shape, generator=generator(0, "hidden")) < 0.5
        flags[~flags.any(dim=1)] = True
        hidden = many.hide(flags)
        chosen[f"validation of {VALIDATION}, {where}"] = use(model, partial(validated, model, hidden))
        fitted, shown = calibrated(schema), first_hidden(batch)
        chosen[f"recovery of {batch.size}, {DRAWS} draws, {where}"] = use(
            fitted,
            # mypy infers no type of a lambda with a default
            lambda m=fitted, b=shown: m.recover(b, generator(0, "b"), draws=DRAWS),  # type: ignore[misc]
        )
    return chosen


def calibrated(schema: Schema) -> MD2N:
    """An untrained model whose recovery is calibrated on 2,000 training and 100 validation samples."""
    model = made("md2n", schema)
    assert isinstance(model, MD2N)
    model.eval()
    with torch.no_grad():
        model.calibrate([random_batch(schema, 2_000)], [random_batch(schema, 100)])
    return model


def draws() -> None:
    """CPU-milliseconds of a calibrated recovery, for each sample and hidden modality."""
    torch.set_num_threads(1)
    for modalities, frames in ((3, 1), (3, 50), (6, 1)):
        schema = world(modalities, frames)
        model, shown = calibrated(schema), first_hidden(random_batch(schema, SERVED))
        for count in (1, DRAWS):
            seconds = cpu_seconds(use(model, partial(model.recover, shown, generator(0, "b"), draws=count)))
            print(
                f"recovery, M = {modalities}, {frames} frames, batch {SERVED}, draws {count}: "
                f"{1000 * seconds / SERVED:.2f} CPU-ms a sample"
            )


def validated(model: MD2N, hidden: SequenceBatch) -> None:
    """Predictions of a validation, in one batch."""
    model.predict(hidden, generator(0, "b"))


def ratios() -> list[dict[str, Any]]:
    """The training step of md2n beside modality dropout's, and under other settings, measured in turn."""
    rows = []
    for modalities, frames in ((3, 1), (3, 50), (6, 1), (6, 50)):
        schema = world(modalities, frames)
        batch = random_batch(schema)
        steps = {name: step(made(name, schema), batch) for name in METHODS}
        steps |= {sets: step(made("md2n", schema, sets.split()), batch) for sets in SETTINGS}
        taken: dict[str, list[float]] = {name: [] for name in steps}
        for number in range(ROUNDS + 2):
            for name, task in steps.items():
                begun = time.process_time()
                task()
                if number > 1:
                    taken[name].append(round(time.process_time() - begun, 6))
        rows.append({"modalities": modalities, "frames": frames, "cpu_s": taken})
    return rows


def measured() -> list[dict[str, Any]]:
    """Every task by part and by kernel."""
    torch.set_num_threads(1)
    return [{"what": name, "parts": by_part(task), "kernels": by_kernel(task)} for name, task in tasks().items()]
