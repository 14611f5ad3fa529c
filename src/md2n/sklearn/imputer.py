"""An imputer that fills whole missing modalities and single missing cells, each from whatever else the row has."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from md2n.data.readers.wide_cells import Features
from md2n.errors import UsageError
from md2n.methods.catalogue import MODELS
from md2n.serve.tables import filled_table
from md2n.sklearn.blocks import present, rows_at
from md2n.sklearn.training import Trained

Floats = npt.NDArray[np.float64]


class MD2NImputer(OneToOneFeatureMixin, TransformerMixin, Trained):
    """Fills what is missing; no known cell is changed, and nothing comes back missing.

    A row that holds nothing gets the training means.  There is no label to train with, so the networks learn the first
    principal component of X from every set of modalities.  Parameters are those of ``Trained``; ``method`` is one that
    recovers.

    Attributes:
        means_: ``[d]`` means of the known cells in training.
    """

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> "MD2NImputer":  # noqa: N803 - scikit-learn's name
        """Trains.

        Args:
            X: ``[N, d]`` array or table; NaN, None or null where something is missing.
            y: not used.
            **fit_params: none is known; ``sample_weight`` among them is refused.

        Raises:
            ValueError: X is not what scikit-learn's imputers take.
            UnusedError: ``sample_weight`` or another parameter is given.
            UsageError: no such method, modality or setting, or the method recovers nothing.
            DataError: a modality is in no training row.
        """
        if not hasattr(MODELS.get(self.method), "recover"):
            able = [name for name in MODELS.names() if hasattr(MODELS.get(name), "recover")]
            raise UsageError(f"'{self.method}' does not recover modalities", f"methods that do: {', '.join(able)}")
        data, features = self._features(X, reset=True)
        if isinstance(data, np.ndarray):
            known = np.isfinite(data)
            self.means_ = np.where(known, data, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        self._train(features, first_component(features, len(data)), 0, fit_params)
        return self

    def transform(self, X: Any) -> Any:  # noqa: N803
        """``[N, d]`` float64 with nothing missing; of a table with lists in cells, the same kind of table.

        Raises:
            ValueError: X has other columns than in training.
            DataError: a table of lists with a row that holds nothing.
        """
        return self._filled(X)[0]

    def std(self, X: Any) -> Any:  # noqa: N803
        """``[N, d]`` standard deviation of what ``transform`` fills in; zero where a cell is known.

        Raises:
            ValueError: as ``transform``.
            DataError: as ``transform``.
        """
        return self._filled(X)[1]

    def _filled(self, data: Any) -> tuple[Any, Any]:
        check_is_fitted(self)
        data, features = self._features(data)
        if not isinstance(data, np.ndarray):
            recovered = self.predictor_.recover(features, check_units=False)
            recovered = replace(recovered, columns=self.columns_)
            return filled_table(data, replace(recovered, std={})), recovered.std
        gaps = np.isnan(data)
        filled, std = np.where(gaps, self.means_, data), np.zeros_like(data)
        columns = list(chain(*self.columns_.values()))
        rows = np.flatnonzero(gaps[:, columns].any(axis=1) & present(features, len(data)))
        if len(rows):
            recovered = self.predictor_.recover(rows_at(features, rows), check_units=False)
            for modality, own in self.columns_.items():
                place = np.ix_(rows, list(own))
                filled[place] = np.where(gaps[place], np.concatenate(recovered.features[modality]), data[place])
                if recovered.std:
                    std[place] = np.where(gaps[place], np.concatenate(recovered.std[modality]), 0)
        return filled, std


def first_component(features: Mapping[str, Features], count: int) -> Floats:
    """``[N]`` scores of the first principal component of all numbers; sequences by their means over frames.

    Columns are standardised, and unknown cells are at the mean.  A real label that depends on everything, for tables
    that have none.

    Args:
        features: modality -> ``[N, d]``, or an array or None per row.
        count: N.
    """
    blocks = [_flat(values, count) for values in features.values() if values is not None]
    table = np.concatenate(blocks, axis=1)
    known = np.isfinite(table)
    number = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, table - np.where(known, table, 0).sum(axis=0) / number, 0)
    scale = np.sqrt(np.square(centred).sum(axis=0) / number)
    centred /= np.where(scale > 0, scale, 1)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    # The sign is free: it is that of the largest weight.
    first = vectors[:, -1] * np.sign(vectors[np.abs(vectors[:, -1]).argmax(), -1])
    return np.asarray(centred @ first)


def _flat(values: Features, count: int) -> Floats:
    if isinstance(values, np.ndarray):
        return values
    rows = [np.asarray(v) for v in values or () if v is not None]
    means = np.full((count, rows[0].shape[1]), np.nan)
    for i, v in enumerate(values or ()):
        if v is not None and np.isfinite(v).any():
            means[i] = np.where(np.isfinite(v), v, 0).sum(axis=0) / np.maximum(np.isfinite(v).sum(axis=0), 1)
    return means
