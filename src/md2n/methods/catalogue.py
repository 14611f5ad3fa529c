"""All methods by name, and how to build one.  A method is imported when its name is looked up."""

from pathlib import Path
from typing import Any

import torch

from md2n.errors import UsageError
from md2n.methods.added import files, has_settings, reachable
from md2n.methods.base import MultimodalModel
from md2n.methods.size import bounded, check_sizes
from md2n.modality import Schema
from md2n.registry import Registry
from md2n.seeding import stream_seed

FUSION = "parts.config:FusionConfig"

# Method -> model and settings, each as module and class below ``md2n.methods``.
METHODS = {
    "md2n": ("md2n.model:MD2N", "md2n.config:MD2NConfig"),
    "zero_fill": ("zero_fill.model:ZeroFill", FUSION),
    "regression_fill": ("regression_fill.model:RegressionFill", FUSION),
    "factor_analysis": ("factor_analysis.model:FactorAnalysis", FUSION),
    "neighbours": ("neighbours.model:Neighbours", FUSION),
    "boosted_trees": ("boosted_trees.model:BoostedTrees", "boosted_trees.config:BoostedTreesConfig"),
    "modality_dropout": ("modality_dropout.model:ModalityDropout", FUSION),
    "majority": ("majority.model:Majority", "majority.config:MajorityConfig"),
    "mean_fill": ("mean_fill.model:MeanFill", FUSION),
    "dedicated": ("dedicated.model:Dedicated", FUSION),
    "dcca": ("dcca.model:DCCA", "dcca.config:DCCAConfig"),
    "dccae": ("dcca.model:DCCAE", "dcca.config:DCCAEConfig"),
    "mmin": ("mmin.model:MMIN", "mmin.config:MMINConfig"),
    "gcnet": ("gcnet.model:GCNet", "gcnet.config:GCNetConfig"),
    "dicmor": ("dicmor.model:DiCMoR", "dicmor.config:DiCMoRConfig"),
    "imder": ("imder.model:IMDer", "imder.config:IMDerConfig"),
    "mctn": ("mctn.model:MCTN", "mctn.config:MCTNConfig"),
    "transm": ("transm.model:TransM", "transm.config:TransMConfig"),
    "icdn": ("icdn.model:ICDN", "icdn.config:ICDNConfig"),
    "with_recovery": ("with_recovery.model:WithRecovery", "with_recovery.config:WithRecoveryConfig"),
}
# Made of other methods: configured for a study, not compared as a method of its own.
COMPOSED = ("with_recovery",)

MODELS = Registry("model", {name: f"md2n.methods.{model}" for name, (model, _) in METHODS.items()})
CONFIGS = Registry("model", {name: f"md2n.methods.{config}" for name, (_, config) in METHODS.items()})


def add(name: str, path: Path) -> None:
    """Registers the method of a file; see ``added``.

    Raises:
        UsageError: the name is taken.
    """
    if name in METHODS:
        raise UsageError(f"a method of md2n is called '{name}'", f"give {path.name} another name")
    module = reachable(path)
    MODELS.add(name, f"{module}:METHOD")
    CONFIGS.add(name, f"{module}:SETTINGS" if has_settings(path) else f"md2n.methods.{FUSION}")


for _name, _path in files().items():
    add(_name, _path)


def compared() -> tuple[str, ...]:
    """The methods that a benchmark of all methods compares."""
    return tuple(name for name in MODELS.names() if name not in COMPOSED)


def config_class(name: str) -> type[Any]:
    """The frozen dataclass that configures method ``name``; does not import torch."""
    cls: type[Any] = CONFIGS.get(name)
    return cls


def build(
    name: str, schema: Schema, config: Any, seed: int | None = None, samples: int | None = None
) -> MultimodalModel:
    """A newly initialised method.

    Args:
        name: a name in ``MODELS``.
        schema: modalities and task.
        config: an instance of ``config_class(name)``.
        seed: of the run: the weights are a function of it; without it they follow torch's own generator.
        samples: that the method is to learn from; settings that follow from their number (``for_samples``) are then
            decided.

    Raises:
        UsageError: the name is unknown.
        ConfigError: the method would be larger than ``md2n.methods.size`` allows.
    """
    method = MODELS.get(name)
    if samples is not None and hasattr(config, "for_samples"):
        config = config.for_samples(samples)
    check_sizes(config, "model")
    with torch.random.fork_rng(devices=[], enabled=seed is not None), bounded(name, schema):
        if seed is not None:
            torch.manual_seed(stream_seed(seed, "init"))
        model: MultimodalModel = method(schema, config)
    return model
