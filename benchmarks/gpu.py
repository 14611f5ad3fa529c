"""One run on a machine with a card: does CUDA agree with the CPU, and how fast is it?

    python -m benchmarks gpu [--out gpu.json]         under eight minutes; whatever does not fit is named in the file
    python -m benchmarks gpu --device cpu --methods md2n,imder    the script itself, tiny, without a card

Agreement: every method takes one step in each of its phases and predicts, on the CPU and on the device, from the same
weights and the same random numbers, without dropout; losses, gradients and predictions are compared in float32.
"""

import argparse
import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from benchmarks import gpu_speed
from benchmarks.costs import random_batch
from benchmarks.gpu_speed import moved
from md2n.batch import SequenceBatch
from md2n.durable import write_json
from md2n.errors import Md2nError
from md2n.methods.base import MultimodalModel
from md2n.methods.catalogue import MODELS, build, config_class
from md2n.missing import draw_available
from md2n.modality import Modality, Schema, Task
from md2n.seeding import generator
from md2n.training.device import autocast, choose_device

LIMIT_S = 450.0  # of the eight minutes
# Largest differences, relative to the size of the whole: float32 sums in another order.
LOSS, GRADIENT, PREDICTION = 1e-4, 1e-3, 1e-3
# Inverse roots of covariances and inverted flows magnify rounding (tests/golden).
MAGNIFYING, FACTOR = ("dcca", "dccae", "dicmor"), 100
BFLOAT16 = 0.05  # of the loss: bfloat16 has eight bits
DRAWN = (torch.rand, torch.randn, torch.randint, torch.randperm)
SCHEMA = Schema(
    (Modality("text", 12, 10), Modality("audio", 8, 10), Modality("ecg", 6)),
    Task("regression", low=-3, high=3, sentiment=True),
)


class DrawnOnTheCPU(TorchFunctionMode):
    """Random tensors come from a generator of the CPU and go to one device: equal numbers on every device."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        if func not in DRAWN or "generator" not in named:
            return func(*args, **named)
        return func(*args, **named | {"device": "cpu"}).to(self.device)


@contextmanager
def exact_products() -> Iterator[None]:
    """Matrix products of float32 in float32, and not in TF32."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def gap(one: torch.Tensor, other: torch.Tensor) -> float:
    """Norm of the difference over the norm of the first, both on the CPU in float64."""
    first, second = one.detach().cpu().double(), other.detach().cpu().double()
    return float((first - second).norm() / first.norm().clamp(min=1e-9))


def stepped(model: MultimodalModel, batch: SequenceBatch, device: torch.device) -> dict[str, torch.Tensor]:
    """Losses and gradients of one step in each phase, and then predictions."""
    results = {}
    torch.manual_seed(0)
    batch, model = batch.to(device), model.to(device).eval()
    for number, phase in enumerate(model.phases()):
        model.enter(phase)
        if phase.fit is not None:
            with torch.no_grad():
                phase.fit([batch])
            continue
        hidden = batch if phase.patterns == "complete" else batch.hide(hiding(batch))
        with DrawnOnTheCPU(device):
            loss = model.loss(hidden, generator(number, "gpu")).total
        model.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        trained = [p for p in model.parameters() if p.grad is not None]
        results[f"loss of {phase.name}"] = loss.detach()
        results[f"gradient of {phase.name}"] = torch.cat([p.grad.flatten() for p in trained if p.grad is not None])
        with torch.no_grad():
            for p in trained:
                p.sub_(1e-2 * p.grad)  # type: ignore[operator]
    with torch.inference_mode():
        results["prediction"] = model.predict(batch.hide(hiding(batch)), generator(9, "gpu")).output
    return results


def hiding(batch: SequenceBatch) -> torch.Tensor:
    """What is left under drawn patterns, the same on every device."""
    return draw_available(batch.present.cpu(), generator(1, "gpu")).to(batch.device)


