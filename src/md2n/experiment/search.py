"""The search space of every method: what ``md2n benchmark --tune`` draws from, written in one place.  No torch here.

Every method is offered the common space; what is its own is under its name.  Two numbers are the ends of a range, drawn
evenly in the logarithm; words are values as ``--set`` takes them, all equally likely.
"""

from collections.abc import Mapping, Sequence

from md2n.config import flat, to_mapping
from md2n.errors import ConfigError
from md2n.experiment.config import ExperimentConfig

DROPOUT = "every dropout that is not 0"

Values = tuple[float, float] | tuple[str, ...]
Space = Mapping[str, Values]

COMMON: Space = {
    "trainer.learning_rate": (1e-4, 3e-3),
    "trainer.weight_decay": ("0.001", "0.01", "0.1"),
    DROPOUT: ("0.1", "0.2", "0.3", "0.4"),
}

CORRELATION: Space = {
    "model.components": ("5", "10", "20"),
    "model.ridge": (1e-4, 1e-1),
}

# MD2N's levers beyond its paper, offered to the other methods that end in its fusion Transformer.
COMPLETE_VIEW: Space = {
    "model.complete_view_distillation": ("0.0", "1.0", "3.0"),
    "model.complete_task": ("0.0", "1.0"),
}

RECOVERY: Space = {
    **COMPLETE_VIEW,
    "model.recovery": ("0.1", "0.3", "1.0"),
    "model.decoding": ("0.1", "0.3", "1.0"),
}

# What a method's own paper tunes or leaves open.
OWN: Mapping[str, Space] = {
    "md2n": {
        **COMPLETE_VIEW,
        "model.gamma": ("0.1", "0.3", "1.0"),
    },
    "dcca": CORRELATION,
    "dccae": {**CORRELATION, "model.reconstruction": (1e-4, 1e1)},
    "mmin": {"model.imagination": ("1.0", "4.0", "10.0"), "model.cycle": ("0.5", "2.0")},
    "gcnet": {"model.window": ("1", "2", "4"), "model.reconstruction": ("0.3", "1.0", "3.0")},
    "dicmor": {**RECOVERY, "model.density": (1e-3, 1.0)},
    "imder": {**RECOVERY, "model.score": (1e-2, 1.0)},
    "mctn": {
        "model.translate": (1e-2, 1.0),
        "model.cycle": (1e-2, 1.0),
        "model.second": (1e-2, 1.0),
    },
    "transm": {"model.translation": (1e-2, 1.0)},
    "icdn": {"model.difference": (1e-1, 3.0)},
}


def space(model: str, config: ExperimentConfig, sets: Sequence[str] = ()) -> dict[str, Values]:
    """What a method's trials draw, by ``--set`` path (or ``DROPOUT``).

    Args:
        model: method.
        config: it starts from; its fields say which parts have dropout.
        sets: ``--set`` assignments of the user: these settings are not searched.

    Raises:
        ConfigError: the space has a setting that the method does not have.
    """
    known = flat(to_mapping(config))
    ranges = {**COMMON, **OWN.get(model, {})}
    for path in ranges.keys() - known.keys() - {DROPOUT}:
        raise ConfigError(f"the search space of '{model}' has '{path}', which it does not have", "mend search.py")
    return {path: values for path, values in ranges.items() if targets(path, config, sets)}


def in_words(values: Values) -> str:
    """A range or a choice, for the tables.

    >>> in_words((0.001, 0.1)), in_words(("0.5", "2.0"))
    ('0.001 to 0.1, evenly in the logarithm', '0.5, 2.0')
    """
    low, *others = values
    if isinstance(low, float):
        return f"{low:g} to {others[0]:g}, evenly in the logarithm"
    return ", ".join(map(str, values))


def targets(path: str, config: ExperimentConfig, sets: Sequence[str] = ()) -> list[str]:
    """The settings that an entry of the space decides, but for those that the user set.

    Of ``DROPOUT`` all dropouts of the method whose preset is above 0: they have one value.
    """
    held = {assignment.partition("=")[0].strip() for assignment in sets}
    paths = [path]
    if path == DROPOUT:
        leaves = flat(to_mapping(config)).items()
        paths = [p for p, value in leaves if p.startswith("model.") and p.endswith(".dropout") and value > 0]
    return [p for p in paths if p not in held]
