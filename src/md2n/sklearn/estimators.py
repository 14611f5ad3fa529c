"""A classifier and a regressor that predict from whatever modalities a row has."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from md2n.data.readers.wide_cells import is_nothing
from md2n.sklearn.blocks import present, rows_at
from md2n.sklearn.training import Trained


class _Predicting(Trained):
    """What predicts: outputs of rows that hold anything, and what is said of those that do not."""

    def _output(self, data: Any, nothing: npt.NDArray[Any]) -> npt.NDArray[Any]:
        data, features = self._features(data)
        count = len(data)
        there = np.flatnonzero(present(features, count))
        output = np.broadcast_to(np.asarray(nothing, np.float64), (count, *np.shape(nothing))).copy()
        if len(there):
            answer = self.predictor_.predict(rows_at(features, there), draws=1, check_units=False)
            output[there] = answer.output[:, : len(nothing)] if np.ndim(nothing) else answer.output
        return output


class MD2NClassifier(ClassifierMixin, _Predicting):
    """Classes from whatever modalities a row has; probabilities are calibrated on the rows held out.

    A row that holds nothing gets the shares of the classes in training.  Parameters are those of ``Trained``.

    Attributes:
        classes_: ``[C]`` labels, sorted.
    """

    def fit(self, X: Any, y: Any, **fit_params: Any) -> "MD2NClassifier":  # noqa: N803 - scikit-learn's name
        """Trains.

        Args:
            X: ``[N, d]`` array or table; NaN, None or null where something is missing.
            y: ``[N]`` classes, all known.
            **fit_params: none is known; ``sample_weight`` among them is refused.

        Raises:
            ValueError: X or y is not what scikit-learn's classifiers take.
            UnusedError: ``sample_weight`` or another parameter is given.
            UsageError: no such method, modality or setting.
            DataError: a modality is in no training row.
        """
        data, features = self._features(X, reset=True)
        target = _one_column(y, data)
        check_classification_targets(target)
        self.classes_, codes = np.unique(target, return_inverse=True)
        self._shares = np.bincount(codes) / len(codes)
        self._train(features, codes, len(self.classes_), fit_params)
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """``[N, C]`` probabilities, in the order of ``classes_``."""
        check_is_fitted(self)
        output = self._output(X, self._shares)
        return np.asarray(output / output.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        """``[N]`` the most probable classes."""
        probability = self.predict_proba(X)
        return np.asarray(self.classes_[probability.argmax(axis=1)])


class MD2NRegressor(RegressorMixin, _Predicting):
    """Real values from whatever modalities a row has.

    A row that holds nothing gets the mean of training.  Parameters are those of ``Trained``.
    """

    def fit(self, X: Any, y: Any, **fit_params: Any) -> "MD2NRegressor":  # noqa: N803
        """Trains.

        Args:
            X: ``[N, d]`` array or table; NaN, None or null where something is missing.
            y: ``[N]`` finite numbers.
            **fit_params: none is known; ``sample_weight`` among them is refused.

        Raises:
            ValueError: X or y is not what scikit-learn's regressors take.
            UnusedError: ``sample_weight`` or another parameter is given.
            UsageError: no such method, modality or setting.
            DataError: a modality is in no training row.
        """
        data, features = self._features(X, reset=True)
        target = _one_column(y, data).astype(np.float64)
        self._mean = float(target.mean())
        self._train(features, target, 0, fit_params)
        return self

    def predict(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """``[N]`` values in the unit of y."""
        check_is_fitted(self)
        return self._output(X, np.asarray(self._mean))


def _one_column(y: Any, data: Any) -> npt.NDArray[Any]:
    """``[N]`` labels, as many as rows, none of them unknown."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    target = column_or_1d(y, warn=True)
    check_consistent_length(data, target)
    if target.dtype.kind == "O" and any(is_nothing(v) for v in target):
        raise ValueError("Input y contains None or NaN: leave the rows without a label out")
    if target.dtype.kind == "f" and not np.isfinite(target).all():
        raise ValueError("Input y contains NaN or infinity: leave the rows without a label out")
    return np.asarray(target)
