"""What the estimators share: their parameters, the rows held out for validation, a budget for small tables."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from md2n.data.readers.arrays import from_arrays
from md2n.data.readers.wide_cells import Features
from md2n.errors import UsageError
from md2n.serve.fitting import fit
from md2n.serve.predictor import Predictor
from md2n.sklearn.blocks import apart, checked, columns_for, present, rows_at

BATCH = 32  # samples a step, as every preset has
QUICK_EPOCHS = 40  # for small tables
QUICK_STEPS = 300  # for tables of up to QUICK_ROWS rows: about half a minute on a laptop's CPU
QUICK_ROWS = 5000
VALIDATIONS = 6
ANSWERED = 256  # rows answered for at a time

Rows = npt.NDArray[np.intp]


class UnusedError(UsageError, TypeError):
    """An argument of ``fit`` that no method of md2n takes; a ``TypeError``, as scikit-learn expects of one."""


class Trained(BaseEstimator):
    """The parameters that all estimators have.

    Args:
        modalities: name -> columns of X: a list of names or numbers, a pattern (``acc_*``), first letters, or a slice.
            If not given, see ``md2n.sklearn.blocks``.
        method: a name of ``md2n.methods.catalogue.MODELS``.
        epochs: passes over the training rows; if not given, 40 but at most 300 steps for up to 5,000 rows, and as many
            passes over larger tables as that is for 5,000.
        validation_fraction: share of the rows that choose weights and calibrate, and are not trained on.
        settings: of md2n's configuration, by name or path: ``{"fusion.latent.width": 64}``.
        random_state: seed of everything random; with None it is 0.
        verbose: 1 prints a line for each validation, on stderr.

    Attributes:
        predictor_: the trained ``md2n.serve.predictor.Predictor``.
        columns_: modality -> numbers (or, with lists in cells, names) of its columns.
        n_features_in_: d.
        feature_names_in_: names of the columns, if X had some.
    """

    predictor_: Predictor

    def __init__(
        self,
        modalities: Any = None,
        *,
        method: Any = "md2n",
        epochs: Any = None,
        validation_fraction: Any = 0.15,
        settings: Any = None,
        random_state: Any = 0,
        verbose: Any = 0,
    ) -> None:
        # As scikit-learn wants it, nothing is looked at before `fit`: a search may set anything first.
        self.modalities = modalities
        self.method = method
        self.epochs = epochs
        self.validation_fraction = validation_fraction
        self.settings = settings
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _features(self, data: Any, reset: bool = False) -> tuple[Any, dict[str, Features]]:
        """X as ``blocks.checked`` gives it, and as modalities."""
        data = checked(self, data, reset)
        if reset:
            names = list(self.feature_names_in_) if hasattr(self, "feature_names_in_") else None
            self.columns_ = columns_for(data, names, self.modalities)
            return data, apart(data, self.columns_)
        sizes = {m.name: m.dim for m in self.predictor_.schema.modalities}
        return data, apart(data, self.columns_, sizes)

    def _train(self, features: Mapping[str, Features], label: npt.NDArray[Any], classes: int, refused: Any) -> None:
        """Trains on the rows that hold anything.

        Args:
            features: of every row.
            label: ``[N]`` real values, or codes of classes.
            classes: how many; 0 for real values.
            refused: arguments of ``fit`` that no method takes.
        """
        if refused:
            name = next(iter(refused))
            hint = "class weights are a setting: settings={'trainer.class_weights': 'balanced'}"
            raise UnusedError(f"training takes no '{name}'", f"leave it out; {hint}")
        if not 0 < self.validation_fraction < 1:
            raise UsageError(f"validation_fraction is {self.validation_fraction}", "give a share between 0 and 1")
        rows = np.flatnonzero(present(features, len(label)))
        if len(rows) < 2:
            raise ValueError(f"n_samples={len(rows)}: two rows with any number are needed, to train and to validate")
        seed = self._seed()
        label = label[rows]
        names = [str(k) for k in range(classes)]
        samples = from_arrays(
            rows_at(features, rows),
            {"y": label},
            splits=_split(label if classes else None, len(rows), self.validation_fraction, seed),
            kinds={"y": "classification" if classes else "regression"},
            classes={"y": names} if classes else None,
            name="X",
        )
        settings = {**self._budget(len(rows)), **(self.settings or {})}
        self.predictor_ = fit(samples, method=self.method, seed=seed, progress=bool(self.verbose), **settings)
        self.predictor_.batch_size = ANSWERED

    def _budget(self, rows: int) -> dict[str, Any]:
        if self.epochs is not None:
            return {"trainer.epochs": int(self.epochs)}
        most = QUICK_STEPS * max(1, rows // QUICK_ROWS)
        return {"trainer.steps": min(most, max(1, QUICK_EPOCHS * rows // BATCH)), "trainer.validations": VALIDATIONS}

    def _seed(self) -> int:
        state = self.random_state
        return int(state.randint(2**31 - 1)) if isinstance(state, np.random.RandomState) else int(state or 0)


def _split(codes: npt.NDArray[Any] | None, count: int, share: float, seed: int) -> list[str]:
    """``train`` or ``valid`` for every row; every class is trained on, and validated where it has two rows or more."""
    rng = np.random.default_rng(seed)
    parts = np.full(count, "train", dtype=object)
    groups = [np.arange(count)] if codes is None else [np.flatnonzero(codes == code) for code in np.unique(codes)]
    for group in groups:
        held = min(len(group) - 1, max(1, round(share * len(group))))
        parts[rng.permutation(group)[:held]] = "valid"
    if not (parts == "valid").any():
        parts[rng.integers(count)] = "valid"
    return [str(p) for p in parts]
