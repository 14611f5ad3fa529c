"""A batch as a data set, and a few steps in every phase of a method."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.methods.base import Losses, MultimodalModel
from md2n.methods.catalogue import build, config_class
from md2n.missing import draw_available
from md2n.modality import Schema
from md2n.seeding import generator

# A hundred network calls for a prediction obey the same rules as ten, which is enough not to overshoot, and eight draws
# for a calibration the same as two.
CHEAPER: dict[str, dict[str, Any]] = {"imder": {"steps": 10, "recover_draws": 2}}


def built(name: str, schema: Schema) -> MultimodalModel:
    """A method with its default settings, the costly ones lowered."""
    return build(name, schema, replace(config_class(name)(), **CHEAPER.get(name, {})))


class Rows:
    """A batch as a data set."""

    def __init__(self, batch: SequenceBatch) -> None:
        self.whole = batch

    def __len__(self) -> int:
        return self.whole.size

    def batch(self, positions: object) -> SequenceBatch:
        return self.whole.select(torch.as_tensor(positions))


def sgd(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=1e-2)


def few_steps(
    model: MultimodalModel,
    batch: SequenceBatch,
    steps: int,
    stream: str,
    optimiser: Callable[[list[nn.Parameter]], torch.optim.Optimizer] = sgd,
    norm: float = math.inf,
) -> dict[str, Losses]:
    """Trains in every phase, other sets missing in each step, and leaves the model in evaluation.

    Args:
        model: as it was built.
        batch: the training set.
        steps: in each phase that has steps.
        stream: name of the random numbers.
        optimiser: of the parameters that a phase trains.
        norm: largest norm of a gradient.

    Returns:
        Phase -> losses of its last step.
    """
    last = {}
    for phase in model.phases():
        model.enter(phase)
        if phase.fit is not None:
            model.eval()
            with torch.no_grad():
                phase.fit([batch])
            continue
        model.train()
        stepper = optimiser([p for p in model.parameters() if p.requires_grad])
        for step in range(steps):
            g = generator(step, stream)
            torch.manual_seed(step)  # dropout
            losses = model.loss(
                batch if phase.patterns == "complete" else batch.hide(draw_available(batch.present, g)), g
            )
            stepper.zero_grad()
            losses.total.backward()
            nn.utils.clip_grad_norm_(model.parameters(), norm)
            stepper.step()
            last[phase.name] = losses
    model.eval()
    return last
