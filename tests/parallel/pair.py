"""Two processes of one training on this machine, as torchrun would start them; and what they are asked to do."""

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from md2n.batch import Dataset, SequenceBatch
from md2n.config import to_mapping
from md2n.data.config import DataConfig
from md2n.data.ready import load_datasets
from md2n.experiment.shared_run import open_run
from md2n.methods.base import MultimodalModel
from md2n.methods.catalogue import build
from md2n.methods.md2n.config import DiffusionConfig, MD2NConfig
from md2n.methods.md2n.model import MD2N
from md2n.methods.parts.config import FusionConfig, LatentConfig
from md2n.parallel.group import rank
from md2n.parallel.rows import rows_divided
from md2n.training.config import TrainerConfig
from md2n.training.loop import train
from md2n.training.weights import state_tensors
from tests.steps import Rows, built
from tests.worlds import WORLDS, make_batch

SHORT = TrainerConfig(
    steps=6, validations=3, batch_size=7, learning_rate=1e-2, checkpoint_s=1000.0, class_weights="none", device="cpu"
)
# Parts that no method has by default.
VARIANTS = {
    "convolutions": MD2NConfig(
        fusion=FusionConfig(latent=LatentConfig(encoder="convolution")), diffusion=DiffusionConfig(partner="learned")
    ),
    "projections": MD2NConfig(encoders=False, diffusion=DiffusionConfig(cascade=True, prediction="noise")),
}


class Doubled:
    """The first samples of a data set, in float64."""

    def __init__(self, rows: Dataset, most: int) -> None:
        self.rows, self.size = rows, min(len(rows), most)

    def __len__(self) -> int:
        return self.size

    def batch(self, positions: np.ndarray) -> SequenceBatch:
        batch = self.rows.batch(positions)
        labels = batch.labels.double() if batch.labels.is_floating_point() else batch.labels
        return replace(batch, features={k: x.double() for k, x in batch.features.items()}, labels=labels)


def weights_after(
    path: Path, model: MultimodalModel, data: tuple[Dataset, Dataset], config: TrainerConfig
) -> dict[str, Tensor]:
    """All that a model holds after training in float64."""
    seeded = {"seed": 0, "trainer": to_mapping(config)}
    model.double()
    with open_run(path, seeded, lambda text: None) as run, rows_divided(model):
        run.describe(to_mapping(model.schema), {"name": "made", "checksum": "c0ffee"})
        train(model, Doubled(data[0], 100), Doubled(data[1], 16), config, 0, run)
    return state_tensors(model)


def methods(path: Path, world: str, names: tuple[str, ...]) -> dict[str, dict[str, Tensor]]:
    """Method -> its weights after a short training."""
    schema, every = WORLDS[world], {}
    data = Rows(make_batch(schema, 13, gaps=True)), Rows(make_batch(schema, 9, seed=1))
    for name in names:
        torch.manual_seed(0)
        model = MD2N(schema, VARIANTS[name]) if name in VARIANTS else built(name, schema)
        every[name] = weights_after(path / name, model, data, SHORT)
    return every


def digits(path: Path, config: TrainerConfig) -> dict[str, Tensor]:
    """The weights of md2n after a training on digits."""
    from md2n.data.digits import load_digits

    data = load_datasets(load_digits(), DataConfig(name="digits", modalities=("rows", "edges")))
    # Calibration takes as long as twenty steps, and is in the training of other methods.
    model = build("md2n", data.schema, MD2NConfig(calibration="none"), 0)
    return weights_after(path, model, (data.train, data.valid), config)


def _member(number: int, meeting: str, task: Callable[[], Any], answer: str) -> None:
    torch.set_num_threads(1)
    os.fsync = lambda handle: None
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=number, world_size=2)
    result = task()
    if rank() == 0:
        torch.save(result, answer)
    dist.destroy_process_group()


def in_two(folder: Path, task: Callable[..., Any], *args: Any) -> Any:
    """What a function gives in the first of two processes.

    Args:
        folder: for files; need not exist.
        task: of this module.
        args: of the task.
    """
    folder.mkdir(parents=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.parallel.job", "tests.parallel.pair"])
    answer, call = folder / "answer.pt", partial(task, *args)
    members = [context.Process(target=_member, args=(r, str(folder / "meeting"), call, str(answer))) for r in range(2)]
    for member in members:
        member.start()
    for member in members:
        member.join(300)
    codes = [member.exitcode for member in members]
    for member in members:
        member.kill()
    assert codes == [0, 0]
    return torch.load(answer)
