"""How well hidden modalities come back: R², energy distance, CRPS and coverage.  NumPy only, normalised units.

Only frames that were hidden from the method and whose truth the data hold are compared.  With ``x`` the truth,
``x_s`` draw s of S and ``xhat`` their mean, all ``[frames, d]``:

    R²       = 1 - sum (x - xhat)^2 / sum (x - mu)^2,  mu the *training* mean: 0 in normalised units
    energy   = 2 E|x - x'_s| - E|x - x'| - E|x_s - x'_s|,  |.| the root mean square over the d features
    CRPS     = E|x_s - x| - E|x_s - x_r| / 2, s != r       (fair: unbiased for any S >= 2)
    coverage = how often x lies in the central 90% interval that the draws promise

R² judges the mean, energy the distribution, CRPS both, coverage the interval.  A method that answers with the
conditional mean has the best R² there is, and gives itself away in the other three.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.errors import DataError

Array = npt.NDArray[Any]

MOST_FRAMES = 1000  # energy compares every pair of frames: a sub-sample of this size costs 3 million distances


def r2(truth: Array, recovered: Array, mean: float | Array = 0.0) -> float:
    """``1 - SSE / SST`` with SST around the training mean, pooled over frames and features.

    Answering with ``mean`` scores 0, the truth 1, worse than the mean below 0.

    Args:
        truth: ``[frames, d]``.
        recovered: ``[frames, d]``, the mean over draws.
        mean: training mean, a number or ``[d]``; 0 in normalised units.

    Raises:
        DataError: shapes differ, nothing is given, or the truth never leaves ``mean``.
    """
    _alike(truth, recovered)
    total = float(np.sum(np.square(truth - np.float64(mean))))
    if total == 0:
        raise DataError("the true features never leave the training mean", "R² is not defined for a dead modality")
    return 1 - float(np.sum(np.square(truth - np.asarray(recovered, np.float64)))) / total


def energy_distance(
    x: Array, y: Array, rng: np.random.Generator, *, most: int = MOST_FRAMES, paired: bool = False
) -> float:
    """Squared energy distance between two samples of vectors, without bias (so it may fall a little below 0).

    The distance of two vectors is their root mean square difference over the d features, so that modalities of
    different widths compare.  0 in expectation iff both come from one distribution.

    Args:
        x: ``[n, d]``, n >= 2.
        y: ``[m, d]``, m >= 2.
        rng: chooses the sub-sample where there are more than ``most``.
        most: largest number of vectors used of either side.
        paired: y[i] is the recovery of x[i]: pairs (i, i) are dependent and left out; needs n = m.

    Raises:
        DataError: fewer than two vectors on a side, sizes differ.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or (paired and len(x) != len(y)):
        raise DataError(f"samples of shapes {x.shape} and {y.shape} do not compare", "give [n, d] and [m, d]")
    if min(len(x), len(y)) < 2:
        raise DataError(f"{min(len(x), len(y))} vector is no distribution", "energy distance needs two on each side")
    if len(x) > most:
        chosen = rng.choice(len(x), most, replace=False)
        x, y = x[chosen], (y[chosen] if paired else y)
    if len(y) > most:
        y = y[rng.choice(len(y), most, replace=False)]
    return 2 * _mean_distance(x, y, paired) - _mean_distance(x, x, True) - _mean_distance(y, y, True)


def crps(truth: Array, draws: Array) -> float:
    """Continuous ranked probability score, averaged over frames and features; in the unit of the features.

    The fair ensemble formula: its expectation does not depend on S.  One draw is a point forecast: its CRPS is the
    absolute error, as it is for a method whose draws are all the same.

    Args:
        truth: ``[frames, d]``.
        draws: ``[S, frames, d]``.

    Raises:
        DataError: shapes differ or nothing is given.
    """
    _alike(truth, draws[0])
    count = len(draws)
    error = float(np.abs(draws - np.asarray(truth, np.float64)).mean())
    if count == 1:
        return error
    # The sum of |x_s - x_r| over ordered pairs is a weighted sum of the sorted draws.
    weight = 2 * np.arange(1, count + 1, dtype=np.float64) - count - 1
    pairs = 2 * np.tensordot(weight, np.sort(draws, axis=0), axes=1).mean() / (count * (count - 1))
    return error - float(pairs) / 2


def coverage(truth: Array, draws: Array, level: float = 0.9) -> float:
    """How often the truth lies in the central interval of probability ``level`` that the draws promise.

    With S >= 2 / (1 - level) - 1 draws (19 for 90%) the interval ends at order statistics, interpolated at ranks
    p (S + 1): a calibrated ensemble of any distribution is covered ``level`` of the time.  Fewer draws cannot reach
    that far, so the interval is Student's, ``mean +- t_{S-1} sd sqrt(1 + 1/S)``: exact for Gaussian draws.
    Draws that are all alike cover nothing in either.

    Args:
        truth: ``[frames, d]``.
        draws: ``[S, frames, d]``, S >= 2.
        level: in (0, 1).

    Raises:
        DataError: shapes differ, nothing is given, or there is one draw only.
    """
    from scipy import stats  # comes with scikit-learn; half a second to import

    _alike(truth, draws[0])
    count = len(draws)
    if count < 2:
        raise DataError("one draw has no standard deviation", "ask for at least two draws to measure coverage")
    tail = (1 - level) / 2
    if tail * (count + 1) >= 1 - 1e-9:
        low, high = np.quantile(draws, [tail, 1 - tail], axis=0, method="weibull")
    else:
        reach = float(stats.t.ppf(1 - tail, count - 1)) * np.sqrt(1 + 1 / count) * draws.std(axis=0, ddof=1)
        low, high = draws.mean(axis=0) - reach, draws.mean(axis=0) + reach
    return float(np.mean((low <= truth) & (truth <= high)))


