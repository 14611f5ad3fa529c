"""The search of a benchmark: the same number of trials for every method on every data set, chosen on validation.

Trial 0 is the preset; Optuna draws trials 1 to N at random from the method's space.  Each is a ``md2n train`` run with
seed 0 under ``trials/``, which is all that is remembered: a draw hangs on method, data set and number alone.  The best
validation score decides the settings of all seeds, on every fold for itself.  The test split has no part in it: trials
are never measured on it.

Every method is offered the common space; what is its own is under its name.  Two numbers are the ends of a range, drawn
evenly in the logarithm; words are values as ``--set`` takes them, all equally likely.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from md2n.config import flat, to_mapping
from md2n.errors import ConfigError, UsageError, install_hint
from md2n.experiment.config import ExperimentConfig
from md2n.experiment.job import Job
from md2n.training.rundir import read_run

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
    "md2n": {**COMPLETE_VIEW, "model.gamma": ("0.1", "0.3", "1.0")},
    "boosted_trees": {
        "model.rate": (3e-2, 3e-1),
        "model.leaves": ("7", "15", "31"),
        "model.leaf_rows": ("5", "20", "50"),
        "model.penalty": ("0.0", "1.0", "10.0"),
    },
    "dcca": CORRELATION,
    "dccae": {**CORRELATION, "model.reconstruction": (1e-4, 1e1)},
    "mmin": {"model.imagination": ("1.0", "4.0", "10.0"), "model.cycle": ("0.5", "2.0")},
    "gcnet": {"model.window": ("1", "2", "4"), "model.reconstruction": ("0.3", "1.0", "3.0")},
    "dicmor": {**RECOVERY, "model.density": (1e-3, 1.0)},
    "imder": {**RECOVERY, "model.score": (1e-2, 1.0)},
    "mctn": {"model.translate": (1e-2, 1.0), "model.cycle": (1e-2, 1.0), "model.second": (1e-2, 1.0)},
    "transm": {"model.translation": (1e-2, 1.0)},
    "icdn": {"model.difference": (1e-1, 3.0)},
}


def trials_of(jobs: Sequence[Job], tune: int) -> list[Job]:
    """The trials of every method on every data set among these runs, trial by trial.

    Args:
        jobs: the runs whose settings are searched.
        tune: trials beside the preset.

    Raises:
        UsageError: Optuna is not installed.
        ConfigError: a space holds a setting or a value that its method does not have.
    """
    try:
        import optuna
    except ImportError as error:
        raise UsageError("Optuna, which searches settings, is not installed", install_hint("tune")) from error
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trials = []
    for first in {(j.data, j.model, j.fold): replace(j, seed=0) for j in jobs}.values():
        trials.append(replace(first, trial=0))
        drawn: dict[str, BaseDistribution] = {
            path: FloatDistribution(*values, log=True)
            if isinstance(values[0], float)
            else CategoricalDistribution(values)
            for path, values in space(first.model, first.config, first.sets).items()
        }
        for number in range(1, tune + 1):
            seed = zlib.crc32(f"{first.model}/{first.dataset}/{number}".encode())
            study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
            values = study.ask(drawn).params.items()
            sets = [f"{t}={value}" for path, value in values for t in targets(path, first.config, first.sets)]
            trials.append(replace(first, sets=(*first.sets, *sets), trial=number))
    for trial in trials:
        _ = trial.config  # what cannot be meant is refused before the work
    return sorted(trials, key=lambda t: t.trial or 0)


def settled(jobs: Sequence[Job], trials: Sequence[Job]) -> list[Job]:
    """The runs with the settings of the best trial: of equal ones the first; where none is done, the preset.

    Args:
        jobs: as for ``trials_of``.
        trials: from there, done or failed.
    """
    scores = {trial: float(read_run(trial.run)["result"]["score"]) for trial in trials if trial.done()}
    runs = []
    for job in jobs:
        own = [trial for trial in scores if (trial.data, trial.model, trial.fold) == (job.data, job.model, job.fold)]
        runs.append(replace(job, sets=max(own, key=scores.__getitem__).sets if own else job.sets))
    return runs


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
        raise ConfigError(f"the search space of '{model}' has '{path}', which it does not have", "mend tuning.py")
    return {path: values for path, values in ranges.items() if targets(path, config, sets)}


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