def agreement(name: str, device: torch.device) -> dict[str, Any]:
    """How far a method on the device is from the same on the CPU, and whether that is within tolerance."""
    model, batch = moved(build(name, SCHEMA, config_class(name)())), random_batch(SCHEMA)
    wanted = stepped(copy.deepcopy(model), batch, torch.device("cpu"))
    got = stepped(model, batch, device)
    factor = FACTOR if name in MAGNIFYING else 1
    bounds = {"loss": LOSS * factor, "gradient": GRADIENT * factor, "prediction": PREDICTION * factor}
    gaps = {what: gap(x, got[what]) for what, x in wanted.items()}
    return {"gaps": gaps, "bounds": bounds, "agrees": all(g <= bounds[what.split()[0]] for what, g in gaps.items())}


def bfloat16(device: torch.device) -> dict[str, Any]:
    """One training step of md2n in bfloat16 beside the same in float32.

    Raises:
        UsageError: the device is not CUDA.
    """
    model = moved(build("md2n", SCHEMA, config_class("md2n")())).to(device).eval()
    batch = random_batch(SCHEMA).to(device)
    losses = {}
    for precision in ("float32", "bfloat16"):
        with autocast(precision, device), DrawnOnTheCPU(device):
            loss = model.loss(batch.hide(hiding(batch)), generator(0, "gpu")).total
        model.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1e9)
        losses[precision] = {"loss": float(loss.detach()), "gradient_norm": float(norm)}
    off = abs(losses["bfloat16"]["loss"] / losses["float32"]["loss"] - 1)
    return {**losses, "off": off, "bound": BFLOAT16, "agrees": off <= BFLOAT16}


def attempt(check: Callable[[], dict[str, Any]], left: Callable[[], float]) -> dict[str, Any]:
    """The check's record with its seconds; or why there is none."""
    if left() <= 0:
        return {"skipped": f"no time was left of {LIMIT_S:.0f} s"}
    begun = time.monotonic()
    try:
        record = check()
    except Md2nError as error:
        record = {"skipped": str(error)}
    except Exception as error:  # one method that fails must not cost the others their minutes on a card
        record = {"failed": f"{type(error).__name__}: {error}"[:500]}
    return record | {"seconds": round(time.monotonic() - begun, 3)}


def main(words: Sequence[str]) -> int:
    """Runs everything, writes one JSON; 1 if something failed or did not agree."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"], help="cpu: tiny, to try the script")
    parser.add_argument("--methods", default=",".join(MODELS.names()), help="comma-separated; all unless given")
    parser.add_argument("--compile", action="store_true", help="compile with --device cpu, too: a CPU-minute more")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    chosen = parser.parse_args(words)
    try:
        device = choose_device(chosen.device)
    except Md2nError as error:
        print(f"{error}\nnext: try the script itself with --device cpu")
        return 2
    begun, tiny = time.monotonic(), device.type == "cpu"

    def left() -> float:
        return LIMIT_S - (time.monotonic() - begun)

    checks: dict[str, Callable[[], dict[str, Any]]] = {
        **{f"agreement of {name}": partial(agreement, name, device) for name in chosen.methods.split(",")},
        "bfloat16 step": lambda: bfloat16(device),
        "throughput of recovery": lambda: gpu_speed.throughput(device, tiny),
        "MOSEI-size epoch": lambda: gpu_speed.epoch(device, tiny, min(90.0, left())),
    }
    if not tiny or chosen.compile:
        checks["compiled recovery"] = lambda: gpu_speed.compiled(device, tiny)
    records = {}
    with exact_products():
        for name, check in checks.items():
            records[name] = attempt(check, left)
            state = next((s for s in ("failed", "skipped") if s in records[name]), "done")
            state = "does not agree" if records[name].get("agrees") is False else state
            print(f"{name}: {state} ({records[name].get('seconds', 0):.1f} s)", flush=True)
    card = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    write_json(chosen.out, {"device": card, "torch": torch.__version__, "tiny": tiny, "checks": records})
    print(f"written: {chosen.out}, after {time.monotonic() - begun:.0f} s")
    return int(any("failed" in r or r.get("agrees") is False for r in records.values()))
