"""AdamW, its learning rate, the clipped gradient and the weight average.

Everything here is a function of the step number and of tensors in the checkpoint, so a resumed run cannot differ from
one that was never stopped.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from md2n.errors import UsageError
from md2n.methods.base import MultimodalModel, Phase
from md2n.parallel.group import mean_gradients
from md2n.shapes import Float, Tensor
from md2n.training.checkpoint import Checkpoint, Progress
from md2n.training.config import TrainerConfig
from md2n.training.weights import load_parameters, load_weights, state_tensors


class OptimizerState:
    """What changes within a phase: the trained weights, AdamW's moments, the weight average.

    Args:
        model: on ``device``; enters the phase.
        phase: which parameters are trained.
        steps: optimiser steps the phase may take.
        config: of the loop.
        device: of the model.
        checkpoint: where to go on from; without it the phase begins with the model's present weights.
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
        """Computes the gradients of a loss, of all processes, and clips them; returns their norm before that."""
        loss.backward()  # type: ignore[no-untyped-call]
        mean_gradients(self.parameters.values())
        return float(clip_gradient(self.parameters, self.config.gradient_clip, self.model.independent_parts()))

    def step(self, number: int) -> float:
        """One step of AdamW and of the average, the gradients removed.

        Args:
            number: steps done in this phase.

        Returns:
            The learning rate of this step.
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
        """Starts the average at the present weights, after a fit that replaced them."""
        self.average = WeightAverage(self.model, self.config.average)

    def checkpoint(self, progress: Progress) -> Checkpoint:
        """The present state, on the CPU."""
        moments = optimizer_tensors(self._optimizer, self.parameters) if self._optimizer is not None else {}
        return Checkpoint(progress, state_tensors(self.model), _on_cpu(self.average.values), _on_cpu(moments))

    def release(self) -> None:
        """Ends the phase: what it froze can be trained again."""
        for p in self._frozen:
            p.requires_grad_(True)


def trained_parameters(model: nn.Module, prefixes: tuple[str, ...]) -> dict[str, nn.Parameter]:
    """The parameters whose names begin with one of ``prefixes``; the empty prefix names all.

    Parameters that the model itself has frozen (``requires_grad`` False) stay out.

    Raises:
        UsageError: a prefix that names no parameter.
    """
    named = dict(model.named_parameters())
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in named):
            known = ", ".join(sorted({name.partition(".")[0] for name in named}))
            raise UsageError(f"no parameter's name begins with '{prefix}'", f"the model's parts are: {known}")
    return {name: p for name, p in named.items() if p.requires_grad and name.startswith(prefixes)}


def decays(model: nn.Module) -> set[str]:
    """Names of the parameters that weight decay shrinks: matrices and kernels of layers.

    Biases, norms, embeddings and free parameters (learned queries, positions, gains) have no reason to be near zero.
    """
    names: set[str] = set()
    for path, module in model.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag):
            continue
        for leaf, parameter in module.named_parameters(recurse=False):
            if parameter.ndim >= 2 and "weight" in leaf:
                names.add(f"{path}.{leaf}" if path else leaf)
    return names


def make_optimizer(
    model: nn.Module, parameters: Mapping[str, nn.Parameter], config: TrainerConfig
) -> torch.optim.AdamW:
    """AdamW in two groups, with and without weight decay."""
    matrices = decays(model)
    shrunk = [p for name, p in parameters.items() if name in matrices]
    rest = [p for name, p in parameters.items() if name not in matrices]
    groups = [{"params": shrunk, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    # One kernel over all tensors: with hundreds of small ones, four times faster than one by one.
    fused = all(p.device.type in ("cpu", "cuda") for p in parameters.values())
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=config.learning_rate, fused=fused)


def rate_factor(step: int, steps: int, warmup: float, final: float) -> float:
    """Factor of the learning rate at a step: a rising line, then half a cosine.

    Args:
        step: 0 .. steps - 1.
        steps: of the phase.
        warmup: part of the steps on the line; 0 starts at the top.
        final: end of the cosine.

    Returns:
        In (0, 1]: 1 at the end of the warm-up, ``final`` at the last step.
    """
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    falling = max(1, steps - 1 - rising)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / falling)))


def clip_gradient(
    parameters: Mapping[str, nn.Parameter], largest: float, apart: Sequence[str] = ()
) -> Float[Tensor, ""]:
    """Scales the gradient down to a norm; returns the norm of the whole before that.

    Args:
        parameters: by name.
        largest: norm; 0 does not scale.
        apart: beginnings of names; the parameters of each are scaled alone, the rest together.
    """
    parts: dict[str, list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        parts.setdefault(next((a for a in apart if name.startswith(a)), ""), []).append(parameter)
    bound = largest if largest > 0 else math.inf
    norms = [nn.utils.clip_grad_norm_(part, bound) for part in parts.values()]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return norm


class WeightAverage:
    """Exponential average of the weights; these are validated and saved.

    ``average <- average + (1 - d) (weights - average)`` with ``d = min(decay, (1 + n) / (10 + n))`` after n updates, so
    the first weights count for little soon.  At ``decay=0`` it is the weights themselves.  Buffers are not averaged.

    Args:
        model: its weights are the first average.
        decay: in [0, 1].
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, updates: int) -> None:
        """Averages in the weights after a step; ``updates`` is n, the number before."""
        decay = min(self.decay, (1 + updates) / (10 + updates))
        for name, p in model.named_parameters():
            # lerp changes no bit of a weight that did not change: frozen parts stay as they are.
            self.values[name].lerp_(p.detach(), 1 - decay)

    @contextmanager
    def shown(self, model: nn.Module) -> Iterator[None]:
        """Within the block the model has the averaged weights."""
        own = {name: p.detach().clone() for name, p in model.named_parameters()}
        load_parameters(model, self.values)
        try:
            yield
        finally:
            load_parameters(model, own)


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
) -> dict[str, Float[Tensor, "..."]]:
    """AdamW's moments and step counts by parameter name; parameters that never had a gradient have none."""
    tensors: dict[str, Tensor] = {}
    for name, p in parameters.items():
        for key, value in optimizer.state.get(p, {}).items():
            tensors[f"{name}/{key}"] = value
    return tensors


def load_optimizer(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor]
) -> None:
    """The inverse of ``optimizer_tensors``."""
    for key, value in tensors.items():
        name, _, moment = key.rpartition("/")
        p = parameters[name]
        # AdamW counts steps beside the weights where it is fused, and on the CPU where it is not.
        beside = moment != "step" or bool(optimizer.defaults["fused"])
        optimizer.state[p][moment] = value.to(p.device, copy=True) if beside else value.clone()


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in tensors.items()}
