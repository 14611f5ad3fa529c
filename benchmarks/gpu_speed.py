"""The speed of md2n on a card: recovery at growing batches, compiled recovery, an epoch of MOSEI's size."""

import importlib.util
import shutil
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from benchmarks.costs import random_batch
from benchmarks.growth import DRAWS, first_hidden, made, world
from benchmarks.size import COUNT, DIMS, FRAMES
from md2n.errors import UsageError
from md2n.methods.base import MultimodalModel
from md2n.methods.md2n.model import MD2N
from md2n.missing import draw_available
from md2n.modality import Modality, Schema, Task
from md2n.seeding import generator
from md2n.training.config import TrainerConfig
from md2n.training.optim import make_optimizer

BATCHES = (64, 128, 256, 512, 1_024, 2_048, 4_096)
TRAINED = 16_326  # training samples of MOSEI
BATCH = 32
REPEATS = 7
OFF = 1e-3  # largest difference of a compiled recovery, relative


def wall(device: torch.device, task: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median seconds of a call, the device's work included; two calls warm up."""
    taken = []
    for number in range(repeats + 2):
        begun = time.perf_counter()
        task()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number > 1:
            taken.append(time.perf_counter() - begun)
    return median(taken)


def moved(model: MultimodalModel) -> MultimodalModel:
    """The model with every weight a little off where it begins: many begin at zero, and would hide what they do."""
    g = generator(0, "weights")
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=g))
    return model


def recovering(device: torch.device, rows: int) -> tuple[MD2N, Callable[[], torch.Tensor]]:
    """A model, and draws of latents for one missing modality of three."""
    schema = world(3, 1)
    model, shown = moved(made("md2n", schema)), first_hidden(random_batch(schema, rows)).to(device)
    assert isinstance(model, MD2N)
    model.to(device).eval()

    def task() -> torch.Tensor:
        with torch.inference_mode():
            return model.draw_latents(shown, shown.noise(generator(0, "b")), None, DRAWS)[1]

    return model, task


def throughput(device: torch.device, tiny: bool) -> dict[str, Any]:
    """Samples a second at each size of a batch, eight draws of two network calls each."""
    samples = {}
    for rows in BATCHES[:1] if tiny else BATCHES:
        samples[str(rows)] = round(rows / wall(device, recovering(device, rows)[1], 2 if tiny else REPEATS), 1)
    return {"draws": DRAWS, "samples_per_s": samples}


def require_compiler(device: torch.device) -> None:
    """Refuses a machine that cannot compile for the device.

    Raises:
        UsageError: there is no compiler, or the card is too old.
    """
    if device.type == "cpu":
        if shutil.which("g++") is None and shutil.which("clang++") is None:
            raise UsageError("torch.compile needs a C++ compiler, and there is none", "install g++")
    elif torch.cuda.get_device_capability() < (7, 0) or importlib.util.find_spec("triton") is None:
        raise UsageError("torch.compile needs Triton and a card of compute capability 7.0", "take a newer card")


def compiled(device: torch.device, tiny: bool) -> dict[str, Any]:
    """Recovery with compiled score networks beside the same as it is; on CUDA the compiler also makes CUDA graphs.

    Raises:
        UsageError: see ``require_compiler``.
    """
    require_compiler(device)
    rows, repeats = (64, 2) if tiny else (1_024, REPEATS)
    model, task = recovering(device, rows)
    wanted, plain = task().cpu(), wall(device, task, repeats)
    begun = time.perf_counter()
    for network in model.recovery.own:
        network.compile(mode="reduce-overhead" if device.type == "cuda" else None)
    got = task().cpu()
    compiling = time.perf_counter() - begun
    fast = wall(device, task, repeats)
    off = float((got - wanted).norm() / wanted.norm())
    numbers = {"rows": rows, "eager_s": plain, "compiled_s": fast, "compiling_s": compiling, "ratio": fast / plain}
    return {**numbers, "off": off, "bound": OFF, "agrees": off <= OFF}


def epoch(device: torch.device, tiny: bool, limit_s: float) -> dict[str, Any]:
    """Training steps over as many samples as MOSEI trains on, batches carried to the device one by one."""
    schema = Schema(
        tuple(Modality(name, dim, FRAMES) for name, dim in DIMS.items()), Task("regression", low=-3, high=3)
    )
    model = made("md2n", schema).to(device).train()
    optimizer = make_optimizer(model, dict(model.named_parameters()), TrainerConfig())
    batch, steps = random_batch(schema, BATCH), 2 if tiny else -(-TRAINED // BATCH)
    if device.type == "cuda":
        batch = batch._each(torch.Tensor.pin_memory)
    begun, done = time.perf_counter(), 0
    for number in range(steps):
        hidden = batch.hide(draw_available(batch.present, generator(number, "patterns"))).to(device, non_blocking=True)
        loss = model.loss(hidden, generator(number, "loss", device=device)).total
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done += 1
        if time.perf_counter() - begun > limit_s:
            break
    last = float(loss.detach())  # waits for the device
    seconds = time.perf_counter() - begun
    memory = torch.cuda.max_memory_allocated() if device.type == "cuda" else 0
    sizes = {"samples": COUNT, "trained": TRAINED, "steps": done, "of": steps, "peak_bytes": memory}
    whole_s = seconds * -(-TRAINED // BATCH) / done
    return {**sizes, "loss": last, "wall_s": seconds, "epoch_s": whole_s, "extrapolated": tiny or done < steps}
