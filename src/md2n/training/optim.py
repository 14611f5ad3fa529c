"""The optimiser's parts: which weights decay, the rate of a step, the weight average, the gradient's norm.

Everything here is a function of the step number and of tensors that a checkpoint holds, so that a resumed run cannot
differ from one that was never stopped.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from md2n.errors import UsageError
from md2n.shapes import Float, Tensor
from md2n.training.config import TrainerConfig


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

    Biases, norms, embeddings and free parameters (learned queries, positions, gains) are left out: shrinking them
    toward zero is no prior of theirs.
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
    """What the learning rate is multiplied by at a step: a rising line, then half a cosine.

    Args:
        step: 0 .. steps - 1.
        steps: of the phase.
        warmup: part of the steps spent on the line; 0 starts at the top.
        final: where the cosine ends.

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
    """Scales the gradient down to norm ``largest`` (0: leaves it) and gives the norm that the whole of it had.

    Args:
        parameters: by name.
        largest: norm.
        apart: beginnings of names; the parameters of each are scaled by themselves, the rest together.
    """
    parts: dict[str, list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        parts.setdefault(next((a for a in apart if name.startswith(a)), ""), []).append(parameter)
    bound = largest if largest > 0 else math.inf
    norms = [nn.utils.clip_grad_norm_(part, bound) for part in parts.values()]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return norm


class WeightAverage:
    """Exponential average of the weights, the ones that are validated and saved.

    ``average <- average + (1 - d) (weights - average)`` with ``d = min(decay, (1 + n) / (10 + n))`` after n updates, so
    that the first weights are soon forgotten.  At ``decay=0`` it is the weights themselves.  Buffers are not averaged.

    Args:
        model: whose current weights it starts from.
        decay: in [0, 1].
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, updates: int) -> None:
        """Moves toward the current weights.

        Args:
            model: after its step.
            updates: n, how many there were before.
        """
        decay = min(self.decay, (1 + updates) / (10 + updates))
        for name, p in model.named_parameters():
            # lerp leaves a weight that did not move exactly where it was: frozen parts stay themselves.
            self.values[name].lerp_(p.detach(), 1 - decay)

    @contextmanager
    def shown(self, model: nn.Module) -> Iterator[None]:
        """The model with the averaged weights, until the block ends."""
        own = {name: p.detach().clone() for name, p in model.named_parameters()}
        load_parameters(model, self.values)
        try:
            yield
        finally:
            load_parameters(model, own)


@torch.no_grad()
def load_parameters(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Copies values into the parameters of the same names."""
    for name, p in model.named_parameters():
        p.copy_(values[name])


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
