"""What each modality is worth to a trained run, on the samples that have it and over all samples by weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from md2n.data.cases import always_there, time_means
from md2n.data.dataset import MultimodalDataset
from md2n.data.folds import group_names
from md2n.data.propensity import GapWeights, gap_weights
from md2n.data.samples import UNASSIGNED
from md2n.errors import DataError
from md2n.evaluation.evaluator import evaluate
from md2n.evaluation.inference import Meter
from md2n.evaluation.protocols import Condition
from md2n.evaluation.value import ModalityValue, modality_values
from md2n.experiment.loading import LoadedRun, evaluation_data, load_run

Progress = Callable[[int, int, str], None]


def run_values(
    run: Path | LoadedRun,
    *,
    split: str = "test",
    data: str | None = None,
    device: str = "cpu",
    notice: Callable[[str], None] = lambda text: None,
    progress: Progress = lambda done, total, what: None,
) -> list[ModalityValue]:
    """The worth of every modality to a finished run.

    Weights are made from all samples that are in a split: they need no labels, and small splits tell little.

    Args:
        run: a run folder, or a loaded run.
        split: train, valid or test.
        data: other data than the run was trained on.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``; of no account for a loaded run.
        notice: receives sentences that a person should read.
        progress: called after every batch: how many predictions there are, of how many, and what they are.

    Raises:
        RunError: the run is not finished, or damaged.
        UsageError: no such split or device.
        DataError: the data do not fit the run, have changed since it was trained, or no sample has a label.
    """
    loaded = run if isinstance(run, LoadedRun) else load_run(run, device)
    samples, dataset, _ = evaluation_data(loaded, split, data, notice)
    everyone = MultimodalDataset(
        samples, np.flatnonzero(samples.split != UNASSIGNED), dataset.normaliser, schema=loaded.schema
    )
    weights = value_weights(everyone, loaded.config.evaluation.seed, notice)
    places = np.searchsorted(everyone.rows, dataset.rows)
    number = dataset.present.sum(axis=1)
    total = int(dataset.present.sum() + 2 * number[number > 1].sum())
    config = loaded.config.evaluation
    names = loaded.schema.names
    results = evaluate(
        loaded.model,
        dataset,
        value_conditions(dataset.present, names),
        batch_size=config.batch_size,
        draws=config.draws or None,
        seed=config.seed,
        device=loaded.device,
        meter=Meter(lambda done: progress(done, total, "predictions")),
    )
    values = modality_values(
        loaded.schema.task,
        {name: results[3 * k : 3 * k + 3] for k, name in enumerate(names)},
        dataset.rows,
        group_names(samples)[dataset.rows],
        {name: (alone.weights[places], beside.weights[places]) for name, (alone, beside) in weights.items()},
    )
    if not values:
        raise DataError(
            f"no sample of the split '{split}' has a label '{loaded.schema.task.label}'", "measure another split"
        )
    return values


def value_conditions(present: npt.NDArray[np.bool_], names: tuple[str, ...]) -> list[Condition]:
    """For each modality: it alone; what else a sample has that has it; the two together.

    Args:
        present: ``[N, M]``; what the data hold.
        names: modality names, in the order of the columns.
    """
    conditions = []
    for k, name in enumerate(names):
        own = np.arange(len(names)) == k
        both = present & (present[:, k] & (present.sum(axis=1) > 1))[:, None]
        parts = {"alone": present & own, "without": both & ~own, "both": both}
        conditions += [Condition(f"{part}/{name}", flags, None, 0.0) for part, flags in parts.items()]
    return conditions


def value_weights(
    dataset: MultimodalDataset, seed: int, notice: Callable[[str], None]
) -> dict[str, tuple[GapWeights, GapWeights]]:
    """Modality -> weights of the samples that have it, and of those that have it and another one.

    Args:
        dataset: all samples that weights are made from.
        seed: of the folds.
        notice: receives what a person should know of the weights.
    """
    names, present, whole = dataset.samples.names, dataset.present, always_there(dataset)
    if not whole and not present.all():
        notice("note: no modality is in every sample, so nothing says which gaps are by chance: weights are all equal")
    inputs, groups = time_means(dataset, whole), group_names(dataset.samples)[dataset.rows]
    weights = {}
    for k, name in enumerate(names):
        own = present[:, k]
        beside = own & (present.sum(axis=1) > 1)
        alone = gap_weights(inputs, own, groups, seed)
        both = alone if bool((beside == own).all()) else gap_weights(inputs, beside, groups, seed)
        weights[name] = (alone, both)
        for note in alone.notes(f"samples with '{name}'"):
            notice(f"note: {note}")
    even = [name for name, (alone, _) in weights.items() if alone.without and not alone.uneven]
    if whole and even:
        notice(
            f"note: who has {', '.join(even)} cannot be predicted from what every sample has ({', '.join(whole)}): "
            "weights are all equal"
        )
    return weights
