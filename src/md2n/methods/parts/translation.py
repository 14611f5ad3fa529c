"""A closed-form translation of what is given into the features of what is missing, and what it was wrong by nearby.

For the set G of given modalities and a target k, all in features and normalised units,

    t(x) = ymean + (x_G - xmean_G) B_{G,k},      B by ridge regression on the kept training rows,

which is the conditional mean of a joint Gaussian of all features whose covariance is shrunk; the strength is chosen for
each G and k (``parts.ridge``; one shared shrinkage is as good, but for where nothing can be recovered: docs/log.md).
Row i has the leave-one-out answer f_i = t_{-i}(x_i) and the residual e_i = y_i - f_i.  The rows whose residuals tell
what t(x) is wrong by are the nearest ones in

    D(x, i) = |x_G - x_i,G|^2 / 2 v_G  +  |t(x) - f_i|^2 / 2 v_t,                 means over features,

v the variances of the given features and of the leave-one-out answers over the rows: 1 between two rows on average,
each.  The second part is predictive mean matching (Little: J. Bus. Econ. Stat. 6(3), 1988): of the many given features
it weighs those that say something of the target.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from md2n.batch import SequenceBatch
from md2n.brief import brief
from md2n.methods.parts.calibration import COUNTS
from md2n.methods.parts.nearest import DECIMALS, Query, closest
from md2n.methods.parts.ridge import Ridge, fit_ridge
from md2n.methods.parts.rows import Answer, KeptRows
from md2n.modality import Schema
from md2n.shapes import Bool, Float, Int, Tensor

MOST = max(COUNTS)  # rows that may be matched
LEAST = 1e-6  # variance of answers below which they tell no rows apart


@dataclass(frozen=True)
class Local:
    """What is said of one target for the samples of a batch that have the same modalities.

    Args:
        members: ``[n]`` places of the samples in the batch.
        target: column of the modality.
        mean: t(x), ``[n, q]``.
        residuals: e_i of the rows that match each sample best, the best first, ``[n, K, q]``.
        answers: f_i = t_{-i}(x_i) of these rows, ``[n, K, q]``.
    """

    members: Int[Tensor, " n"]
    target: int
    mean: Float[Tensor, "n q"]
    residuals: Float[Tensor, "n k q"]
    answers: Float[Tensor, "n k q"]

    __repr__ = brief

    def dev(self, count: int, answer: float) -> Float[Tensor, "n _count q"]:
        """What draws differ by from the point: equally likely values with mean 0, one for each of the best rows.

        Row i differs from the mean of the best rows by d_i, in its residual and in so much of its answer.  A mixture of
        two rows would reach beyond the few, but smear values that many rows share (docs/log.md).

        Args:
            count: how many rows.
            answer: h of ``calibration``.
        """
        both = self.residuals[:, :count] + answer * self.answers[:, :count]
        return both - both.mean(dim=1, keepdim=True)


@dataclass(frozen=True)
class Matched:
    """A ridge, with the rows that match a sample in what is given and in its answer.

    Args:
        ridge: fitted on n of the kept rows.
        usable: ``[n]`` their places.
        std: v_G.
        honest: ``[n, q]`` leave-one-out answers of the ridge.
    """

    ridge: Ridge
    usable: Int[Tensor, " n"]
    std: float
    honest: Float[Tensor, "n q"]

    __repr__ = brief

    @cached_property
    def variance(self) -> float:
        """v_t: of the leave-one-out answers."""
        return float(self.honest.double().var(dim=0, correction=0).mean())

    @cached_property
    def squares(self) -> Float[Tensor, " n"]:
        """``|f_i|^2``, in float64."""
        return self.honest.double().square().sum(1)

    def __call__(self, query: Query) -> Float[Tensor, "n q"]:
        """t(x)."""
        return self.ridge(query.inputs)

    def candidates(self, query: Query) -> tuple[Float[Tensor, "n q"], Float[Tensor, "n k q"]]:
        """t(x), and t(x) with the residual of each matched row added."""
        mean = self(query)
        near = self.near(query, mean)
        return mean, mean[:, None] + self.ridge.residuals[near]

    def near(self, query: Query, mean: Float[Tensor, "n q"]) -> Int[Tensor, "n k"]:
        """The best ``MOST`` rows, the best first; ``mean`` is t(x)."""
        answer = mean.double()
        distance = query.between(self.usable) / (2 * max(self.std, LEAST))
        if self.variance > LEAST:
            gap = answer.square().sum(1)[:, None] - 2 * answer @ self.honest.double().T + self.squares
            distance = distance + gap / (2 * self.variance * answer.shape[1])
        near = closest(distance, MOST)
        order = distance.round(decimals=DECIMALS).gather(1, near).sort(dim=1, stable=True).indices
        return near.gather(1, order)


class Translation(KeptRows):
    """Answers for any set of given modalities and any target; empty until ``fit`` was called.

    Args:
        schema: modalities.
    """

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.make_rows(schema)

    def whole(self, k: int) -> bool:
        """Whether modality k is translated number by number: a long sequence is by its mean over time alone."""
        return self.lengths[k] == self.schema.modalities[k].length

    def fit_answer(self, pattern: Bool[Tensor, " modality"], k: int, sharing: Bool[Tensor, " row"]) -> Answer:
        usable = self.rows_for(pattern, sharing)
        x, y = self.inputs_of(pattern, self.rows[usable]), self.target_of(k, self.rows[usable])
        ridge = fit_ridge(x, y)
        return Matched(ridge, usable, float(x.var(dim=0, correction=0).mean()), y - ridge.residuals)

    def local(self, batch: SequenceBatch) -> Iterator[Local]:
        """For every set of available modalities in a batch and every modality it misses that training rows hold."""
        for query in self.queries(batch):
            for k, _ in self.missing_of(query.available):
                if not bool(self.held[:, k].any()):
                    continue
                answer, members = self.answer(query.available, k), query.members.nonzero()[:, 0]
                if isinstance(answer, Matched):
                    mean = answer(query)
                    near = answer.near(query, mean)
                    yield Local(members, k, mean, answer.ridge.residuals[near], answer.honest[near])
                else:  # nothing is known but values; some of them, evenly chosen
                    mean, values = answer.candidates(query)
                    values = values[:, :: max(1, -(-values.shape[1] // MOST))]
                    yield Local(members, k, mean, values - mean[:, None], mean[:, None].expand_as(values))

    def centre(self, k: int) -> Float[Tensor, " q"]:
        """Mean of modality k over the rows that hold it."""
        return self.target_of(k, self.rows[self.held[:, k]]).mean(dim=0)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        for name in ("rows", "held"):  # a model saved before there was a translation has none
            state_dict.setdefault(prefix + name, getattr(self, name)[:0])
        super()._load_from_state_dict(state_dict, prefix, *rest)
