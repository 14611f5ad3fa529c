"""Measures of a recovery, modality by modality: pooled over patterns, and as differences by people.

With x the truth, x_s draw s of S of a whole vector or sequence of q numbers:

    energy score = E|x_s - x| - E|x_s - x_r| / 2, s != r         |.| the root mean square over the q numbers
    variogram score = mean over pairs (i, j) of (|x_i - x_j|^.5 - E|x_si - x_sj|^.5)^2

Both judge whether the numbers of a draw go together as they do in data (Gneiting, Raftery: J. Am. Stat. Assoc. 102,
2007; Scheuerer, Hamill: Mon. Weather Rev. 143, 2015), which CRPS, a mean over single numbers, cannot see.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.batch import SequenceBatch
from md2n.evaluation.inference import to_numpy
from md2n.evaluation.recovery import coverage, crps, r2
from md2n.methods.base import Recovery

DRAWS = 20
PAIRS = 64  # of numbers of a row that the variogram looks at
Array = npt.NDArray[Any]


class Tally:
    """What a method recovered: of every modality truths, points, draws and the groups of the rows.

    Args:
        names: modalities.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.parts: dict[str, list[tuple[Array, Array, Array, Array]]] = {name: [] for name in names}
        self.cpu_s: dict[int, float] = {1: 0.0, DRAWS: 0.0}
        self.hidden = 0

    def add(self, shown: SequenceBatch, whole: SequenceBatch, back: Recovery, groups: Array) -> None:
        """Takes in a batch: frames that were hidden and that the data hold."""
        hidden = whole.present & ~shown.available
        self.hidden += int(hidden.sum())
        for k, name in enumerate(self.parts):
            frames = to_numpy(whole.valid[name] & hidden[:, k, None])
            truth, point = to_numpy(whole.truth(name)), to_numpy(back.features[name])
            draws = to_numpy(back.draws[name]).astype(np.float32)
            owner = np.broadcast_to(groups[:, None], frames.shape)
            self.parts[name].append((truth[frames], point[frames], draws[:, frames], owner[frames]))

    def pooled(self, name: str) -> tuple[Array, Array, Array, Array]:
        """``[n, d]`` truths, points, ``[S, n, d]`` draws, ``[n]`` groups of all frames."""
        truth, point, owner = (np.concatenate([p[i] for p in self.parts[name]]) for i in (0, 1, 3))
        return truth, point, np.concatenate([p[2] for p in self.parts[name]], axis=1), owner

    def measures(self) -> dict[str, dict[str, float]]:
        """Of every modality that some pattern hides."""
        out = {}
        for name in self.parts:
            truth, point, draws, _ = self.pooled(name)
            if len(truth):
                out[name] = {
                    "r2": r2(truth, point),
                    "crps": crps(truth, draws),
                    "in50": coverage(truth, draws, 0.5),
                    "in80": coverage(truth, draws, 0.8),
                    "in90": coverage(truth, draws, 0.9),
                    "energy": energy_score(truth, draws),
                    "variogram": variogram_score(truth, draws),
                    "n": len(truth),
                }
        return out

    def cost(self) -> dict[str, float]:
        """CPU-ms per sample and hidden modality, by the number of draws."""
        return {str(draws): 1000 * spent / max(1, self.hidden) for draws, spent in self.cpu_s.items()}

    def same(self, other: "Tally") -> bool:
        """Whether both answered the same frames."""
        return all(
            np.array_equal(
                np.concatenate([p[3] for p in self.parts[n]]), np.concatenate([p[3] for p in other.parts[n]])
            )
            for n in self.parts
        )

    def minus(self, other: "Tally") -> Mapping[str, list[float]]:
        """CRPS less the other's and its 95 % margin, by modality; frames of one group err together."""
        out = {}
        for name in self.parts:
            truth, _, mine, owner = self.pooled(name)
            if len(truth):
                theirs = other.pooled(name)[2]
                gap = by_frame(truth, mine) - by_frame(truth, theirs)
                out[name] = [float(gap.mean()), margin(gap, owner)]
        return out


def by_frame(truth: Array, draws: Array) -> Array:
    """``[n]``; fair CRPS of each frame, its mean over features."""
    count = len(draws)
    error = np.abs(draws - truth).mean(axis=(0, 2))
    weight = 2 * np.arange(1, count + 1) - count - 1
    pairs = np.tensordot(weight, np.sort(draws, axis=0), axes=1).mean(axis=1) * 2 / (count * (count - 1))
    return np.asarray(error - pairs / 2)


def margin(gap: Array, owner: Array) -> float:
    """1.96 standard errors of a mean over clusters: root of the summed squares of what each differs from it by."""
    sums = np.bincount(owner, weights=gap - gap.mean())
    clusters = len(np.unique(owner))
    return float(1.96 * np.sqrt(np.square(sums).sum() * clusters / max(1, clusters - 1)) / len(gap))


def energy_score(truth: Array, draws: Array) -> float:
    """See the head; fair, so that it does not hang on S."""
    away = float(np.sqrt(np.square(draws - truth).mean(axis=2)).mean())
    pairs = [
        float(np.sqrt(np.square(draws - np.roll(draws, shift, 0)).mean(axis=2)).mean())
        for shift in range(1, len(draws) // 2 + 1)
    ]
    return away - float(np.mean(pairs)) / 2


def variogram_score(truth: Array, draws: Array) -> float:
    """See the head; over ``PAIRS`` pairs of numbers, evenly chosen, and 0 of a single number."""
    width = truth.shape[1]
    if width < 2:
        return 0.0
    i, j = np.triu_indices(width, 1)
    chosen = np.unique(np.linspace(0, len(i) - 1, min(len(i), PAIRS)).astype(np.int64))
    i, j = i[chosen], j[chosen]
    true = np.sqrt(np.abs(truth[:, i] - truth[:, j]))
    promised = np.zeros_like(true)
    for draw in draws:
        promised += np.sqrt(np.abs(draw[:, i] - draw[:, j])) / len(draws)
    return float(np.square(true - promised).mean())
