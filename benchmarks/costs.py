"""What a training step, a prediction and a recovery cost, and how long ``md2n --help`` takes.

Setting: batch 32, latents 48 x 32, three modalities, one missing; medians of repeated CPU times on one thread.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import torch

from md2n.batch import SequenceBatch
from md2n.experiment.config import resolve
from md2n.methods.base import MultimodalModel, Recovers
from md2n.methods.catalogue import build
from md2n.methods.md2n.config import MD2NConfig
from md2n.methods.md2n.model import MD2N
from md2n.methods.parts.config import FusionConfig, LatentConfig
from md2n.missing import draw_available
from md2n.modality import Modality, Schema, Task
from md2n.seeding import generator

BATCH = 32
LIKE_THE_ORIGINAL = (
    "model.fusion.kind=crossmodal",
    "model.fusion.latent.length=48",
    "model.fusion.latent.encoder=convolution",
)
NO_COMPLETE_VIEW = ("model.complete_view_distillation=0", "model.complete_task=0")
SCHEMA = Schema(
    (Modality("text", 300, 50), Modality("audio", 74, 50), Modality("vision", 35, 50)),
    Task("regression", low=-3, high=3, sentiment=True),
)


def random_batch(schema: Schema = SCHEMA, rows: int = BATCH) -> SequenceBatch:
    """A complete batch of random numbers."""
    g = generator(0, "bench")
    features = {m.name: torch.randn(rows, m.length, m.dim, generator=g) for m in schema.modalities}
    valid = {m.name: torch.ones(rows, m.length, dtype=torch.bool) for m in schema.modalities}
    present = torch.ones(rows, len(schema.modalities), dtype=torch.bool)
    labels = torch.randn(rows, generator=g).clamp(-3, 3)
    return SequenceBatch(features, valid, present, present, labels, torch.arange(rows))


def cpu_seconds(task: Callable[[], object], repeats: int = 11, warm: int = 2) -> float:
    """Median CPU time of one call."""
    taken = []
    for i in range(repeats + warm):
        begun = time.process_time()
        task()
        if i >= warm:
            taken.append(time.process_time() - begun)
    return statistics.median(taken)


def training_step() -> None:
    """MD2N's step against the same fusion Transformer's with plain modality dropout."""
    torch.set_num_threads(1)
    batch = random_batch()
    for kind in ("joint", "crossmodal"):
        for length in (8, 48):
            fusion = FusionConfig(kind=kind, latent=LatentConfig(length=length))
            taken = {}
            for name, config in (("modality_dropout", fusion), ("md2n", MD2NConfig(fusion=fusion))):
                model = build(name, SCHEMA, config)
                g = generator(0, "steps")

                def step(model: MultimodalModel = model, g: torch.Generator = g) -> None:
                    model.zero_grad()
                    incomplete = batch.hide(draw_available(batch.present, g, 0.15))
                    model.loss(incomplete, g).total.backward()  # type: ignore[no-untyped-call]

                taken[name] = cpu_seconds(step)
            ratio = taken["md2n"] / taken["modality_dropout"]
            print(
                f"training step, {kind} fusion, latents {length} x 32: modality_dropout "
                f"{taken['modality_dropout']:.3f} CPU-s, md2n {taken['md2n']:.3f} CPU-s, ratio {ratio:.2f}"
            )


def recovery() -> None:
    """CPU-seconds to predict with one modality missing, and to recover it with 1 .. 50 calls."""
    torch.set_num_threads(1)
    batch = random_batch()
    flags = batch.present.clone()
    flags[:, 1] = False
    incomplete = batch.hide(flags)
    model = MD2N(SCHEMA, MD2NConfig(fusion=FusionConfig(latent=LatentConfig(length=48)))).eval()
    latents = model.backbone.encode(incomplete)
    with torch.inference_mode():
        print(f"prediction, whole: {cpu_seconds(lambda: model.predict(incomplete, generator(0, 'b'))):.3f} CPU-s")
        for calls in (1, 4, 10, 50):
            draw = cpu_seconds(
                partial(model.recovery.recover, latents, flags, incomplete.noise(generator(0, "b")), calls)
            )
            print(f"recovery of one modality, {calls} network calls: {draw:.3f} CPU-s (IMDer's code: 11.4)")


def beside_imder() -> None:
    """MD2N beside IMDer, at the size of the original and at the presets' small one: a step, a prediction, a recovery.

    Both are asked for one draw of one modality, each with the network calls of its preset.  IMDer's presets have no
    view of the complete sample; MD2N's default has it, the paper's does not, so a step is taken without it, too.
    """
    torch.set_num_threads(1)
    batch = random_batch()
    flags = batch.present.clone()
    flags[:, 1] = False
    incomplete = batch.hide(flags)
    for size, theirs, ours in (
        ("of the original", resolve("imder_original"), resolve("default", LIKE_THE_ORIGINAL)),
        (
            "of the original, no complete view",
            resolve("imder_original"),
            resolve("default", (*LIKE_THE_ORIGINAL, *NO_COMPLETE_VIEW)),
        ),
        ("of the presets", resolve("imder"), resolve("default")),
    ):
        taken: dict[str, tuple[float, ...]] = {}
        for name, config, repeats in (("imder", theirs, 3), ("md2n", ours, 11)):
            taken[name] = step_prediction_recovery(
                build(name, SCHEMA, config.model.settings), batch, incomplete, repeats
            )
        for what, imder, md2n in zip(
            ("training step", "a sample's prediction", "a sample's recovery"), taken["imder"], taken["md2n"]
        ):
            print(f"size {size}, {what}: imder {imder:.4f} CPU-s, md2n {md2n:.4f} CPU-s, ratio {imder / md2n:.0f}")


def step_prediction_recovery(
    model: MultimodalModel, batch: SequenceBatch, incomplete: SequenceBatch, repeats: int
) -> tuple[float, float, float]:
    """CPU-seconds of a training step, of a sample's prediction, of a sample's recovery."""
    g = generator(0, "steps")

    def step() -> None:
        model.zero_grad()
        model.loss(batch.hide(draw_available(batch.present, g, 0.15)), g).total.backward()  # type: ignore[no-untyped-call]

    a_step = cpu_seconds(step, repeats, warm=1)
    model.eval()
    assert isinstance(model, Recovers)
    with torch.inference_mode():
        prediction = cpu_seconds(lambda: model.predict(incomplete, g), repeats, warm=1)
        back = cpu_seconds(lambda: model.recover(incomplete, g, draws=1), repeats, warm=1)
    return a_step, prediction / BATCH, back / BATCH


def help_time() -> None:
    """Wall time of ``md2n --help``, and whether torch was imported."""
    taken = []
    for _ in range(5):
        begun = time.monotonic()
        subprocess.run([sys.executable, "-m", "md2n.cli.main", "--help"], capture_output=True, check=True)
        taken.append(time.monotonic() - begun)
    print(f"md2n --help: {statistics.median(taken):.2f} s")
