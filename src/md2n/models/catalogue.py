"""Every method by its name, and how one is built.  Looking a name up imports that method only."""

from typing import Any

from md2n.modality import Schema
from md2n.models.base import MultimodalModel
from md2n.models.size import bounded, check_sizes
from md2n.registry import Registry

MODELS = Registry(
    "model",
    {
        "md2n": "md2n.models.md2n:MD2N",
        "zero_fill": "md2n.models.baselines.zero_fill:ZeroFill",
        "regression_fill": "md2n.models.baselines.regression_fill:RegressionFill",
        "neighbours": "md2n.models.baselines.neighbours:Neighbours",
        "modality_dropout": "md2n.models.baselines.modality_dropout:ModalityDropout",
        "majority": "md2n.models.baselines.majority:Majority",
        "mean_fill": "md2n.models.baselines.mean_fill:MeanFill",
        "dedicated": "md2n.models.baselines.dedicated:Dedicated",
        "dcca": "md2n.models.baselines.dcca:DCCA",
        "dccae": "md2n.models.baselines.dcca:DCCAE",
        "mmin": "md2n.models.baselines.mmin:MMIN",
        "gcnet": "md2n.models.baselines.gcnet:GCNet",
        "dicmor": "md2n.models.baselines.dicmor:DiCMoR",
        "imder": "md2n.models.baselines.imder:IMDer",
        "mctn": "md2n.models.baselines.mctn:MCTN",
        "transm": "md2n.models.baselines.transm:TransM",
        "icdn": "md2n.models.baselines.icdn:ICDN",
    },
)

CONFIGS = Registry(
    "model",
    {
        "md2n": "md2n.models.config:MD2NConfig",
        "zero_fill": "md2n.models.config:FusionConfig",
        "regression_fill": "md2n.models.config:FusionConfig",
        "neighbours": "md2n.models.config:FusionConfig",
        "modality_dropout": "md2n.models.config:FusionConfig",
        "majority": "md2n.models.baselines.config:MajorityConfig",
        "mean_fill": "md2n.models.config:FusionConfig",
        "dedicated": "md2n.models.config:FusionConfig",
        "dcca": "md2n.models.baselines.config:DCCAConfig",
        "dccae": "md2n.models.baselines.config:DCCAEConfig",
        "mmin": "md2n.models.baselines.config:MMINConfig",
        "gcnet": "md2n.models.baselines.config:GCNetConfig",
        "dicmor": "md2n.models.baselines.config:DiCMoRConfig",
        "imder": "md2n.models.baselines.config:IMDerConfig",
        "mctn": "md2n.models.baselines.config:MCTNConfig",
        "transm": "md2n.models.baselines.config:TransMConfig",
        "icdn": "md2n.models.baselines.config:ICDNConfig",
    },
)


def config_class(name: str) -> type[Any]:
    """The frozen dataclass that configures method ``name``; does not import torch."""
    cls: type[Any] = CONFIGS.get(name)
    return cls


def build(name: str, schema: Schema, config: Any) -> MultimodalModel:
    """A freshly initialised method.

    Args:
        name: a name in ``MODELS``.
        schema: modalities and task.
        config: an instance of ``config_class(name)``.

    Raises:
        UsageError: unknown name.
        ConfigError: larger than any method needs to be.
    """
    method = MODELS.get(name)
    check_sizes(config, "model")
    with bounded(name, schema):
        model: MultimodalModel = method(schema, config)
    return model
