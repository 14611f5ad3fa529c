r"""Single unknown numbers inside what is there: their distribution given the known numbers of the same frame.

Each modality has a factor model of its normalised frames, fitted on the training split,

    x = mu + W z + e,     z ~ N(0, I_r),     e ~ N(0, diag psi),

so that any set of unknown numbers has a closed form.  With O the known numbers of a frame,

    C = (I + W_O' psi_O^-1 W_O)^-1,    zhat = C W_O' psi_O^-1 (x_O - mu_O),
    E[x_j | x_O] = mu_j + W_j zhat,    Var[x_j | x_O] = psi_j + W_j C W_j'.

The rank r is chosen on training frames that took no part in the fit, from numbers hidden in them; r = 0 is the training
mean and deviation.  A frame of which nothing is known, inside a sequence, takes ``zhat`` from its nearest neighbours in
time, linearly in between, and the variance of the prior.

Tipping, Bishop: Probabilistic Principal Component Analysis. J. R. Statist. Soc. B 61(3), 1999, with a variance for each
feature.  Only numbers of the same modality are used; a whole missing modality is what methods recover.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.data.gather import frame_index, gather
from md2n.data.normalise import Normaliser
from md2n.data.samples import Ragged, Samples
from md2n.errors import DataError
from md2n.seeding import numpy_generator

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MOST = 4096  # frames the fit reads; of more, a random sample
FEWEST = 20  # frames below which only mean and deviation are taken
RANKS = (0, 1, 2, 4, 8, 16, 32)
HELD_OUT = 0.2  # part of the frames that the rank is chosen on
HIDDEN = 0.1  # part of their known numbers that is hidden for it
ROUNDS = 8  # of filling and fitting, where training frames have unknown numbers
LEAST = 1e-4  # variance of what factors explain to the last digit
CHUNK = 1 << 22  # numbers of the largest array that filling makes


@dataclass(frozen=True)
class Factors:
    """The factor model of one modality, in normalised units.

    Args:
        mean: ``[d]``.
        loadings: W, ``[d, r]``.
        variance: psi, ``[d]``, above zero.
    """

    mean: Floats
    loadings: Floats
    variance: Floats

    __repr__ = brief

    def fill(self, x: Floats, known: Flags) -> tuple[Floats, Floats]:
        """Frames with every unknown number replaced by its mean, and the deviation of each; zero where known.

        Args:
            x: ``[T, d]`` frames in the order of time; read only where known.
            known: ``[T, d]``.
        """
        dim, rank = self.loadings.shape
        if known.all():
            return np.where(known, x, 0), np.zeros_like(x)
        w = np.asarray(self.loadings, np.float64)
        rows = max(1, CHUNK // max(1, dim * max(1, rank)))
        some = np.flatnonzero(known.any(axis=1))
        z, covariance = np.zeros((len(x), rank)), np.tile(np.eye(rank), (len(x), 1, 1))
        for start in range(0, len(some) if rank else 0, rows):
            part = some[start : start + rows]
            weight = known[part] / self.variance.astype(np.float64)
            precision = np.eye(rank) + np.einsum("nd,dk,dl->nkl", weight, w, w, optimize=True)
            covariance[part] = np.linalg.inv(precision)
            apart = np.where(known[part], x[part] - self.mean, 0.0)
            z[part] = np.einsum("nkl,nl->nk", covariance[part], (weight * apart) @ w)
        if 0 < len(some) < len(x):
            place = np.arange(len(x))
            z = np.stack([np.interp(place, some, z[some, k]) for k in range(rank)], axis=1) if rank else z
        mean = self.mean + z @ w.T
        deviation = np.empty(x.shape)
        for start in range(0, len(x), rows):
            span = slice(start, start + rows)
            explained = np.einsum("dk,nkl,dl->nd", w, covariance[span], w, optimize=True)
            deviation[span] = np.sqrt(self.variance + explained)
        return (
            np.where(known, x, mean).astype(np.float32),
            np.where(known, 0.0, deviation).astype(np.float32),
        )

    @staticmethod
    def fit(x: Floats, known: Flags, rng: np.random.Generator) -> "Factors":
        """From frames ``[n, d]`` whose unknown numbers are not read; the rank is chosen as said above.

        Args:
            x: normalised frames.
            known: ``[n, d]``.
            rng: orders frames and hides numbers, for the choice of the rank.
        """
        if len(x) < FEWEST or x.shape[1] == 1:
            return _fitted(x, known, (0,))[0]
        order = rng.permutation(len(x))
        held, rest = np.split(order, [max(1, int(HELD_OUT * len(x)))])
        hide = known[held] & (rng.random(known[held].shape) < HIDDEN)
        ranks = tuple(r for r in RANKS if r <= min(x.shape[1] - 1, len(rest) // 4))
        errors = []
        for candidate in _fitted(x[rest], known[rest], ranks):
            filled, _ = candidate.fill(x[held], known[held] & ~hide)
            errors.append(float(np.square(filled - x[held])[hide].sum()))
        return _fitted(x, known, (ranks[int(np.argmin(errors))],))[0]


def _fitted(x: Floats, known: Flags, ranks: tuple[int, ...]) -> list[Factors]:
    """Factor models of several ranks; frames with unknown numbers are filled and fitted in turn."""
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0.0).sum(axis=0, dtype=np.float64) / counts
    start = np.where(known, x - mean, 0.0)
    variance = np.maximum(np.square(start).sum(axis=0) / counts, LEAST)
    models = []
    for rank in ranks:
        centred, extra = start, np.where(known, 0.0, variance)
        for _ in range(1 if known.all() or not rank else ROUNDS):
            total = (np.square(centred).sum(axis=0) + extra.sum(axis=0)) / len(x)
            loadings = _principal(centred, rank)
            rest = np.maximum(total - np.square(loadings).sum(axis=1), np.maximum(LEAST, 1e-3 * total))
            model = Factors(mean.astype(np.float32), loadings.astype(np.float32), rest.astype(np.float32))
            if known.all():
                break
            filled, deviation = model.fill(x, known)
            centred, extra = filled - mean, np.square(deviation.astype(np.float64))
        models.append(model)
    return models


def _principal(centred: Doubles, rank: int) -> Doubles:
    """``[d, rank]`` principal directions, each as long as its deviation beyond the mean of those left out."""
    count, dim = centred.shape
    if not rank:
        return np.zeros((dim, 0))
    tall = count >= dim
    values, vectors = np.linalg.eigh(centred.T @ centred if tall else centred @ centred.T)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1][:, :rank]
    spare = float(values[rank:].sum()) / max(1, dim - rank)
    length = np.sqrt(np.maximum(values[:rank] - spare, 0) / count)
    if not tall:
        vectors = centred.T @ vectors / np.sqrt(np.maximum(values[:rank], 1e-12))
    return np.asarray(vectors * length)


@dataclass(frozen=True)
class CellModel:
    """Factor models of all modalities.

    Args:
        factors: modality -> its model.
    """

    factors: Mapping[str, Factors]

    @staticmethod
    def fit(samples: Samples, rows: npt.NDArray[np.int64], normaliser: Normaliser) -> "CellModel":
        """From the training ``rows``; a function of the data alone."""
        members = normaliser.groups_of(samples)
        factors = {}
        for name, ragged in samples.modalities.items():
            rng = numpy_generator(0, "cells", name)
            x, known = _frames(name, ragged, rows, members, normaliser, rng)
            factors[name] = Factors.fit(x, known, rng)
        return CellModel(factors)

    def fill(self, name: str, x: Floats, known: Flags) -> tuple[Floats, Floats]:
        """``Factors.fill`` of a modality, in normalised units."""
        return self.factors[name].fill(x, known)

    def to_state(self) -> tuple[dict[str, Floats], dict[str, Any]]:
        """Arrays and a JSON-able description, for a run folder."""
        arrays: dict[str, Floats] = {}
        for i, f in enumerate(self.factors.values()):
            arrays |= {f"mean.{i}": f.mean, f"loadings.{i}": f.loadings, f"variance.{i}": f.variance}
        return arrays, {"modalities": list(self.factors)}

    @staticmethod
    def from_state(arrays: Mapping[str, Floats], facts: Mapping[str, Any]) -> "CellModel":
        """The inverse of ``to_state``.

        Raises:
            DataError: something is missing.
        """
        try:
            return CellModel(
                {
                    name: Factors(arrays[f"mean.{i}"], arrays[f"loadings.{i}"], arrays[f"variance.{i}"])
                    for i, name in enumerate(facts["modalities"])
                }
            )
        except KeyError as error:
            raise DataError(
                f"the saved model of single cells lacks {error}", "it is damaged or of another md2n; train again"
            ) from error

    @staticmethod
    def plain(dims: Mapping[str, int]) -> "CellModel":
        """The training mean and deviation for every number: for runs that were trained before there was a model."""
        return CellModel(
            {
                k: Factors(np.zeros(d, np.float32), np.zeros((d, 0), np.float32), np.ones(d, np.float32))
                for k, d in dims.items()
            }
        )


def _frames(
    name: str,
    ragged: Ragged,
    rows: npt.NDArray[np.int64],
    members: npt.NDArray[Any] | None,
    normaliser: Normaliser,
    rng: np.random.Generator,
) -> tuple[Floats, Flags]:
    """Valid training frames, normalised, at most ``MOST``, and which of their numbers are known."""
    index = frame_index(ragged.offsets, rows)
    owners = np.repeat(rows, ragged.lengths[rows])
    chosen = np.flatnonzero(ragged.valid[index])
    if len(chosen) > MOST:
        chosen = np.sort(rng.choice(chosen, MOST, replace=False))
    index, owners = index[chosen], owners[chosen]
    values = np.asarray(gather(ragged.values, index), np.float32)
    x = normaliser.apply(name, values, None if members is None else members[owners])
    return x, ragged.known(index)