class RecoveryTally:
    """Takes hidden frames batch by batch and gives the measures at the end; memory does not grow with the data.

    Args:
        rng: for the sub-sample of the energy distance.  It is drawn frame by frame in the order of ``add``, so the
            result does not depend on how the frames are cut into batches.
        most: frames of the sub-sample.
    """

    def __init__(self, rng: np.random.Generator, most: int = MOST_FRAMES) -> None:
        self.frames = 0
        self.draws = 0
        self._rng = rng
        self._most = most
        self._sse = self._sst = self._crps = self._covered = self._weight = 0.0
        self._keys: Array = np.zeros(0)
        self._subsample: Array = np.zeros((3, 0, 0))

    def add(self, truth: Array, recovered: Array, draws: Array, known: Array | None = None) -> None:
        """Hidden frames of one batch.

        Args:
            truth: ``[frames, d]``, normalised.
            recovered: ``[frames, d]``, mean over draws.
            draws: ``[S, frames, d]``, the same S in every call.
            known: ``[frames, d]``, False where the truth is unknown, which counts for nothing; all known if not given.

        Raises:
            DataError: shapes differ, or a recovered value is not a number.
        """
        if not len(truth):
            return
        _alike(truth, recovered)
        _alike(truth, draws[0])
        if not (np.isfinite(recovered).all() and np.isfinite(draws).all()):
            raise DataError(
                "a recovered feature is not a finite number", "the method diverged, or reads what is hidden from it"
            )
        count, self.draws = len(truth), len(draws)
        truth = np.asarray(truth, np.float64)
        share = 1.0
        if known is not None:
            # Nothing is wrong where everything is zero; what that adds to the means is taken off below.
            truth, recovered, draws = (np.where(known, x, 0.0) for x in (truth, recovered, draws))
            share = float(np.mean(known))
        self._weight += count * share
        self.frames += count
        self._sse += float(np.sum(np.square(truth - recovered)))
        self._sst += float(np.sum(np.square(truth)))
        self._crps += count * crps(truth, draws)
        self._covered += count * (coverage(truth, draws) - (1 - share)) if self.draws > 1 else 0.0
        # The frames with the smallest random keys are a uniform sample of all seen so far.
        self._keys = np.concatenate([self._keys, self._rng.random(count)])
        new = np.stack([truth, np.asarray(recovered, np.float64), np.asarray(draws[0], np.float64)])
        self._subsample = new if not self._subsample.size else np.concatenate([self._subsample, new], axis=1)
        chosen = np.sort(np.argsort(self._keys, kind="stable")[: self._most])
        self._keys, self._subsample = self._keys[chosen], self._subsample[:, chosen]

    def measures(self) -> dict[str, float]:
        """Name -> value; left out what is not defined (no frame, one frame, one draw, a dead modality)."""
        values = {}
        if self._sst > 0:
            values["recovery_r2"] = 1 - self._sse / self._sst
        if self.frames > 1:
            values["recovery_energy"] = energy_distance(self.truth, self.draw, self._rng, most=self._most, paired=True)
        if self.frames:
            values["recovery_crps"] = self._crps / self._weight
        if self.frames and self.draws > 1:
            values["recovery_coverage90"] = self._covered / self._weight
        return values

    @property
    def truth(self) -> Array:
        """``[<= most, d]`` true frames of the sub-sample."""
        return np.asarray(self._subsample[0])

    @property
    def recovered(self) -> Array:
        """Their recoveries, means over draws."""
        return np.asarray(self._subsample[1])

    @property
    def draw(self) -> Array:
        """Their first draws."""
        return np.asarray(self._subsample[2])


class LatentTally:
    """R² of recovered latents against the true ones, batch by batch.

    Latents have no training mean of 0 (each token is normalised, not each position), so SST is taken around the mean
    of the true latents themselves, per position.
    """

    def __init__(self) -> None:
        self._count = 0
        self._sse = 0.0
        self._sum: Array = np.zeros(())
        self._squares: Array = np.zeros(())

    def add(self, truth: Array, recovered: Array) -> None:
        """Latents of hidden modalities, ``[samples, L, D]`` each."""
        truth = np.asarray(truth, np.float64)
        self._count += len(truth)
        self._sse += float(np.sum(np.square(truth - recovered)))
        self._sum = self._sum + truth.sum(axis=0)
        self._squares = self._squares + np.square(truth).sum(axis=0)

    def measures(self) -> dict[str, float]:
        """``recovery_latent_r2``; nothing where there are fewer than two samples or they are all alike."""
        if self._count < 2:
            return {}
        total = float(np.sum(self._squares - np.square(self._sum) / self._count))
        return {"recovery_latent_r2": 1 - self._sse / total} if total > 1e-9 * float(np.sum(self._squares)) else {}


def _alike(truth: Array, other: Array) -> None:
    if truth.ndim != 2 or truth.shape != other.shape:
        raise DataError(f"truth has shape {truth.shape}, recovery {other.shape}", "give [frames, d] for both")
    if not truth.size:
        raise DataError("there is no hidden frame to measure", "hide a modality that the data hold")


def _mean_distance(x: Array, y: Array, off_diagonal: bool) -> float:
    """Mean root-mean-square distance over all pairs, or over i != j."""
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    squared = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None, :] - 2 * (a @ b.T)
    distance = np.sqrt(np.maximum(squared, 0) / a.shape[1])
    if not off_diagonal:
        return float(distance.mean())
    count = len(a)
    return float((distance.sum() - np.trace(distance)) / (count * (count - 1)))
