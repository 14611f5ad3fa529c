"""What retrieval is compared with: zeros where something is missing, the modalities both sides have, a ridge."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from md2n.methods.parts.ridge import fit_ridge
from md2n.serve.retrieving import Retrieved, Vectors, search

LEAST = 2  # training samples that a regression needs

ZEROS, SHARED, RIDGE = "zero_fill", "shared modalities", "ridge"


def reference_results(query: Vectors, index: Vectors, training: Vectors) -> dict[str, Retrieved]:
    """Name -> what it retrieves; ``shared modalities`` only where there are some.

    Args:
        query: zeros where something is missing.
        index: likewise.
        training: likewise; the samples that the regression is fitted on.
    """
    results = {ZEROS: search(query, index)}
    both = np.asarray(query.available.any(axis=0) & index.available.any(axis=0))
    if both.any():
        names = [name for name, there in zip(query.parts, both.tolist()) if there]
        results[SHARED] = search(*(replace(v, parts={k: v.parts[k] for k in names}) for v in (query, index)))
    return {**results, RIDGE: search(translated(query, training), translated(index, training))}


def translated(vectors: Vectors, training: Vectors) -> Vectors:
    """Every missing part by ridge regression from all parts that the sample has.

    Fitted for each set of modalities and target on the training samples that hold both; zeros stay where there are
    fewer than two.
    """
    names, parts = list(vectors.parts), {k: x.copy() for k, x in vectors.parts.items()}
    for pattern in np.unique(vectors.available, axis=0):
        rows = (vectors.available == pattern).all(axis=1)
        sources = [names[k] for k in np.flatnonzero(pattern)]
        for k in np.flatnonzero(~pattern):
            fitted = (training.available | ~pattern).all(axis=1) & training.available[:, k]
            if int(fitted.sum()) >= LEAST:
                x, y = _joined(training, sources, fitted), torch.from_numpy(training.parts[names[k]][fitted]).double()
                parts[names[k]][rows] = fit_ridge(x, y)(_joined(vectors, sources, rows)).float().numpy()
    return replace(vectors, parts=parts)


def _joined(vectors: Vectors, names: list[str], rows: npt.NDArray[np.bool_]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([vectors.parts[k][rows] for k in names], axis=1)).double()
