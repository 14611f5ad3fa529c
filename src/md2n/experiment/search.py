"""The search space of every method: what ``md2n benchmark --tune`` draws from, stated in one place.  No torch here.

Every method is offered the common space; what is its own stands under its name.  A trial draws one value for every
entry, from a stream of its own: the same trial of the same method on the same data is the same on every machine, and
more trials begin with those that fewer would have made.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from md2n.config import flat, to_mapping
from md2n.errors import ConfigError
from md2n.experiment.config import ExperimentConfig

DROPOUT = "every dropout that is not 0"


@runtime_checkable
class Range(Protocol):
    """What one setting is drawn from."""

    def draw(self, rng: random.Random) -> str:
        """A value as ``--set`` takes it."""
        ...

    @property
    def words(self) -> str:
        """The range in words."""
        ...


@dataclass(frozen=True)
class Between:
    """Evenly distributed logarithm, three significant digits.

    Args:
        low: least value, > 0.
        high: greatest value.
    """

    low: float
    high: float

    def draw(self, rng: random.Random) -> str:
        """A value as ``--set`` takes it."""
        return repr(float(f"{math.exp(rng.uniform(math.log(self.low), math.log(self.high))):.3g}"))

    @property
    def words(self) -> str:
        """The range in words."""
        return f"{self.low:g} to {self.high:g}, evenly in the logarithm"


@dataclass(frozen=True)
class Among:
    """Any of a few values, all equally likely.

    Args:
        values: as ``--set`` takes them.
    """

    values: tuple[str, ...]

    def draw(self, rng: random.Random) -> str:
        """A value as ``--set`` takes it."""
        return rng.choice(self.values)

    @property
    def words(self) -> str:
        """The range in words."""
        return ", ".join(self.values)


COMMON: Mapping[str, Range] = {
    "trainer.learning_rate": Between(1e-4, 3e-3),
    "trainer.weight_decay": Among(("0.001", "0.01", "0.1")),
    DROPOUT: Among(("0.1", "0.2", "0.3", "0.4")),
}

CORRELATION: Mapping[str, Range] = {
    "model.components": Among(("5", "10", "20")),
    "model.ridge": Between(1e-4, 1e-1),
}

# MD2N's levers beyond its paper, offered to the other methods that end in its fusion Transformer.
COMPLETE_VIEW: Mapping[str, Range] = {
    "model.complete_view_distillation": Among(("0.0", "1.0", "3.0")),
    "model.complete_task": Among(("0.0", "1.0")),
}

RECOVERY: Mapping[str, Range] = {
    **COMPLETE_VIEW,
    "model.recovery": Among(("0.1", "0.3", "1.0")),
    "model.decoding": Among(("0.1", "0.3", "1.0")),
}

# What a method's own paper tunes or leaves open.
OWN: Mapping[str, Mapping[str, Range]] = {
    "md2n": {
        **COMPLETE_VIEW,
        "model.gamma": Among(("0.1", "0.3", "1.0")),
    },
    "dcca": CORRELATION,
    "dccae": {**CORRELATION, "model.reconstruction": Between(1e-4, 1e1)},
    "mmin": {"model.imagination": Among(("1.0", "4.0", "10.0")), "model.cycle": Among(("0.5", "2.0"))},
    "gcnet": {"model.window": Among(("1", "2", "4")), "model.reconstruction": Among(("0.3", "1.0", "3.0"))},
    "dicmor": {**RECOVERY, "model.density": Between(1e-3, 1.0)},
    "imder": {**RECOVERY, "model.score": Between(1e-2, 1.0)},
    "mctn": {
        "model.translate": Between(1e-2, 1.0),
        "model.cycle": Between(1e-2, 1.0),
        "model.second": Between(1e-2, 1.0),
    },
    "transm": {"model.translation": Between(1e-2, 1.0)},
    "icdn": {"model.difference": Between(1e-1, 3.0)},
}


def space(model: str, config: ExperimentConfig, fixed: Sequence[str] = ()) -> dict[str, Range]:
    """What a method's trials draw, by ``--set`` path (or ``DROPOUT``).

    Args:
        model: method.
        config: it starts from; tells which parts have dropout.
        fixed: ``--set`` assignments of the person who asks: these settings are not searched.

    Raises:
        ConfigError: the stated space has a setting that the method does not have.
    """
    known = flat(to_mapping(config))
    held = {assignment.partition("=")[0].strip() for assignment in fixed}
    ranges: dict[str, Range] = {}
    for path, values in {**COMMON, **OWN.get(model, {})}.items():
        if path == DROPOUT:
            if dropouts(config, held):
                ranges[path] = values
        elif path not in known:
            raise ConfigError(f"the search space of '{model}' has '{path}', which it does not have", "mend search.py")
        elif path not in held:
            ranges[path] = values
    return ranges


def dropouts(config: ExperimentConfig, held: Sequence[str] | set[str] = ()) -> tuple[str, ...]:
    """Paths of the method's dropouts whose preset is above 0, but for those that are held."""
    leaves = flat(to_mapping(config))
    return tuple(
        path
        for path, value in leaves.items()
        if path.startswith("model.") and path.endswith(".dropout") and value > 0 and path not in held
    )


def draws(model: str, dataset: str, config: ExperimentConfig, count: int, fixed: Sequence[str] = ()) -> list[list[str]]:
    """``--set`` assignments of ``count`` trials.

    Args:
        model: method.
        dataset: name of the data.
        config: it starts from.
        count: trials.
        fixed: settings that are not searched, as ``--set`` takes them.

    Raises:
        ConfigError: the stated space has a setting that the method does not have.
    """
    stated = space(model, config, fixed)
    held = {assignment.partition("=")[0].strip() for assignment in fixed}
    trials = []
    for trial in range(1, count + 1):
        rng = random.Random(f"md2n search/{model}/{dataset}/{trial}")
        assignments: list[str] = []
        for path, values in stated.items():
            value = values.draw(rng)
            assignments += [f"{p}={value}" for p in (dropouts(config, held) if path == DROPOUT else (path,))]
        trials.append(assignments)
    return trials
