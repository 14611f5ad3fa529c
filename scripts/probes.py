"""What classical models reach on every pattern alone, on the folds of ``scripts.folds``: an upper bound, no networks.

    python -m scripts.probes ravdess_av stressid

For every incomplete pattern a model of its own, trained on the samples that have all of it: mean features of what is
available, normalised as everywhere.  Where a network that serves all patterns ends near these, its lead over another
network is not what the data are short of.  Printed: the mean over folds of the mean over patterns (accuracy, or minus
MAE), and every pattern.  The test split is never read.
"""

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.data.config import DataConfig
from md2n.data.dataset import MultimodalDataset
from md2n.data.ready import load, load_datasets
from md2n.missing import incomplete_patterns, pattern_name
from scripts.folds import with_fold
from scripts.refusals import in_two_lines

Array = npt.NDArray[Any]
FOLDS = 4


def probes(classes: bool) -> dict[str, Callable[[], Any]]:
    """Models by name, each with the settings that are tried."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.svm import SVC, SVR

    if not classes:
        return {
            **{f"ridge, alpha {a}": partial(Ridge, a) for a in (300, 1000, 3000)},
            **{f"support vectors, C {c}": partial(SVR, C=c) for c in (0.3, 1, 3)},
        }
    return {
        **{f"logistic, C {c}": partial(LogisticRegression, C=c, max_iter=500) for c in (0.03, 0.3)},
        "discriminant, shrunk": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        "support vectors, C 3": lambda: SVC(C=3),
        "extra trees": lambda: ExtraTreesClassifier(500, random_state=0),
    }


def vectors(data: MultimodalDataset) -> tuple[dict[str, Array], Array, Array]:
    """Means over frames by modality, labels, and what is present."""
    batch = data.batch(np.arange(len(data)))
    features = {}
    for name, x in batch.features.items():
        valid = batch.valid[name].float()[..., None]
        features[name] = ((x.nan_to_num() * valid).sum(1) / valid.sum(1).clamp(min=1)).numpy()
    return features, batch.labels.numpy(), batch.present.numpy()


def scores(make: Callable[[], Any], train: MultimodalDataset, valid: MultimodalDataset) -> dict[str, float]:
    """Accuracy or minus MAE of every pattern that both splits have samples of."""
    names = train.schema.names
    x, y, present = vectors(train)
    other, truth, there = vectors(valid)
    by_pattern = {}
    for pattern in incomplete_patterns(names):
        columns = [names.index(n) for n in pattern]
        rows, tried = present[:, columns].all(1), there[:, columns].all(1)
        if not rows.any() or not tried.any():
            continue
        model = make().fit(np.concatenate([x[n] for n in pattern], 1)[rows], y[rows])
        predictions = model.predict(np.concatenate([other[n] for n in pattern], 1)[tried])
        classes = train.task.kind == "classification"
        right = predictions == truth[tried] if classes else -np.abs(predictions - truth[tried])
        by_pattern[pattern_name(tuple(n in pattern for n in names), names)] = float(right.mean())
    return by_pattern


@in_two_lines()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="ready sets")
    warnings.simplefilter("ignore")
    for name in parser.parse_args().data:
        config = DataConfig(name=name)
        samples = load(name, config)
        folds = [load_datasets(with_fold(samples, k, FOLDS), config) for k in range(FOLDS)]
        for probe, make in probes(folds[0].schema.task.kind == "classification").items():
            each = [scores(make, data.train, data.valid) for data in folds]
            mean = float(np.mean([np.mean(list(fold.values())) for fold in each]))
            by_pattern = {p: np.mean([fold[p] for fold in each if p in fold]) for p in each[0]}
            print(
                f"{name}  {probe}: {mean:.4f}  " + "  ".join(f"{p} {v:.3f}" for p, v in by_pattern.items()), flush=True
            )


if __name__ == "__main__":
    main()
