r"""Which modalities of a sample look wrong: there, but not what the sample's other modalities lead one to expect.

Modality k of a sample is recovered from its others.  With x the true numbers (normalised), xhat the recovery and s its
standard deviation over draws, at least ``LEAST``,

    score_k = mean of ((x - xhat) / s)^2 over the known numbers of modality k.

A score says little by itself: how far off a recovery is depends on the modality and on how many others there are.  It
is ranked among the scores of n validation samples, of the same modality from as many others:

    p_k = (1 + number of validation scores >= score_k) / (n + 1),

which is at most a with probability a where the sample is exchangeable with the validation samples (conformal anomaly
detection; Laxhammar, Falkman 2010).  The recovery itself was calibrated on them, so p is a little too small.

A modality that the others say nothing of cannot be doubted: its recovery is the mean, and a swapped one scores as the
true one does.  Where one modality is wrong the others are recovered from it, so their scores rise too, and a right one
may have the highest.  So the one to distrust is the one without which the others agree (``trusted``).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from md2n.batch import SequenceBatch
from md2n.brief import brief
from md2n.config import from_mapping, to_mapping
from md2n.data.dataset import MultimodalDataset, iterate
from md2n.data.samples import Array, Samples
from md2n.durable import write_json
from md2n.errors import DataError, RunError, StorageError
from md2n.evaluation.inference import to_numpy
from md2n.methods.base import Recovers
from md2n.reading import read_json, reading
from md2n.seeding import generator, numpy_generator
from md2n.serve.answers import Answer
from md2n.serve.incoming import Given
from md2n.serve.required import require_finite

if TYPE_CHECKING:
    from md2n.experiment.loading import LoadedRun
    from md2n.serve.predictor import Predictor

TINY = 1e-30  # least median of scores
LEAST = 0.1  # least deviation of a recovered number, in deviations of the training split
DRAWS = 8  # behind a deviation
SAMPLES = 512  # validation samples at most, evenly chosen
REFERENCE = "inspection.json"  # of a run folder: what was measured on its validation samples

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Reference:
    """Scores of validation samples.

    Args:
        scores: modality -> number of others it is recovered from, from 1 -> scores, rising.
    """

    scores: tuple[tuple[tuple[float, ...], ...], ...]

    __repr__ = brief

    def of(self, k: int, others: int) -> Floats:
        """The scores that modality k from so many others is compared with; of any number where there are none."""
        rows = self.scores[k]
        chosen = rows[others - 1] if rows[others - 1] else sorted(x for row in rows for x in row)
        return np.asarray(chosen, np.float64)

    def rank(self, k: int, others: int, score: float) -> float:
        """P of a score; NaN where no validation sample has modality k beside another."""
        scores = self.of(k, others)
        n = len(scores)
        return (1 + n - int(np.searchsorted(scores, score))) / (n + 1) if n else float("nan")

    def times(self, k: int, others: int, score: float) -> float:
        """The score in medians of the validation scores; 0 where there are none."""
        scores = self.of(k, others)
        return score / max(float(np.median(scores)), TINY) if len(scores) else 0.0

    @property
    def finest(self) -> float:
        """The least p that every modality can have beside all others, of those that have any; 1 where none has."""
        counts = [len(self.of(k, len(self.scores) - 1)) for k in range(len(self.scores))]
        return 1 / (min((n for n in counts if n), default=0) + 1)

    def noted(self, answer: Answer, level: float) -> Answer:
        """The answer with notes on what was distrusted at this level."""
        count = sum(map(bool, answer.distrusted))
        notes = [f"{count} of {len(answer.ids)} samples have a modality that was distrusted and taken as missing"]
        if level < self.finest:
            notes.insert(0, f"level {level:g} is finer than the validation samples allow: {self.finest:.3g} was used")
        return replace(answer, notes=(*answer.notes, *notes))


@dataclass(frozen=True)
class Inspection:
    """How well each modality of N samples fits the others.

    Args:
        ids: ``[N]`` text.
        names: of the M modalities.
        score: ``[N, M]`` mean squared residual in deviations: about 1 where a recovery is as good as it promises.  NaN
            where the modality is missing, or the only one.
        p: ``[N, M]`` in (0, 1], the share of validation samples with a score as high; NaN where ``score`` is.
        finest: the least p that there is: 1 / (n + 1) for n validation samples.
        notes: what a person should know of how the data were taken.
    """

    ids: Array
    names: tuple[str, ...]
    score: Floats
    p: Floats
    finest: float
    notes: tuple[str, ...] = ()

    __repr__ = brief


def inspect(
    predictor: "Predictor",
    data: Mapping[str, Given] | Samples,
    *,
    groups: Sequence[str] | None = None,
    check_units: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Inspection:
    """See ``Predictor.inspect``."""
    reference = predictor.reference()
    taken = predictor.take(data, groups, check_units)
    scores, ranks = [], []
    with torch.inference_mode():
        for batch in taken.batches(predictor.batch_size, predictor.device, progress):
            score = modality_scores(predictor, batch, taken.samples.ids)
            scores.append(score)
            ranks.append(_ranked(score, to_numpy(batch.available), reference.rank))
    ids, names = taken.samples.ids, predictor.schema.names
    return Inspection(ids, names, np.concatenate(scores), np.concatenate(ranks), reference.finest, taken.notes)


def trusted(predictor: "Predictor", batch: SequenceBatch, ids: Array, level: float) -> Flags:
    """``[B, M]`` what is available and not distrusted.

    A sample of which some p is ``level`` or less loses the modality without which the rest fits best, and is looked at
    again, until no p is that low or one modality is left.  The rest fits best where the sum over it of ``ln(score /
    validation median)``, those above 0, is least.  The modality with the lowest p may be a right one that follows
    closely from the wrong one.  Of two, where there is no rest, one is lost only if its p alone is that low.

    Args:
        predictor: whose recovery and reference.
        batch: B samples.
        ids: of all samples, for messages.
        level: in (0, 1); one that is finer than there are validation samples for is raised to the least p.
    """
    reference = predictor.reference()
    left: Flags = to_numpy(batch.available).copy()
    rows, level = np.arange(batch.size), max(level, reference.finest)
    while len(rows):
        part = _shown(batch, rows, left)
        low = _ranked(modality_scores(predictor, part, ids), left[rows], reference.rank) <= level
        doubtful = low.any(axis=1) & ((left[rows].sum(axis=1) > 2) | (low.sum(axis=1) == 1))
        rows, low = rows[doubtful], low[doubtful]
        misfit = np.where(left[rows], np.inf, np.nan)
        for k in range(left.shape[1]):
            without = left.copy()
            without[rows, k] = False
            some = np.flatnonzero(left[rows, k] & (left[rows].sum(axis=1) > 2))
            if len(some):
                scores = modality_scores(predictor, _shown(batch, rows[some], without), ids)
                times = _ranked(scores, without[rows[some]], reference.times)
                misfit[some, k] = np.nansum(np.log(np.maximum(times, 1)), axis=1)
        misfit[np.isinf(misfit) & low] = 0
        if len(rows):
            left[rows, np.nanargmin(misfit, axis=1)] = False
    return left


def _shown(batch: SequenceBatch, rows: npt.NDArray[np.int64], left: Flags) -> SequenceBatch:
    """The samples at ``rows`` with only what is ``left``, ``[B, M]``, of them."""
    part = batch.select(torch.from_numpy(rows).to(batch.device))
    return part.hide(torch.from_numpy(left[rows]).to(batch.device))


def _ranked(score: Floats, available: Flags, rank: Callable[[int, int, float], float]) -> Floats:
    """``[B, M]``: what ``rank`` says of each score, from the others that are available; NaN where there is no score."""
    values, others = np.full(score.shape, np.nan), available.sum(axis=1) - 1
    for i, k in np.argwhere(~np.isnan(score)).tolist():
        values[i, k] = rank(k, int(others[i]), float(score[i, k]))
    return values


def modality_scores(predictor: "Predictor", batch: SequenceBatch, ids: Array) -> Floats:
    """``[B, M]`` scores of what is available beside something else; NaN of the rest.

    Args:
        predictor: whose method recovers.
        batch: B samples.
        ids: of all samples, for messages.
    """
    model = predictor.model
    assert isinstance(model, Recovers)
    scores = np.full((batch.size, len(batch.names)), np.nan)
    for k, name in enumerate(batch.names):
        rows = (batch.available[:, k] & (batch.available.sum(dim=1) > 1)).nonzero()[:, 0]
        if not len(rows):
            continue
        part = batch.select(rows)
        others = part.available.clone()
        others[:, k] = False
        # Draws of a seed of their own: what is doubted does not depend on the seed of a prediction.
        recovery = model.recover(part.hide(others).poisoned(), generator(0, "inspection"), draws=DRAWS)
        deviation = recovery.std[name].clamp(min=LEAST) if recovery.std else 1.0
        residual = (part.readable(name) - recovery.features[name]) / deviation
        known = part.known(name).expand_as(residual)
        squares = torch.where(known, residual, 0.0).double().square().sum(dim=(1, 2))
        own = to_numpy(squares / known.sum(dim=(1, 2)))
        scores[to_numpy(rows), k] = require_finite(f"the recovered '{name}'", own, ids[to_numpy(part.rows)])
    return scores


def fit_reference(predictor: "Predictor", validation: MultimodalDataset) -> Reference:
    """The scores of validation samples.

    Every sample draws an order of its modalities; from the first of them, the first two, and so on, each is scored.

    Args:
        predictor: whose method recovers.
        validation: samples as the model sees them, with the normalisation of its training.
    """
    names = predictor.schema.names
    scores_of: list[list[list[float]]] = [[[] for _ in names[1:]] for _ in names]
    chosen = np.unique(np.linspace(0, len(validation) - 1, min(len(validation), SAMPLES)).astype(np.int64))
    with torch.inference_mode():
        for batch in iterate(validation, predictor.batch_size, chosen):
            for shown in _nested(batch.to(predictor.device)):
                others = to_numpy(shown.available.sum(dim=1)) - 1
                scores = modality_scores(predictor, shown, validation.samples.ids)
                for i, k in np.argwhere(~np.isnan(scores)).tolist():
                    scores_of[k][int(others[i]) - 1].append(float(scores[i, k]))
    return Reference(tuple(tuple(tuple(sorted(row)) for row in rows) for rows in scores_of))


def _nested(batch: SequenceBatch) -> Iterator[SequenceBatch]:
    """The samples from the first two, three, ... of their modalities, in an order that each draws."""
    present = to_numpy(batch.present)
    coins = [numpy_generator(0, "inspection", key).random(present.shape[1]) for key in batch.sample_keys.tolist()]
    place = np.where(present, np.stack(coins), 2.0).argsort(axis=1).argsort(axis=1)
    for number in range(2, present.shape[1] + 1):
        rows = np.flatnonzero(present.sum(axis=1) >= number)
        if len(rows):
            part = batch.select(torch.from_numpy(rows).to(batch.device))
            yield part.hide(torch.from_numpy(place[rows] < number).to(batch.device))


def run_reference(predictor: "Predictor", run: "LoadedRun") -> Reference:
    """The reference of a run folder: measured on the validation split of its data at first, and kept in the folder.

    Raises:
        RunError: the file of an earlier measurement is damaged.
        DataError: the data that the run was trained on cannot be read, or have changed.
    """
    from md2n.data.ready import READY
    from md2n.experiment.loading import evaluation_data

    path = run.path / REFERENCE
    if path.exists():
        with reading(path, RunError, f"delete '{path}': it is measured again"):
            reference = from_mapping(Reference, read_json(path))
            if [len(rows) for rows in reference.scores] != [len(run.schema.names) - 1] * len(run.schema.names):
                raise ValueError("it is of another model")
            return reference
    name = run.config.data.name
    if name not in READY and not Path(name).exists():
        raise DataError(
            f"the validation samples of '{run.path}' are needed, and its data '{name}' are not here",
            "bring the data back; data that md2n.fit had in memory only the predictor has that it gave",
        )
    reference = fit_reference(predictor, evaluation_data(run, "valid", None)[1])
    with suppress(StorageError):  # of a folder that cannot be written to; the next call measures again
        write_json(path, to_mapping(reference))
    return reference
