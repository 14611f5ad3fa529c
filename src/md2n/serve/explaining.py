r"""What each modality adds to a prediction: Shapley values over the sets of modalities that a sample has.

With ``v(S)`` the prediction from the set S alone, and g modalities given, modality m adds

    phi_m = sum over S without m of  |S|! (g - |S| - 1)! / g!  (v(S + m) - v(S)),

the mean of what it changes over all orders in which modalities could have arrived.  ``v`` is the method's own
prediction under that missing pattern, so nothing is imputed and no other model is fitted.  The prediction from nothing,
``v({})``, is what the training labels say: class frequencies, or their mean.  (No method is trained on an empty input;
what a network says of one is arbitrary.)  Then

    baseline + sum_m phi_m = prediction.

A modality that changes no prediction, the one from nothing included, has 0; two that change all of them alike have
equal values.  Shapley, A value for n-person games, 1953; Covert, Lundberg, Lee, Explaining by Removing, JMLR 2021.

Up to ``EXACT`` given modalities all sets are predicted from, 2^g - 1 calls.  Beyond, orders are drawn for each sample,
each with its reverse; values then have a standard error, their sum has none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from md2n.batch import SequenceBatch
from md2n.brief import brief
from md2n.data.samples import Array, Samples
from md2n.errors import UsageError
from md2n.evaluation.inference import to_numpy
from md2n.modality import Task
from md2n.seeding import generator, numpy_generator
from md2n.serve.incoming import Given
from md2n.serve.required import require_finite

if TYPE_CHECKING:
    from md2n.serve.predictor import Predictor

EXACT = 6  # given modalities up to which all sets are predicted from: 63 calls
ORDERS = 32  # drawn for a sample with more, half of them reverses of the others

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Explanation:
    """What each modality adds to the predictions for N samples.

    Args:
        ids: ``[N]`` text.
        names: of the M modalities.
        contributions: ``[N, M]`` in the label's units, or ``[N, M, C]`` for the probability of each class; zero where a
            modality is missing.
        baseline: the prediction from nothing: mean training label, or ``[C]`` training frequencies.
        output: ``[N]`` or ``[N, C]``, the predictions: ``baseline`` plus the sum of ``contributions`` over modalities.
            They are those of ``Predictor.predict`` with the same number of draws.
        available: ``[N, M]`` bool, what each prediction was made from.
        classes: class names, empty for real-valued labels.
        exact: ``[N]`` bool, False where orders were drawn.
        notes: what a person should know of how the data were taken.
    """

    ids: Array
    names: tuple[str, ...]
    contributions: Floats
    baseline: Floats
    output: Floats
    available: Flags
    classes: tuple[str, ...]
    exact: Flags
    notes: tuple[str, ...] = ()

    __repr__ = brief

    @property
    def labels(self) -> npt.NDArray[Any]:
        """``[N]`` the most probable class name, or the value."""
        return np.asarray(self.classes)[self.output.argmax(axis=1)] if self.classes else self.output

    @property
    def own(self) -> Floats:
        """``[N, M]`` contributions to the answer: to the value, or to the probability of the most probable class."""
        if not self.classes:
            return self.contributions
        best = self.output.argmax(axis=1)
        return np.asarray(np.take_along_axis(self.contributions, best[:, None, None], axis=2)[:, :, 0])

    @property
    def mean_size(self) -> Floats:
        """``[M]`` mean absolute contribution to the answer over the samples that have the modality; 0 where none."""
        count = np.maximum(self.available.sum(axis=0), 1)
        return np.asarray(np.abs(self.own).sum(axis=0) / count)


def explain(
    predictor: "Predictor",
    data: Mapping[str, Given] | Samples,
    *,
    groups: Sequence[str] | None = None,
    draws: int | None = None,
    orders: int = ORDERS,
    check_units: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Explanation:
    """See ``Predictor.explain``."""
    if orders < 2:
        raise UsageError(f"{orders} orders are too few", "give 2 or more: each is drawn with its reverse")
    taken = predictor.take(data, groups, check_units)
    start = baseline(predictor.schema.task)
    added, outputs, available = [], [], []
    with torch.inference_mode():
        for batch in taken.batches(predictor.batch_size, predictor.device, progress):
            game = _Game(predictor, batch, taken.samples.ids[batch.rows.cpu().numpy()], start, draws)
            added.append(game.contributions(orders))
            outputs.append(game.whole)
            available.append(game.held)
    names, classes = predictor.schema.names, predictor.schema.task.classes
    held = np.concatenate(available)
    contributions, output = np.concatenate(added), np.concatenate(outputs)
    if not classes:
        contributions, output, start = contributions[..., 0], output[..., 0], start[0]
    exact = held.sum(axis=1) <= EXACT
    return Explanation(
        taken.samples.ids, names, contributions, np.asarray(start), output, held, classes, exact, taken.notes
    )


def baseline(task: Task) -> Floats:
    """``[C]`` frequencies of the training classes, all alike where they were not counted; or ``[1]`` the mean label."""
    if not task.classes:
        return np.asarray([task.centre], np.float64)
    counts = np.asarray(task.counts or [1] * len(task.classes), np.float64)
    return np.asarray(counts / counts.sum())


class _Game:
    """The predictions for a batch from sets of its modalities.

    Args:
        predictor: whose predictions.
        batch: B samples.
        ids: ``[B]``, for messages.
        start: ``[C]``, the prediction from nothing.
        draws: behind a prediction, where it is a mean over draws.
    """

    def __init__(
        self, predictor: "Predictor", batch: SequenceBatch, ids: Array, start: Floats, draws: int | None
    ) -> None:
        self.predictor, self.batch, self.ids, self.start, self.draws = predictor, batch, ids, start, draws
        self.held: Flags = to_numpy(batch.available)
        self.whole = self.value(np.arange(batch.size), self.held)

    def value(self, rows: Whole, left: Flags) -> Floats:
        """``[n, C]`` predictions for the samples at ``rows`` from what is ``left``, ``[n, M]``."""
        values = np.tile(self.start, (len(rows), 1))
        some = left.any(axis=1)
        rows, left = rows[some], left[some]
        if not len(rows):
            return values
        batch = self.batch if len(rows) == self.batch.size else self.batch.select(self._on_device(rows))
        hidden = batch.hide(self._on_device(left)).poisoned()
        source = generator(self.predictor.seed, "predict")  # of ``Predictor.predict``: the same draws
        output = to_numpy(self.predictor.model.predict(hidden, source, draws=self.draws).output)
        output = require_finite("the prediction", output, self.ids[rows])
        certainty = self.predictor.certainty
        if certainty is not None and self.predictor.schema.task.classes:
            output = certainty.probabilities(output, left.sum(axis=1))
        values[some] = output.reshape(len(rows), -1)
        return values

    def contributions(self, orders: int) -> Floats:
        """``[B, M, C]``; exact for samples with up to ``EXACT`` modalities."""
        added = np.zeros((*self.held.shape, len(self.start)))
        few = self.held.sum(axis=1) <= EXACT
        for pattern in np.unique(self.held[few], axis=0):
            rows = np.flatnonzero(few & (self.held == pattern).all(axis=1))
            added[rows] = self._exact(rows, np.flatnonzero(pattern))
        if not few.all():
            added[~few] = self._drawn(np.flatnonzero(~few), -(-orders // 2))
        return added

    def _exact(self, rows: Whole, columns: Whole) -> Floats:
        """For samples that have the modalities ``columns`` and no other."""
        count = len(columns)
        chosen = np.arange(2**count)[:, None] >> np.arange(count) & 1 == 1
        left = np.zeros((2**count, *self.held[rows].shape), np.bool_)
        left[:, :, columns] = chosen[:, None]
        values = [*(self.value(rows, one) for one in left[:-1]), self.whole[rows]]
        added = np.zeros((len(rows), self.held.shape[1], len(self.start)))
        for place, column in enumerate(columns):
            for number in np.flatnonzero(~chosen[:, place]):
                size = int(chosen[number].sum())
                weight = factorial(size) * factorial(count - size - 1) / factorial(count)
                added[:, column] += weight * (values[number + 2**place] - values[number])
        return added

    def _drawn(self, rows: Whole, pairs: int) -> Floats:
        """Means over orders that each sample draws by itself, whatever batch it is in."""
        held, samples = self.held[rows], np.arange(len(rows))
        keys = to_numpy(self.batch.sample_keys)[rows].tolist()
        coins = [numpy_generator(self.predictor.seed, "orders", key).random((pairs, held.shape[1])) for key in keys]
        added = np.zeros((*held.shape, len(self.start)))
        for coin in np.stack(coins, axis=1):
            for place in (coin, 1 - coin):
                order = np.where(held, place, 2.0).argsort(axis=1)  # what is missing stands last and never arrives
                left, before = np.zeros_like(held), np.tile(self.start, (len(rows), 1))
                for column in order.T[: held.sum(axis=1).max()]:
                    arrives = held[samples, column]
                    left[samples, column] |= arrives
                    partial = (left != held).any(axis=1)
                    after = self.whole[rows].copy()
                    after[partial] = self.value(rows[partial], left[partial])
                    added[samples, column] += np.where(arrives[:, None], after - before, 0)
                    before = after
        return added / (2 * pairs)

    def _on_device(self, x: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(x).to(self.batch.device)
