"""Measures any method under any condition, with everything hidden poisoned.

A method gets ``batch.hide(available).poisoned()``: every feature that it may not read is NaN and no label is known, so
it cannot profit from them; a method that reads them answers NaN and is refused by name.

Every condition has its own random stream, of (seed, condition), and what is drawn for a sample depends on its id.  The
same call gives the same bits, whatever the other conditions and their order; and the same predictions and draws, up to
rounding, for every batch size, order and subset of the samples, on every device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from md2n.batch import Dataset
from md2n.brief import brief
from md2n.errors import DataError, UsageError
from md2n.evaluation import metrics
from md2n.evaluation.certainty import Certainty
from md2n.evaluation.inference import (
    Meter,
    batches,
    check_conditions,
    conversations_for,
    evaluation_mode,
    hidden_batch,
    refuse_nan,
    to_numpy,
)
from md2n.evaluation.protocols import Condition
from md2n.evaluation.recovery import MOST_FRAMES, LatentTally, RecoveryTally
from md2n.evaluation.reliability import certainty_measures
from md2n.evaluation.results import Provenance, ResultRow
from md2n.methods.base import MultimodalModel, Recovers
from md2n.missing import incomplete_patterns, pattern_flags
from md2n.seeding import generator, numpy_generator

Array = npt.NDArray[Any]

PAIRS = 8192  # of samples and patterns that a validation looks at: the standard error of an accuracy is .6 % at most


@dataclass(frozen=True, eq=False)
class ConditionResult:
    """A method's answers under one condition.

    Args:
        condition: which modalities were hidden.
        n: samples measured: those that take part and whose label is known.
        measures: name -> value; see ``metrics.measures`` and ``reliability.certainty_measures``.
        output: ``[R]`` or ``[R, C]`` of the R samples that take part.
        std: the same shape; standard deviation over draws; None where the method gave none.
        labels: ``[R]``.
        rows: ``[R]`` row numbers in the data set.
    """

    condition: Condition
    n: int
    measures: dict[str, float]
    output: Array
    std: Array | None
    labels: Array
    rows: Array

    __repr__ = brief


@dataclass(frozen=True, eq=False)
class RecoveryResult:
    """How one hidden modality came back under one condition.

    Args:
        condition: which modalities were hidden.
        target: the recovered modality.
        n: samples it was hidden from and recovered for.
        frames: valid frames of those samples.
        measures: name -> value; see ``md2n.evaluation.recovery``.
        truth: ``[<= 1000, d]`` a sub-sample of the true frames, normalised, for figures.
        recovered: their recoveries, means over draws.
        draw: their first draws.
    """

    condition: Condition
    target: str
    n: int
    frames: int
    measures: dict[str, float]
    truth: Array
    recovered: Array
    draw: Array

    __repr__ = brief


class ValidationScore(NamedTuple):
    """Means over incomplete patterns: ``score`` (higher is better) and ``loss`` (lower is better)."""

    score: float
    loss: float


def evaluate(
    model: MultimodalModel,
    dataset: Dataset,
    conditions: Sequence[Condition],
    *,
    batch_size: int = 256,
    draws: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    meter: Meter | None = None,
    certainty: Certainty | None = None,
) -> list[ConditionResult]:
    """Predictions and measures under every condition, in the order given; the data are read once.

    Args:
        model: on ``device``; its training mode stays as it is.
        dataset: N samples.
        conditions: ``available`` of shape ``[N, M]`` each.
        batch_size: samples per call.
        draws: overrides the method's own number of draws.
        seed: of everything random.
        device: where the method is.
        meter: counts what the predictions took.
        certainty: of the model, measured beside; it changes no prediction and no other measure.

    Raises:
        UsageError: a condition was made for another number of samples or modalities.
        DivergenceError: a prediction is not a number.
    """
    meter = meter or Meter()
    check_conditions(model, dataset, conditions)
    collected: list[list[tuple[Array, Array | None, Array, Array, Array]]] = [[] for _ in conditions]
    with evaluation_mode(model):
        for positions, loaded in batches(dataset, batch_size, device, conversations_for(model, dataset)):
            for condition, parts in zip(conditions, collected):
                shown = hidden_batch(loaded, condition, positions, seed)
                if shown is None:
                    continue
                inputs, whole = shown
                g = generator(seed, "evaluate", condition.name)
                with meter.answering(inputs.size):
                    prediction = model.predict(inputs, g, draws=draws)
                refuse_nan(prediction.output, f"under '{condition.name}'")
                std = None if prediction.std is None else to_numpy(prediction.std)
                number = to_numpy(inputs.available.sum(dim=1))
                parts.append((to_numpy(prediction.output), std, to_numpy(whole.labels), to_numpy(whole.rows), number))
    results = []
    for condition, parts in zip(conditions, collected):
        output, std, labels, rows, number = _joined(parts, model)
        measures = metrics.measures(model.schema.task, output, labels)
        measures |= certainty_measures(model.schema.task, output, labels, number, certainty)
        n = int(metrics.known(labels).sum())
        results.append(ConditionResult(condition, n, measures, output, std, labels, rows))
    return results


def validation_score(
    model: MultimodalModel,
    dataset: Dataset,
    *,
    batch_size: int = 256,
    draws: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    balanced: bool = False,
) -> ValidationScore:
    """What a checkpoint is chosen by: accuracy and cross-entropy, or minus MAE and MAE, as means over patterns.

    With ``balanced`` it is the balanced accuracy, in which a small class counts as much as a large one.  All incomplete
    patterns are in one mixed batch: the data are read once.  One seed gives the same draws at every call, so that
    checkpoints compare.  Samples without a label, and patterns that leave a sample nothing, do not count.

    Where samples and patterns make more than ``PAIRS`` pairs, every sample takes its turn with a few of the patterns,
    the same at every call; a conversation keeps its patterns together.

    Raises:
        DataError: no sample has a label.
        DivergenceError: a prediction is not a number.
    """
    names, task = model.schema.names, model.schema.task
    patterns = incomplete_patterns(names)
    flags = torch.tensor([pattern_flags(p, names) for p in patterns], device=device)
    turns = max(1, min(len(patterns), PAIRS // max(1, len(dataset))))
    together, own = conversations_for(model, dataset), np.arange(len(dataset))
    outputs, labels, codes = [], [], []
    with evaluation_mode(model):
        for positions, loaded in batches(dataset, max(1, batch_size // turns), device, together):
            copies = torch.arange(loaded.size, device=device).repeat(len(patterns))
            code = torch.arange(len(patterns), device=device).repeat_interleave(loaded.size)
            unit = positions if together is None else np.where(together < 0, own, together)[positions]
            turn = (code - turns * torch.from_numpy(unit).to(device)[copies]) % len(patterns) < turns
            keep = turn & (flags[code] & loaded.present[copies]).any(dim=1)
            copies, code = copies[keep], code[keep]
            if not len(copies):
                continue
            mixed = loaded.select(copies).apart(code)
            prediction = model.predict(
                mixed.hide(flags[code]).poisoned(),
                generator(seed, "validate"),
                draws=draws,
            )
            refuse_nan(prediction.output, "in validation")
            outputs.append(to_numpy(prediction.output))
            labels.append(to_numpy(mixed.labels))
            codes.append(to_numpy(code))
    output, label, pattern = np.concatenate(outputs), np.concatenate(labels), np.concatenate(codes)
    known = metrics.known(label)
    if not known.any():
        raise DataError("no validation sample has a label", "choose another label column, or other splits")
    accuracy = metrics.balanced_accuracy if balanced else metrics.accuracy
    scored, lost = [], []
    for number in np.unique(pattern[known]):
        chosen = known & (pattern == number)
        if task.kind == "classification":
            scored.append(accuracy(output[chosen], label[chosen]))
            lost.append(metrics.cross_entropy(output[chosen], label[chosen]))
        else:
            lost.append(metrics.mae(output[chosen], label[chosen]))
            scored.append(-lost[-1])
    return ValidationScore(float(np.mean(scored)), float(np.mean(lost)))


def evaluate_recovery(
    model: MultimodalModel,
    dataset: Dataset,
    conditions: Sequence[Condition],
    *,
    batch_size: int = 64,
    draws: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    most: int = MOST_FRAMES,
    meter: Meter | None = None,
) -> list[RecoveryResult]:
    """How well each modality that the data hold comes back where a condition hides it, in normalised units.

    Args:
        model: a method with ``recover``.
        dataset: N samples.
        conditions: ``available`` of shape ``[N, M]`` each; those that hide nothing give no result.
        batch_size: samples per call.
        draws: draws per sample (None: the method's own number); two or more for a coverage.
        steps: network calls per recovery (None: the method's own number).
        seed: of everything random.
        device: where the method is.
        most: frames stored for the energy distance and for figures.
        meter: counts what the recoveries took; a sample counts once, however many of its modalities were hidden.

    Raises:
        UsageError: the method does not recover, or a condition was made for other data.
        DataError: a recovered feature is not a number.
    """
    check_conditions(model, dataset, conditions)
    if not isinstance(model, Recovers):
        raise UsageError(
            f"'{type(model).__name__}' does not recover modalities", "measure its predictions, or choose md2n"
        )
    meter = meter or Meter()
    names = model.schema.names
    wanted = [(c, t) for c in range(len(conditions)) for t in range(len(names))]
    tallies = {(c, t): RecoveryTally(numpy_generator(seed, "energy", conditions[c].name, t), most) for c, t in wanted}
    latents = {key: LatentTally() for key in wanted}
    samples = dict.fromkeys(wanted, 0)
    together = conversations_for(model, dataset)
    with evaluation_mode(model):
        for positions, loaded in batches(dataset, batch_size, device, together):
            for c, condition in enumerate(conditions):
                shown = hidden_batch(loaded, condition, positions)
                concerned = None if shown is None else (shown[1].present & ~shown[0].available).any(dim=1)
                if shown is None or concerned is None or not bool(concerned.any()):
                    continue
                # Conversations stay whole: complete samples are context of the others.
                selection = concerned if together is None else torch.ones_like(concerned)
                inputs, whole = (batch.select(selection) for batch in shown)
                hidden = whole.present & ~inputs.available
                g = generator(seed, "recover", condition.name)
                with meter.answering(int(concerned.sum())):
                    back = model.recover(inputs, g, draws=draws, steps=steps)
                meter.draws = len(back.draws[names[0]])
                # With nothing hidden every latent is the true one, so one draw and one step are enough.
                true = model.recover(whole.complete().poisoned(), g, draws=1, steps=1) if back.latents else back
                for t, name in enumerate(names):
                    frames = to_numpy(whole.valid[name] & hidden[:, t, None])
                    tallies[c, t].add(
                        to_numpy(whole.truth(name))[frames],
                        to_numpy(back.features[name])[frames],
                        to_numpy(back.draws[name])[:, frames],
                        to_numpy(whole.real(name))[frames] if name in whole.cells else None,
                    )
                    if name in back.latents:
                        chosen = to_numpy(hidden[:, t])
                        latents[c, t].add(to_numpy(true.latents[name])[chosen], to_numpy(back.latents[name])[chosen])
                    samples[c, t] += int(hidden[:, t].sum())
    return [
        RecoveryResult(
            condition=conditions[c],
            target=names[t],
            n=samples[c, t],
            frames=tally.frames,
            measures=tally.measures() | latents[c, t].measures(),
            truth=tally.truth,
            recovered=tally.recovered,
            draw=tally.draw,
        )
        for (c, t), tally in tallies.items()
        if tally.frames
    ]


def result_rows(results: Sequence[ConditionResult | RecoveryResult], source: Provenance) -> list[ResultRow]:
    """One row per measure, ready for ``append_results``."""
    return [
        ResultRow.of(
            source,
            condition=r.condition.name,
            rate_requested=r.condition.requested_rate,
            rate_realised=r.condition.realised_rate,
            n=r.n,
            metric=metric,
            value=value,
            target=r.target if isinstance(r, RecoveryResult) else "",
        )
        for r in results
        for metric, value in r.measures.items()
    ]


def _joined(
    parts: list[tuple[Array, Array | None, Array, Array, Array]], model: MultimodalModel
) -> tuple[Array, Array | None, Array, Array, Array]:
    if parts:
        outputs, stds, *others = zip(*parts)
        measured = [s for s in stds if s is not None]
        std = np.concatenate(measured) if len(measured) == len(parts) else None
        labels, rows, number = (np.concatenate(column) for column in others)
        return np.concatenate(outputs), std, labels, rows, number
    classes = model.schema.task.kind == "classification"
    empty = np.zeros((0, model.schema.task.output_dim) if classes else 0, np.float32)
    none = np.zeros(0, np.int64)
    return empty, None, np.zeros(0, np.int64 if classes else np.float32), none, none
