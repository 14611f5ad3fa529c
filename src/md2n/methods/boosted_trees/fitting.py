"""Growing the trees with scikit-learn, and choosing how many on training samples held out for it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.brief import brief
from md2n.methods.boosted_trees.config import BoostedTreesConfig
from md2n.methods.boosted_trees.trees import Nodes
from md2n.modality import Task

HELD_OUT = 5  # one of so many samples chooses the number of rounds


@dataclass(frozen=True)
class Grown:
    """What was fitted.

    Args:
        start: ``[outputs]`` raw outputs before the first tree.
        trees: nodes of each.
        outputs: which raw output each adds to.
        rounds: rounds of boosting.
    """

    start: npt.NDArray[np.float64]
    trees: list[Nodes]
    outputs: list[int]
    rounds: int

    __repr__ = brief


@dataclass(frozen=True)
class Table:
    """Rows that trees are grown on.

    Args:
        x: ``[n, p]``, NaN where unknown.
        y: ``[n]`` classes, or standardised labels.
        weight: ``[n]`` of each row.
        sample: ``[n]`` which sample a row is a copy of.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[Any]
    weight: npt.NDArray[np.float64]
    sample: npt.NDArray[np.int64]

    __repr__ = brief

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Table":
        """The chosen rows."""
        return Table(self.x[chosen], self.y[chosen], self.weight[chosen], self.sample[chosen])


def grow(table: Table, task: Task, config: BoostedTreesConfig, seed: int) -> Grown:
    """Boosts trees on all rows, for as many rounds as were best for held-out samples.

    Args:
        table: one row at least.
        task: what ``y`` is.
        config: of the boosting.
        seed: of the choice of the held-out samples.
    """
    classes = task.kind == "classification"
    known = np.unique(table.y)
    if classes and len(known) == 1:
        return Grown(_start(np.zeros(1), known, len(table.y), task), [], [], 0)
    rounds = _rounds(table, classes, config, seed)
    model = _fitted(table, classes, config, rounds)
    start = np.asarray(model._baseline_prediction).reshape(-1)
    trees = [tree.nodes for one in model._predictors for tree in one]
    per_round = len(model._predictors[0])
    if not classes:
        return Grown(start, trees, [0] * len(trees), rounds)
    # Of two classes the library boosts the logit of the second; the first's is zero.
    if len(known) == 2:
        start, outputs = np.array([0.0, start[0]]), [int(known[1])]
    else:
        outputs = known.astype(int).tolist()
    return Grown(_start(start, known, len(table.y), task), trees, outputs * (len(trees) // per_round), rounds)


def _start(logits: npt.NDArray[np.float64], known: npt.NDArray[Any], count: int, task: Task) -> npt.NDArray[np.float64]:
    """Logits of all classes: a class that no row has gets the share of a row in ``count`` + 1."""
    start = np.full(task.output_dim, np.logaddexp.reduce(logits) - np.log(count + 1))
    start[known.astype(int)] = logits
    return start


def _rounds(table: Table, classes: bool, config: BoostedTreesConfig, seed: int) -> int:
    """The number of rounds with the least loss of held-out samples, all copies of a sample on one side."""
    samples = np.unique(table.sample)
    out = np.random.default_rng(seed).permutation(samples)[: len(samples) // HELD_OUT]
    aside = np.isin(table.sample, out)
    train, held = table.where(~aside), table.where(aside)
    if classes:
        held = held.where(np.isin(held.y, train.y))
    if not len(held.y) or (classes and len(np.unique(train.y)) == 1):
        return config.iterations
    model = _fitted(train, classes, config, config.iterations)
    if classes:
        column = np.searchsorted(model.classes_, held.y)
        stages = model.staged_predict_proba(held.x)
        losses = [-np.log(np.maximum(p[np.arange(len(column)), column], 1e-12)) for p in stages]
    else:
        losses = [np.abs(p - held.y) for p in model.staged_predict(held.x)]
    return int(np.argmin([loss @ held.weight for loss in losses])) + 1


def _fitted(table: Table, classes: bool, config: BoostedTreesConfig, rounds: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    settings = {
        "learning_rate": config.rate,
        "max_iter": rounds,
        "max_leaf_nodes": config.leaves,
        "min_samples_leaf": config.leaf_rows,
        "l2_regularization": config.penalty,
        "early_stopping": False,
        "random_state": 0,
    }
    model = (HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor)(**settings)
    # The library refuses a column without any known number; no tree splits one that is constant.
    x = np.where(np.isnan(table.x).all(axis=0), np.float32(0), table.x)
    return model.fit(x, table.y, sample_weight=table.weight)
