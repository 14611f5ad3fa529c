"""What moves within a phase: the trained weights, AdamW's moments, the weight average."""

from collections.abc import Mapping

import torch

from md2n.methods.base import MultimodalModel, Phase
from md2n.shapes import Float, Tensor
from md2n.training.checkpoint import Checkpoint, Progress
from md2n.training.config import TrainerConfig
from md2n.training.optim import (
    WeightAverage,
    clip_gradient,
    load_optimizer,
    make_optimizer,
    optimizer_tensors,
    rate_factor,
    trained_parameters,
)
from md2n.training.weights import load_weights, state_tensors


class OptimizerState:
    """A phase's optimiser and average around a model.

    Args:
        model: on ``device``; enters the phase.
        phase: which parameters are trained.
        steps: optimiser steps the phase may take.
        config: of the loop.
        device: of the model.
        found: go on from here; without it the phase begins with the model's present weights.
    """

    def __init__(
        self,
        model: MultimodalModel,
        phase: Phase,
        steps: int,
        config: TrainerConfig,
        device: torch.device,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.model, self.steps, self.config = model, steps, config
        # Entered before the weights are loaded: what a method copies on entering, the checkpoint overwrites.
        model.enter(phase)
        if checkpoint is not None:
            load_weights(model, checkpoint.weights)
        self.parameters = {} if phase.fit is not None else trained_parameters(model, phase.trains)
        trained = set(self.parameters.values())
        self._frozen = [p for p in model.parameters() if p.requires_grad and p not in trained]
        for p in self._frozen:
            p.requires_grad_(False)
        self._optimizer = make_optimizer(model, self.parameters, config) if self.parameters else None
        self.average = WeightAverage(model, config.average)
        if checkpoint is not None:
            self.average.values = {name: value.to(device) for name, value in checkpoint.average.items()}
            if self._optimizer is not None:
                load_optimizer(self._optimizer, self.parameters, checkpoint.optimizer)

    def backward(self, loss: Float[Tensor, ""]) -> float:
        """Gradients of a loss, clipped; gives the norm they had before."""
        loss.backward()  # type: ignore[no-untyped-call]
        return float(clip_gradient(self.parameters, self.config.gradient_clip, self.model.apart()))

    def step(self, number: int) -> float:
        """One step of AdamW and of the average; the gradients are gone afterwards.

        Args:
            number: steps done in this phase.

        Returns:
            The learning rate it was made with.
        """
        optimizer = self._optimizer
        if optimizer is None:
            raise RuntimeError("a closed-form phase has no steps")
        factor = rate_factor(number, self.steps, self.config.warmup, self.config.final_rate)
        rate = self.config.learning_rate * factor
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self.average.update(self.model, number)
        return rate

    def restart_average(self) -> None:
        """The average begins again at the present weights: after a fit that replaced them."""
        self.average = WeightAverage(self.model, self.config.average)

    def checkpoint(self, progress: Progress) -> Checkpoint:
        """A checkpoint of this moment, on the CPU."""
        moments = optimizer_tensors(self._optimizer, self.parameters) if self._optimizer is not None else {}
        return Checkpoint(progress, state_tensors(self.model), _on_cpu(self.average.values), _on_cpu(moments))

    def release(self) -> None:
        """Makes trainable again what the phase had frozen."""
        for p in self._frozen:
            p.requires_grad_(True)


def broken_weight(weights: Mapping[str, Tensor]) -> str:
    """The name of a weight that holds NaN or an infinity; empty where none does."""
    for name, value in weights.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return name
    return ""


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in tensors.items()}
